"""Tiny random generative models: by its name, the function that saves a model to a folder as its library saves one."""

from collections.abc import Callable, Mapping
from pathlib import Path

from helpers.tiny_models import captioners, diffusion_transformers, stable_diffusion

BUILDERS: Mapping[str, Callable[[Path], None]] = stable_diffusion.BUILDERS | diffusion_transformers.BUILDERS | captioners.BUILDERS
