"""Where the project lies, and what is not part of it: real images, faulty inputs and outputs of the authors' code, beside the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
