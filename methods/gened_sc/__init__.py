"""GenED-SC, stage one: semantic dual-branch JSCC."""

from methods.gened_sc.method import GenEDSC
from methods.gened_sc.settings import GenEDSCSettings

__all__ = ["GenEDSC", "GenEDSCSettings"]
