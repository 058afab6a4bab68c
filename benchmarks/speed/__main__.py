"""``python -m benchmarks.speed [--json FILE] [--only a,b] [--seconds S]``: what the engine costs; each measurement in its own process."""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

MEASURES = {
    "engine": "the engine with two workers against a bare loop over the same cells",
    "sharing": "encoding and reading once against the order of the field's scripts",
    "network": "SwinJSCC's forward pass against the limits of this machine",
    "startup": "seconds before the first useful thing",
    "workers": "1, 2, 4, 8 workers with a method that sleeps",
    "growth": "ten times the images, ten times the cells",
}


def main() -> int:
    """Run the measurements that are asked for, print them and write them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Measure the engine and print ratios.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--only", metavar="a,b", help=f"only these: {', '.join(MEASURES)}")
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long a measurement works; over 60 adds 100,000 cells")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(MEASURES)
    if unknown := sorted(set(chosen) - set(MEASURES)):
        parser.error(f"there is no measurement '{unknown[0]}'; choose from {', '.join(MEASURES)}")
    results: dict[str, Any] = {"machine": machine(), "measures": {}}
    print(f"{results['machine']['cores']} cores, load {results['machine']['load']:.1f} before the start")
    failed = False
    for name in chosen:
        print(f"\n{name}: {MEASURES[name]}", flush=True)
        found = run(name, arguments.seconds)
        failed |= found is None
        results["measures"][name] = found
        show(found or {"failed": True})
    results["machine"]["load_at_the_end"] = os.getloadavg()[0]
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 1 if failed else 0


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), "load": os.getloadavg()[0]}


def run(name: str, seconds: float) -> dict[str, Any] | None:
    """Return what a process of its own measured; ``None`` where it failed, after its messages were shown."""
    command = (sys.executable, "-m", "suite.speed", name, "--seconds", str(seconds))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return None
    # Ray may have its own last words when the process ends.
    results = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(results[-1]))


def show(values: dict[str, Any], indent: int = 2) -> None:
    """Print nested values, a line each."""
    for name, value in values.items():
        if isinstance(value, dict):
            print(f"{' ' * indent}{name}")
            show(value, indent + 2)
        else:
            print(f"{' ' * indent}{name:28} {f'{value:.4g}' if isinstance(value, float) else value}")


if __name__ == "__main__":
    sys.exit(main())
