"""The SwinJSCC network: Swin encoder, Swin decoder, and the gates between them.

::

    image (B,3,H,W) ─conv p x p─ stage 1 ─(merge, stage)─ ... ─LayerNorm─┬─ SNR gate? ─┬─ head ────────────────┐
                                                                         │             └─ rate gate, top-r mask┤
                                                                                                       features (B, L, C)
    image (B,3,H,W) <─expand─ stage 1 <─(expand, stage)─ ... <─ stage S <── SNR gate? <── head? <──────────────┘

L = HW / (p 2^(S-1))^2 tokens. Without rate adaptation a linear head gives C channels; with it C is the last stage's
width and all but r channels of each image are zeroed.
"""

import torch
from torch import Tensor, nn

from methods.errors import MethodError, RateError
from methods.layers.swin import PatchExpanding, PatchMerging
from methods.swinjscc.gates import Gate, TieBreak, channel_mask
from methods.swinjscc.layout import Layout


class PatchEmbedding(nn.Module):
    """One strided convolution: (B, 3, H, W) to (B, H/p, W/p, dim)."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """Embed the patches."""
        return self.proj(images).permute(0, 2, 3, 1).contiguous()


class EncoderStage(nn.Module):
    """Patch merging, except in the first stage, then Swin blocks."""

    def __init__(self, layout: Layout, stage: int) -> None:
        super().__init__()
        self.downsample = PatchMerging(layout.dims[stage - 1], layout.dims[stage]) if stage else nn.Identity()
        self.blocks = layout.blocks(stage)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) tokens."""
        x = self.downsample(x)
        for block in self.blocks:
            x = block(x)
        return x


