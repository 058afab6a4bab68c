"""How the stages of an evaluation are carried out: in this process, in some beside it, or as pools of Ray Data actors."""

from typing import Literal

from suite.evaluate.stages.captions import CaptionResult
from suite.evaluate.stages.score import UnitResult

Event = UnitResult | CaptionResult
Executor = Literal["auto", "ray", "processes", "inline"]
