"""The networks of the method, built from its settings or loaded from the authors' files."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import few, state_dict
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.sgdjscc.networks.autoencoder import DOWNSAMPLING, Autoencoder
from methods.sgdjscc.networks.control import ControlledDenoiser
from methods.sgdjscc.networks.denoiser import Denoiser
from methods.sgdjscc.networks.edge_codec import EdgeCodec
from methods.sgdjscc.networks.snr_estimator import SNREstimator
from methods.sgdjscc.release.assets import CONVERTED
from methods.sgdjscc.release.authors import load_authors
from methods.sgdjscc.release.builders import PAPER
from methods.sgdjscc.settings import SGDJSCCSettings, Stage


@dataclass(frozen=True)
class Networks:
    """The parts; the last two only where edges are sent.

    Attributes:
        autoencoder, estimator, denoiser: always there; ``denoiser`` is controlled where edges are sent.
        edge_codec: the edge codec or ``None``.
    """

    autoencoder: Autoencoder
    estimator: SNREstimator
    denoiser: Denoiser | ControlledDenoiser
    edge_codec: EdgeCodec | None


def build(settings: SGDJSCCSettings, channels: int) -> Networks:
    """Build the networks with random parameters for a latent of ``channels`` channels."""
    if settings.fold * 2 ** (len(settings.widths) - 1) != DOWNSAMPLING:
        raise CheckpointMismatchError(
            f"fold {settings.fold} and {len(settings.widths)} levels scale by {settings.fold * 2 ** (len(settings.widths) - 1)}, "
            f"the latent stands at 1/{DOWNSAMPLING}; give 4 levels with fold 1, 3 with fold 2 or 2 with fold 4"
        )
    denoiser = Denoiser(
        side=settings.tile // DOWNSAMPLING,
        channels=channels,
        width=settings.denoiser_width,
        heads=settings.denoiser_heads,
        mlp_ratio=settings.mlp_ratio,
        depth=settings.denoiser_depth,
        decode=settings.denoiser_decode,
        text_width=settings.text_width,
        noise_features=settings.noise_features,
    )
    codec = None
    if settings.sends_edges:
        codec = EdgeCodec(
            settings.tile,
            settings.edge_features,
            settings.edge_patch,
            settings.edge_window,
            settings.edge_dims,
            settings.edge_depths,
            settings.edge_heads,
        )
    return Networks(
        Autoencoder(channels, settings.widths, settings.blocks, settings.fold, settings.groups, settings.shortcut),
        SNREstimator(channels, settings.estimator_widths),
        ControlledDenoiser(denoiser) if settings.sends_edges else denoiser,
        codec,
    )


def load(settings: SGDJSCCSettings, channels: int) -> Networks:
    """Load the converted release from ``settings.authors_folder``.

    Raises:
        CheckpointMismatchError: the compression ratio asks for a latent that was never released.
        MissingAssetError: a converted file is not there.
    """
    if channels != PAPER["autoencoder"]["embed_dim"]:
        raise CheckpointMismatchError(
            f"the authors released one latent, of {PAPER['autoencoder']['embed_dim']} channels (CR 1/24), and this CR needs {channels}; "
            "evaluate it at 1/24, or train your own with checkpoint: own"
        )
    parts = {part: authors_part(settings.authors_folder, part) for part in needed(settings)}
    denoiser = parts["controlled_denoiser" if settings.sends_edges else "denoiser"]
    return Networks(parts["autoencoder"], parts["snr_estimator"], denoiser, parts.get("edge_codec"))  # type: ignore[arg-type]


def resume(method: nn.Module, path: str) -> None:
    """Load the parameters of an earlier stage into ``method``; a network that the earlier stage lacked keeps its own.

    Raises:
        MissingAssetError: the file is not there.
        CheckpointMismatchError: a name or a shape in it is unknown here.
    """
    if not Path(path).is_file():
        raise MissingAssetError(
            f"the earlier stage's parameters are not at {path}; set initial to the file that stage wrote, or leave it empty"
        )
    own = method.state_dict()
    found = {_controlled_name(name, own): tensor for name, tensor in _weights(path).items()}
    wrong = sorted(name for name, tensor in found.items() if name not in own or own[name].shape != tensor.shape)
    if wrong:
        raise CheckpointMismatchError(f"{path} does not fit these settings: {few(wrong)}; build both stages with the same sizes and CR")
    method.load_state_dict(found, strict=False)
    if isinstance(controlled := getattr(method, "denoiser", None), ControlledDenoiser) and not any(".in_copies." in name for name in found):
        controlled.copy_base()


def _controlled_name(name: str, own: dict[str, Tensor]) -> str:
    """Return where a denoiser's parameter stands once the denoiser has a control branch."""
    inner = name.replace("denoiser.", "denoiser.base.", 1)
    return inner if name not in own and inner in own else name


def freeze(networks: Networks, stage: Stage, masked: bool) -> None:
    """Leave a gradient only to what ``stage`` trains."""
    trained: dict[Stage, list[nn.Module | None]] = {
        "autoencoder": [networks.autoencoder],
        "denoiser": [networks.estimator, base_of(networks.denoiser)],
        "control": [networks.edge_codec, *_copies(networks.denoiser)],
        "all": [networks.autoencoder, networks.estimator, networks.denoiser, networks.edge_codec],
    }
    for network in trained["all"]:
        if network is not None:
            network.requires_grad_(False)
    for network in trained[stage]:
        if network is not None:
            network.requires_grad_(True)
    if not masked:
        base = base_of(networks.denoiser)
        base.side_block.requires_grad_(False)
        base.mask_token.requires_grad_(False)


def start_control(networks: Networks) -> None:
    """Make the control branch a copy of the denoiser as it is now."""
    if isinstance(networks.denoiser, ControlledDenoiser):
        networks.denoiser.copy_base()


def base_of(denoiser: Denoiser | ControlledDenoiser) -> Denoiser:
    """Return the denoiser without its control branch."""
    return denoiser.base if isinstance(denoiser, ControlledDenoiser) else denoiser


def _copies(denoiser: Denoiser | ControlledDenoiser) -> list[nn.Module]:
    return [denoiser.in_copies, denoiser.out_copies] if isinstance(denoiser, ControlledDenoiser) else []


def needed(settings: SGDJSCCSettings) -> list[str]:
    """Return the parts of the release that these settings load."""
    edges = ["controlled_denoiser", "edge_codec"]
    return ["autoencoder", "snr_estimator", *(edges if settings.sends_edges else ["denoiser"])]


def authors_part(folder: str, part: str) -> nn.Module:
    """Load one part of the converted release; errors as in :func:`load`."""
    return load_authors(part, _read(folder, part), PAPER[part])


def _read(folder: str, part: str) -> dict[str, Tensor]:
    path = Path(folder) / CONVERTED[part]
    if not path.is_file():
        raise MissingAssetError(
            f"{path} is not there; fetch the authors' files and run `python -m methods.sgdjscc.release.convert SOURCE {folder}`, "
            "or train your own with checkpoint: own"
        )
    return _weights(path)


def _weights(path: str | Path) -> dict[str, Tensor]:
    try:
        return state_dict(path)
    except WeightsFileError as error:
        raise CheckpointMismatchError(str(error)) from error
