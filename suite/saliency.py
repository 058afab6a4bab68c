"""``python -m suite.saliency``: a saliency map for each training image of Pascal VOC, which marks objects in few of them, or of a folder.

::

    VOCdevkit/VOC2007/JPEGImages/000001.jpg ──model──> VOCdevkit/VOC2007/SaliencyMaps/000001.png ──> masks of trainings on voc2007, voc
    FOLDER/a.jpg                            ──model──> FOLDER/masks/a.png                        ──> masks of trainings on the folder

Maps that somebody else's model made are put there by hand, under the same names; what is there is not made again.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from suite.cli import guarded

if TYPE_CHECKING:
    import numpy as np

    from methods.hosonuma25.regions import Regions

ORIGIN = "origin.json"
GEODESIC = "geodesic"
# Of geodesic saliency, on the longer side: its paths cost more than linearly in them.
CELLS = 128

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    data_dir: Annotated[Path, typer.Option(help="Folder that holds VOCdevkit/, or the images themselves.")],
    dataset: Annotated[Literal["voc", "voc2007", "folder"], typer.Option(help="Data set whose training images get maps.")] = "voc2007",
    model: Annotated[
        str,
        typer.Option(help=f"torchvision:NAME or transformers:NAME-OR-FOLDER, a segmentation network; or {GEODESIC}, without a network."),
    ] = "torchvision:deeplabv3_resnet101",
    weights: Annotated[Path | None, typer.Option(help="File of a torchvision network's parameters; torch's cache if not given.")] = None,
    background: Annotated[list[int] | None, typer.Option(help="Class that is background; repeat for more. 0 if not given.")] = None,
    device: Annotated[str, typer.Option(help="Torch device.")] = "cpu",
) -> None:
    """Write the maps that are not there yet: white where the model sees an object, black elsewhere."""
    # Late: the help page needs none of it.
    from benchmarks.common.atomic import write_png
    from benchmarks.common.errors import ImageError
    from benchmarks.datasets.folder import mask_of, open_folder
    from benchmarks.datasets.voc import open_voc, open_voc2007, saliency_map
    from suite.bars import Bars

    images = {"voc": open_voc, "voc2007": open_voc2007, "folder": open_folder}[dataset](data_dir, 256, "train")
    maps = {id: mask_of(data_dir, images.item(id).path) if dataset == "folder" else saliency_map(data_dir, id) for id in images.items()}
    left = [id for id, path in maps.items() if not path.is_file()]
    chosen = tuple(background or (0,))
    regions = _regions(model, weights, chosen)
    # The maps of a folder are one set, whatever lies below it.
    for folder in [mask_of(data_dir)] if dataset == "folder" else sorted({path.parent for path in maps.values()}):
        _note_origin(folder, {"model": model, "weights": None if weights is None else weights.name, "background": list(chosen)})
    lost: list[str] = []
    with Bars() as bars:
        for id in bars.steps(left, "maps", len(left)) if left else ():
            try:
                write_png(maps[id], _map(images.item(id).path, regions, chosen, device))
            except ImageError as error:
                lost.append(str(error))
    typer.echo(f"{len(left) - len(lost):,} maps written, {len(images) - len(left):,} were there, {len(lost):,} images could not be read")
    if lost:
        typer.echo(lost[0], err=True)
        raise typer.Exit(1)


def _regions(model: str, weights: Path | None, background: tuple[int, ...]) -> "Regions":
    """Return what divides an image, checked.

    Raises:
        SettingsError: the model is none that can be named.
        MethodError: it is not there.
    """
    # Late: they load torch, which a help page does without.
    from methods.hosonuma25.regions import check_regions, regions
    from methods.hosonuma25.settings import HosonumaSettings
    from suite.config.reading import validate

    named = {"mask_source": "saliency"} if model == GEODESIC else {"mask_source": "segmentation", "mask_model": model}
    settings = validate(HosonumaSettings, {**named, "mask_weights": weights, "background": background}, "--model")
    check_regions(settings)
    return regions(settings)


def _map(path: Path, regions: "Regions", background: tuple[int, ...], device: str) -> "np.ndarray":
    """Return the uint8 (h, w) map of an image file, 255 where it is salient, at the size of the image or of the cells of its model."""
    # Late: they load torch, which a help page does without.
    import numpy as np

    from benchmarks.common.images import image_tensor
    from benchmarks.datasets.images import read_rgb
    from methods.hosonuma25.regions import Saliency

    pixels = read_rgb(path, None)
    height, width = pixels.shape[:2]
    scale = min(1.0, CELLS / max(height, width)) if isinstance(regions, Saliency) else 1.0
    labels = regions.labels(image_tensor(pixels, device), (max(1, round(height * scale)), max(1, round(width * scale))))
    return np.where(np.isin(labels, background), 0, 255).astype(np.uint8)


def _note_origin(folder: Path, origin: dict[str, Any]) -> None:
    """Write beside the maps what makes them.

    Raises:
        DatasetError: the folder holds maps of another model, or of nobody knows which.
    """
    # Late: the help page needs none of it.
    from benchmarks.common.atomic import write_json
    from benchmarks.common.errors import DatasetError

    path = folder / ORIGIN
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise DatasetError(
                f"{folder} holds maps that this command did not make; they are used as they are, move them away to make others"
            )
        write_json(path, origin)
    elif (there := json.loads(path.read_text(encoding="utf-8"))) != origin:
        raise DatasetError(f"{folder} holds maps of {there}, not of {origin}; name the same model, or move them away")


if __name__ == "__main__":
    app()
