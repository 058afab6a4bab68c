"""``python -m benchmarks.faults --rounds 20``: kill actors, nodes and drivers at random; ``suite.faults.rounds`` does the work."""

import subprocess
import sys


def main() -> int:
    """Pass the arguments on and return the exit code: 0 where every round ended with equal tables."""
    return subprocess.run([sys.executable, "-m", "suite.faults.rounds", *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