class DecoderStage(nn.Module):
    """Swin blocks, then patch expanding; the image's end expands to pixels."""

    def __init__(self, layout: Layout, stage: int) -> None:
        super().__init__()
        self.blocks = layout.blocks(stage)
        out_dim, factor = (layout.dims[stage - 1], 2) if stage else (3, layout.patch)
        self.upsample = PatchExpanding(layout.dims[stage], out_dim, factor)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) tokens."""
        for block in self.blocks:
            x = block(x)
        return self.upsample(x)


class Encoder(nn.Module):
    """Image to features.

    Args:
        layout: sizes.
        channels: width C of the head; ``None`` for rate adaptation, which has no head.
        snr_adaptive: whether an SNR gate stands before the head.
        tie_break: order of equal channel scores.
    """

    def __init__(self, layout: Layout, channels: int | None, snr_adaptive: bool, tie_break: TieBreak = "index") -> None:
        super().__init__()
        width = layout.dims[-1]
        self.layout = layout
        self.tie_break: TieBreak = tie_break
        self.patch_embed = PatchEmbedding(layout.dims[0], layout.patch)
        self.layers = nn.ModuleList([EncoderStage(layout, stage) for stage in range(len(layout.dims))])
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)
        self.snr_gate = Gate(width) if snr_adaptive else None
        if channels is not None:
            self.head: nn.Linear | None = _initialised(nn.Linear(width, channels))
        else:
            self.head, self.rate_gate = None, Gate(width)

    def forward(self, images: Tensor, snr_db: float | None, rate: int | None) -> tuple[Tensor, Tensor | None]:
        """Return features (B, L, C) and, with rate adaptation, the mask (B, C); see :meth:`SwinJSCCNetwork.encode_features`."""
        x = self.patch_embed(images)
        for stage in self.layers:
            x = stage(x)
        x = self.norm(x).flatten(1, 2)
        if self.snr_gate is not None:
            x, _ = self.snr_gate(x, _told(snr_db))
        if self.head is not None:
            return self.head(x), None
        return self._choose(self.rate_gate, x, rate)

    def _choose(self, gate: Gate, x: Tensor, rate: int | None) -> tuple[Tensor, Tensor]:
        kept = _fitting(rate, x.shape[-1])
        x, weights = gate(x, kept)
        mask = channel_mask(weights.float().sum(dim=1), kept, self.tie_break)
        return x * mask.unsqueeze(1), mask


class Decoder(nn.Module):
    """Features to image.

    Args:
        layout: the encoder's sizes.
        channels: width C of the features; ``None`` for the last stage's width without a head.
        snr_adaptive: whether an SNR gate follows the head.
    """

    def __init__(self, layout: Layout, channels: int | None, snr_adaptive: bool) -> None:
        super().__init__()
        width = layout.dims[-1]
        self.layout = layout
        self.head = nn.Linear(channels, width) if channels is not None else None
        self.layers = nn.ModuleList([DecoderStage(layout, stage) for stage in reversed(range(len(layout.dims)))])
        self.apply(_initialise)
        self.snr_gate = Gate(width) if snr_adaptive else None

    def forward(self, features: Tensor, snr_db: float | None, size: tuple[int, int]) -> Tensor:
        """Return (B, 3, height, width) images, not clamped, from (B, L, C) features."""
        x = features if self.head is None else self.head(features)
        if self.snr_gate is not None:
            x, _ = self.snr_gate(x, _told(snr_db))
        stride = self.layout.stride
        x = x.unflatten(1, (size[0] // stride, size[1] // stride))
        for stage in self.layers:
            x = stage(x)
        return x.permute(0, 3, 1, 2)


class SwinJSCCNetwork(nn.Module):
    """Both sides, without the link.

    On a CPU without gradients images are processed one at a time: a batch's temporaries leave the cache and cost page
    faults there, so that eight images at once are slower than eight times one.

    Args:
        encoder, decoder: the two sides.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode_features(self, images: Tensor, snr_db: float | None, rate: int | None) -> tuple[Tensor, Tensor | None]:
        """Encode images, before any power normalisation.

        Args:
            images: (B, 3, H, W) in [0, 1], any size that the windows divide.
            snr_db: SNR in dB; read by an SNR-adaptive network alone.
            rate: channels to keep; read by a rate-adaptive network alone.

        Returns:
            Features (B, L, C) and the mask (B, C) of zeros and ones, or ``None`` without rate adaptation.

        Raises:
            MethodError: the images do not fit, or a number that the network reads is missing.
        """
        self.encoder.layout.check(images.shape[-2], images.shape[-1])
        encoded = [self.encoder(piece, snr_db, rate) for piece in _pieces(images)]
        masks = [mask for _, mask in encoded if mask is not None]
        return _joined([features for features, _ in encoded]), _joined(masks) if masks else None

    def decode_features(self, features: Tensor, snr_db: float | None, size: tuple[int, int] | None = None) -> Tensor:
        """Decode features.

        Args:
            features: (B, L, C), as encoded, or with channel noise; dropped channels zero.
            snr_db: SNR in dB; read by an SNR-adaptive network alone.
            size: height and width of the images; by default those the network was built for.

        Returns:
            (B, 3, H, W) images, not clamped.

        Raises:
            MethodError: an image of this size has not L tokens.
        """
        size = self._size(features.shape[1], size)
        return _joined([self.decoder(piece, snr_db, size) for piece in _pieces(features)])

    def _size(self, tokens: int, asked: tuple[int, int] | None) -> tuple[int, int]:
        layout = self.decoder.layout
        size = asked or (layout.height, layout.width)
        if size[0] * size[1] != tokens * layout.stride**2:
            raise MethodError(f"{tokens} tokens are no image of size {size}; pass the image's size")
        layout.check(*size)
        return size


def _pieces(batch: Tensor) -> tuple[Tensor, ...]:
    alone = batch.device.type == "cpu" and not torch.is_grad_enabled()
    return batch.split(1) if alone else (batch,)


def _joined(pieces: list[Tensor]) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _told(snr_db: float | None) -> float:
    if snr_db is None:
        raise MethodError("an SNR-adaptive SwinJSCC must know the SNR on both sides; give the operating point an SNR")
    return snr_db


def _fitting(rate: int | None, channels: int) -> int:
    if rate is None or not 1 <= rate <= channels:
        raise RateError(f"a rate-adaptive SwinJSCC of {channels} channels must be told to keep 1 to {channels} of them, not {rate}")
    return rate


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        _initialised(module)


def _initialised(linear: nn.Linear) -> nn.Linear:
    nn.init.trunc_normal_(linear.weight, std=0.02)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
