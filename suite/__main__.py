"""``semcom COMMAND ...``, which is ``python -m suite.COMMAND ...``."""

import runpy
import sys

from benchmarks.common.names import suggestion

USAGE_ERROR = 2
COMMANDS = {
    "run": "train what is missing, evaluate a grid, write tables and figures",
    "train": "train the networks of a grid",
    "evaluate": "evaluate a grid whose networks are trained",
    "tables": "write tables, figures and the page of a run again",
    "compare": "set two runs side by side",
    "export": "write every record of a run into one file",
    "submit": "pack a run as an archive that others can check",
    "leaderboard": "set the runs of many archives beside one another",
    "trends": "hold a run against what the papers claim",
    "new": "write the beginning of a method of one's own",
    "check": "try a method on everything that is demanded of it",
    "complexity": "measure parameters, operations, time and memory of methods",
    "list": "show methods, data sets, metrics, channels and grids",
    "doctor": "show what this machine has and what a grid lacks",
    "assets": "list and fetch data sets and weights of others",
    "saliency": "make saliency maps for training images that come without masks",
    "scene_models": "train the small models of the built-in scenes",
    "speed": "measure what the engine costs",
    "faults": "break runs on purpose and see that nothing is lost",
    "shipping": "pack the code as it travels to a cluster",
    "docs": "build the site of the project's pages",
}


def main() -> None:
    """Run the command that the first argument names; the entry point of the console script."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print("Usage: semcom COMMAND [OPTIONS]; semcom COMMAND --help says more.\n")
        print("\n".join(f"  {command:14}{what}" for command, what in COMMANDS.items()))
        return
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"error: there is no command '{name}'.{suggestion(name, COMMANDS)} Known: {known}.", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)
    sys.argv[1:] = rest
    runpy.run_module(f"suite.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
