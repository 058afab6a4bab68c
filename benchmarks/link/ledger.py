"""The ledger: every symbol that crosses the link is counted here and nowhere else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What one image's transmission cost and met.

    Attributes:
        symbols_analog: complex channel symbols of the analog streams.
        symbols_digital: complex channel symbols of the digital stream, headers, checks and repetitions included.
        symbols_pilot: symbols spent on channel estimation, for all streams.
        measured_snr_db: mean symbol power (1) over the realised mean noise power, in dB; NaN if nothing was sent.
        text_bytes_sent: payload bytes after compression.
        text_ok: the payload's check passed; ``None`` without a digital stream.
        text_scheme: modulation and code rate of the payload, such as "16qam 1/2"; ``None`` without a digital stream.
    """

    symbols_analog: int = 0
    symbols_digital: int = 0
    symbols_pilot: int = 0
    measured_snr_db: float = float("nan")
    text_bytes_sent: int = 0
    text_ok: bool | None = None
    text_scheme: str | None = None

    @property
    def symbols_total(self) -> int:
        """All symbols on the air."""
        return self.symbols_analog + self.symbols_digital + self.symbols_pilot
