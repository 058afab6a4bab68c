"""Settings of the digital stream."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchmarks.common.validation import Settings

Mode = Literal["ldpc", "adaptive", "lossless", "uncoded", "capacity", "robust"]
Modulation = Literal["qpsk", "16qam", "64qam"]
Compression = Literal["none", "brotli", "clip-bpe"]
# Ends the names of what is measured at Shannon's limit, which reports keep apart from what a link can do.
CAPACITY: Mode = "capacity"
OnFailure = Literal["nothing", "damaged"]


class DigitalSettings(Settings):
    """How messages are compressed, protected and modulated; every field changes results.

    Attributes:
        mode: "ldpc": the scheme that ``modulation`` and ``code_rate`` name, at every SNR. "adaptive": the most efficient scheme
            of the MCS table whose block error rate is below ``target_bler`` on that channel at that SNR. "lossless": the bytes
            always arrive and the symbols of the "ldpc" scheme are charged; a reference, no real link. "uncoded": the bits are
            modulated as they are, each block with its check, so that errors are seen and not mended. "capacity": the bytes always arrive
            and their bits are charged at Shannon's limit; another reference. "robust": for side information that a receiver cannot
            do without and whose length both ends know: no header, the most efficient of low-rate schemes, down to rate 1/40, whose
            block error rate is at most ``robust_bler``; methods ask for it whatever the grid's mode.
        modulation: of the fixed scheme and of "uncoded". 16-QAM at rate 1/2 is GenED-SC's.
        code_rate: of the fixed scheme; the 5G code goes down to 1/5.
        iterations: belief-propagation iterations at most; a block whose check passes stops early.
        compression: "none"; "brotli", lossless with its built-in dictionary; "clip-bpe", 16-bit CLIP tokens, which carry
            lower-cased text with normalised white space.
        on_failure: what a receiver gets of a message whose check failed: nothing, or the damaged bytes.
        header_repetitions: times the header is sent; more for links below about 1 dB.
        length_bits: width of the header's length field; 16 bits count to 65,535 bytes.
        target_bler: block error rate that "adaptive" accepts.
        robust_table: the table that "robust" reads; ``None`` for the one measured with the project.
        robust_bler: block error rate that "robust" accepts.
        outage: share of the messages that "adaptive" accepts to lose on slow fading, and "robust" where the whole channel fades: there one
            fade meets a whole message, and no code is reliable.
        harq: on slow fading "adaptive" sends what fails again, up to four times in all, each time in a later fade, and analog streams are
            spread over as many fades, so that both have the same diversity. Without it everything is sent once, in one fade.
        snr_as: how the SNR of a grid is read for the messages of a fixed scheme, under "ldpc" and "uncoded". "es_n0": as for the analog
            symbols, symbol energy over noise density. "eb_n0": as the energy of an information bit over noise density, so that Es/N0 =
            Eb/N0 + 10 log10(bits a symbol) (Goldsmith, Wireless Communications, 2005, section 6.1.1, for one symbol a symbol time): 3.01 dB
            more for 16-QAM at rate 1/2, the header included.
        mcs_table: the table that "adaptive" reads; ``None`` for those measured with the project, one for messages and a finer one for
            image files.
    """

    mode: Mode = "ldpc"
    modulation: Modulation = "16qam"
    code_rate: float = Field(default=0.5, ge=0.2, le=0.9)
    iterations: int = Field(default=50, ge=1, le=10_000)
    compression: Compression = "none"
    on_failure: OnFailure = "damaged"
    header_repetitions: int = Field(default=1, ge=1, le=8)
    length_bits: int = Field(default=16, ge=8, le=24)
    target_bler: float = Field(default=1e-2, gt=0.0, lt=1.0)
    mcs_table: Path | None = None
    robust_table: Path | None = None
    robust_bler: float = Field(default=5e-4, gt=0.0, lt=1.0)
    outage: float = Field(default=0.1, gt=0.0, lt=1.0)
    harq: bool = False
    snr_as: Literal["es_n0", "eb_n0"] = "es_n0"

    first_values: ClassVar[Mapping[str, Any]] = {
        **{"robust_table": None, "robust_bler": 5e-4, "outage": 0.1, "harq": False, "snr_as": "es_n0"},
    }

    def matters(self, mode: Mode) -> dict[str, Any]:
        """Return the settings that decide what becomes of a message under ``mode``, by name.

        Example:
            >>> DigitalSettings(snr_as="eb_n0").matters("robust") == DigitalSettings().matters("robust")
            True
        """
        names = (*_EVERY_MODE, *_OF_MODE[mode]) if mode != CAPACITY else ()
        return {"mode": mode, **{name: getattr(self, name) for name in names}}


_EVERY_MODE = ("iterations", "compression", "on_failure", "header_repetitions", "length_bits", "harq")
_OF_MODE: Mapping[Mode, tuple[str, ...]] = {
    "ldpc": ("modulation", "code_rate", "snr_as"),
    "lossless": ("modulation", "code_rate"),
    "uncoded": ("modulation", "snr_as"),
    "adaptive": ("target_bler", "outage", "mcs_table"),
    "robust": ("robust_bler", "outage", "robust_table"),
}
