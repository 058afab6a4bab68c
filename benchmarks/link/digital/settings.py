"""Settings of the digital stream."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from benchmarks.common.validation import Settings

Mode = Literal["ldpc", "adaptive", "lossless", "uncoded", "capacity"]
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
            and their bits are charged at Shannon's limit; another reference.
        modulation: of the fixed scheme and of "uncoded". 16-QAM at rate 1/2 is GenED-SC's.
        code_rate: of the fixed scheme; the 5G code goes down to 1/5.
        iterations: belief-propagation iterations at most; a block whose check passes stops early.
        compression: "none"; "brotli", lossless with its built-in dictionary; "clip-bpe", 16-bit CLIP tokens, which carry
            lower-cased text with normalised white space.
        on_failure: what a receiver gets of a message whose check failed: nothing, or the damaged bytes.
        header_repetitions: times the header is sent; more for links below about 1 dB.
        length_bits: width of the header's length field; 16 bits count to 65,535 bytes.
        target_bler: block error rate that "adaptive" accepts.
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
