"""Convert the released files to safetensors: ``python -m methods.sgdjscc.release.convert SOURCE TARGET``.

Each part is checked against its network in both directions before it is written; see :mod:`methods.sgdjscc.release.authors`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import content, few, unwrapped
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.sgdjscc.release.assets import ASSETS, CONVERTED, Asset
from methods.sgdjscc.release.authors import load_authors
from methods.sgdjscc.release.builders import PAPER


def split(asset: Asset, found: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Return part -> tensors by the authors' names, without the part's prefix.

    Raises:
        CheckpointMismatchError: the file has no such wrapper, or tensors that belong to no part.
    """
    if asset.wrapper and asset.wrapper not in found:
        raise CheckpointMismatchError(f"{asset.file} has no entry '{asset.wrapper}' but {few(found)}; is it the released file?")
    try:
        tensors = unwrapped(found[asset.wrapper] if asset.wrapper else found, asset.file)
    except WeightsFileError as error:
        raise CheckpointMismatchError(str(error)) from error
    taken = {
        part: {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        for part, prefix in asset.parts.items()
    }
    homeless = [name for name in tensors if not name.startswith(tuple(asset.parts.values()))]
    if homeless:
        raise CheckpointMismatchError(f"{asset.file} has tensors of no known part: {few(homeless)}; is it the released file?")
    return taken


def convert(source: Path, target: Path) -> list[Path]:
    """Convert every released file found in ``source`` and return what was written to ``target``.

    Raises:
        MissingAssetError: none of the files is there.
        CheckpointMismatchError: a file's names or shapes are not the release's.
    """
    from safetensors.torch import save_file

    written = []
    for asset in ASSETS:
        path = source / asset.file
        if not path.is_file():
            continue
        try:
            found = content(path)
        except WeightsFileError as error:
            raise CheckpointMismatchError(f"{error} from {asset.source}") from error
        for part, tensors in split(asset, found).items():
            load_authors(part, tensors, PAPER[part])
            target.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, target / CONVERTED[part])
            written.append(target / CONVERTED[part])
    if not written:
        wanted = "; ".join(f"{asset.file} ({asset.size}, {asset.source}: {asset.purpose})" for asset in ASSETS)
        raise MissingAssetError(f"none of the released files is in {source}: {wanted}")
    return written


def main(
    source: Annotated[Path, typer.Argument(help="Folder with the authors' files.")],
    target: Annotated[Path, typer.Argument(help="Folder for the safetensors files.")],
) -> None:
    """Convert the authors' SGD-JSCC files to safetensors, checking every name and shape."""
    for path in convert(source, target):
        typer.echo(str(path))


if __name__ == "__main__":
    typer.run(main)
