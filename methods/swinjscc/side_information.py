"""What the receiver must know besides the symbols: the scale of the features and the choice of channels.

::

    message of an image = [scale, float16 little endian, 2 bytes]?  [channel mask, ceil(C / 8) bytes, channel 0 first]?
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class MessageFormat:
    """Layout of the message; without scale and mask there is none.

    Attributes:
        scaled: the message carries the scale.
        channels: C of the mask, ``None`` for no mask.
    """

    scaled: bool
    channels: int | None

    @property
    def empty(self) -> bool:
        """Whether nothing is sent."""
        return not self.scaled and self.channels is None

    def pack(self, symbols: Tensor, mask: Tensor | None) -> list[bytes] | None:
        """Return a message an image: the root mean square of its complex (B, k) symbols and its (B, C) mask."""
        if self.empty:
            return None
        parts = [b""] * len(symbols)
        if self.scaled:
            scales = symbols.detach().abs().square().mean(dim=1).sqrt().clamp(max=_LARGEST_HALF)
            parts = [scale.tobytes() for scale in scales.cpu().numpy().astype("<f2")]
        if mask is not None:
            masks = np.packbits(mask.detach().cpu().numpy().astype(bool), axis=1)
            parts = [part + row.tobytes() for part, row in zip(parts, masks, strict=True)]
        return parts

    def unpack(
        self, messages: Sequence[bytes | None] | None, intact: Sequence[bool] | None, batch: int, rate: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Read the messages of ``batch`` images.

        An image whose message is lost, damaged or of another format is taken to have unit scale and to have sent its
        first ``rate`` channels.

        Returns:
            Scales (B,) and kept channels (B, rate) in rising order.
        """
        scales, kept = np.ones(batch, dtype=np.float32), np.tile(np.arange(rate), (batch, 1))
        for row in range(0 if messages is None else batch):
            message = messages[row] if messages is not None and (intact is None or intact[row]) else None
            read = self._read(message, rate) if message is not None else None
            if read is not None:
                scales[row], kept[row] = read
        return torch.from_numpy(scales).to(device), torch.from_numpy(kept).to(device)

    def _read(self, message: bytes, rate: int) -> tuple[float, np.ndarray] | None:
        head = 2 if self.scaled else 0
        if len(message) != head + (0 if self.channels is None else -(-self.channels // 8)):
            return None
        scale = float(np.frombuffer(message[:head], dtype="<f2")[0]) if self.scaled else 1.0
        if self.channels is None:
            return scale, np.arange(rate)
        bits = np.unpackbits(np.frombuffer(message[head:], dtype=np.uint8), count=self.channels)
        return (scale, bits.nonzero()[0]) if bits.sum() == rate and np.isfinite(scale) else None
