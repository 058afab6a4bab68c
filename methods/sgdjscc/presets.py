"""Variants of the method, its compact size, and what the authors' release runs with."""

from collections.abc import Mapping
from typing import Any

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "default": {"guidance": "none"},
    "text": {"guidance": "text"},
    "edges": {"guidance": "edges"},
    "both": {"guidance": "both"},
    "both-uncharged": {"guidance": "both", "charge_guidance": False},
    "no-denoiser": {"guidance": "none", "denoise": False},
}

COMPACT: Mapping[str, Any] = {
    "steps": 4,
    "noise_level": "known",
    "guidance_schedule": "constant",
    "guidance_scale": 1.5,
    "control_strength": 1.0,
    "edge_power": "sent",
    "brightness": 0.0,
    "captions": "image",
    "tile": 64,
    "widths": (48, 96),
    "blocks": 1,
    "fold": 4,
    "groups": 8,
    "shortcut": True,
    "estimator_widths": (32, 32),
    "denoiser_width": 96,
    "denoiser_heads": 4,
    "denoiser_depth": 6,
    "denoiser_decode": 2,
    "mlp_ratio": 3.0,
    "noise_features": 64,
    "prediction": "residual",
    "text_encoder": "hashing",
    "text_width": 64,
    "edge_features": 16,
    "edge_window": 4,
    "edge_dims": (32, 48, 64, 80),
    "edge_depths": (1, 1, 2, 1),
    "edge_heads": (2, 3, 4, 5),
    "control_scale": None,
    "stage_shares": (0.6, 0.4, 0.4),
    "stage_rates": (1.0, 0.75, 0.5),
}

PUBLISHED: Mapping[str, Any] = {"caption_tokens": 20}

AUTHORS: Mapping[str, Any] = {
    **PUBLISHED,
    "checkpoint": "authors",
    "text_encoder": "clip",
    "text_weights": "checkpoints/sgdjscc-authors/ViT-L-14.pt",
    "edge_detector": "muge",
    "negative_prompt": "distorted, discontinuous, ugly, blurry, low resolution, deformed, bad quality, deformed",
    "sampler": "released",
}
