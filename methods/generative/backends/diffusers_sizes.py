"""The size a diffusion model works in."""

import math

from methods.generative.backends.base import GenerativeOptionsError
from methods.generative.backends.diffusers_calls import Call
from methods.generative.backends.local_files import ModelFiles
from methods.generative.responses import ModelUnavailableError


def native_size(call: Call, files: ModelFiles, wanted: int | tuple[int, int] | None, name: str) -> tuple[int | tuple[int, int], int]:
    """Return the working size and what height and width must be multiples of, without loading weights.

    Args:
        call: how the model is called.
        files: of the model.
        wanted: the size that the settings ask for.
        name: of the model, for messages.

    Returns:
        The side of a square or (height, width), and the multiple.

    Raises:
        GenerativeOptionsError: an exact size that is no multiple, or a size below it.
        ModelUnavailableError: the model's configuration does not tell.
    """
    native, multiple = call.native, call.multiple
    if native is None or multiple is None:
        native, multiple = _from_configuration(files)
    if wanted is None:
        return native, multiple
    exact = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    least = max(multiple, call.least)
    if min(exact) < least or (isinstance(wanted, tuple) and any(side % multiple for side in wanted)):
        raise GenerativeOptionsError(
            f"{name}, options: size {wanted} does not fit; a {call.pipeline} needs multiples of {multiple} pixels from {least} up"
        )
    return wanted, multiple


def _from_configuration(files: ModelFiles) -> tuple[int, int]:
    """Latent side of the UNet times the autoencoder's factor; and that factor times the UNet's own reduction."""
    unet, autoencoder = files.read_json("unet/config.json"), files.read_json("vae/config.json")
    sample, blocks, reductions = unet.get("sample_size"), autoencoder.get("block_out_channels"), unet.get("down_block_types")
    if not sample or not blocks or not reductions:
        raise ModelUnavailableError(f"{files.name}: its unet and vae do not say what size they were made for; set options.size")
    factor = 2 ** (len(blocks) - 1)
    side = int(max(sample)) if isinstance(sample, list) else int(sample)
    return side * factor, factor * 2 ** (len(reductions) - 1)


def scaled_size(image: tuple[int, int], working: int | tuple[int, int], multiple: int, least: int = 0) -> tuple[int, int]:
    """Return height and width near the area of ``working`` in the proportions of ``image``, as multiples of ``multiple``."""
    if isinstance(working, tuple):
        return working
    scale = working / math.sqrt(image[0] * image[1])
    fewest = max(math.ceil(least / multiple), 1)
    height, width = (max(round(side * scale / multiple), fewest) * multiple for side in image)
    return height, width
