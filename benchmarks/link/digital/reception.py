"""What a digital stream delivers, and what it costs."""

from dataclasses import dataclass

from benchmarks.link.digital.scheme import Scheme


@dataclass(frozen=True)
class DigitalReception:
    """What arrived of B messages, and what they cost.

    Attributes:
        messages: as the receiver has them; ``None`` where nothing can be delivered.
        intact: whether header and all blocks passed their checks.
        symbols: spent a message, on header, checks and repetitions too.
        header_symbols: the part of ``symbols`` that headers took.
        bytes_sent: payload bytes a message, after compression.
        frame_symbols: put on the air in one transmission of a message; 0 where nothing is.
        noise_power: realised mean power of the additive noise.
        transmissions: times a message was sent, 1 without HARQ.
        schemes: the modulation and coding scheme of each.
    """

    messages: tuple[bytes | None, ...]
    intact: tuple[bool, ...]
    symbols: tuple[int, ...]
    header_symbols: tuple[int, ...]
    bytes_sent: tuple[int, ...]
    frame_symbols: tuple[int, ...]
    noise_power: tuple[float, ...]
    transmissions: tuple[int, ...]
    schemes: tuple[Scheme, ...]
