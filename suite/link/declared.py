"""What a signal may take only where it is declared, so that tables tell it: streams that are not charged, and a link that loses nothing."""

from benchmarks.link.digital.settings import Mode
from methods.base import Signal, Traits
from methods.errors import MethodError

# In the name of a variant whose side information is not charged; every table bears the name.
UNCHARGED = "uncharged"
LOSSLESS: Mode = "lossless"
FREE = frozenset({"side", "digital"})


def check_declared(signal: Signal, traits: Traits, variant: str, mode: Mode) -> None:
    """Raise an error where a signal takes what neither its variant's name, its traits nor the grid declares.

    Args:
        signal: what is sent.
        traits: of the method.
        variant: of the method, as tables name it.
        mode: coding mode of the grid's digital stream.

    Raises:
        MethodError: streams are left uncharged by a variant whose name does not say so, or the analog one by any; or the digital
            stream is to arrive whole whatever the channel does, which neither ``traits.coding_mode`` nor the grid says.

    Example:
        >>> check_declared(Signal(digital=[b"free"], uncharged=frozenset({"digital"})), Traits(), "full-uncharged", "ldpc")
    """
    if stolen := sorted(signal.uncharged - FREE):
        raise MethodError(f"the signal leaves its {' and '.join(stolen)} stream uncharged; only {' and '.join(sorted(FREE))} can be")
    if signal.uncharged and UNCHARGED not in variant:
        free = " and ".join(sorted(signal.uncharged))
        raise MethodError(
            f"the signal leaves its {free} stream uncharged and the variant '{variant}' does not tell it; charge it, "
            f"or take a variant whose name says '{UNCHARGED}'"
        )
    if signal.digital is not None and signal.coding_mode == LOSSLESS and LOSSLESS not in (mode, traits.coding_mode):
        raise MethodError(
            f"the signal asks for a digital stream that is lossless by decree where the grid's is '{mode}'; leave coding_mode to the grid, "
            "set link.digital.mode=lossless for all, or declare it by Traits(coding_mode='lossless'), which every table then tells"
        )
