"""Fetching an asset: its files one after the other, checked, put where they belong, and noted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from platformdirs import user_data_path

from benchmarks.common.atomic import write_text
from suite.assets.catalog import NO_LICENCE, Asset, RemoteFile
from suite.assets.download import Watch, fetch, published_digest
from suite.assets.unpack import unpack
from suite.errors import AssetError

# Below the folder where an asset belongs.
DOWNLOADS = ".downloads"


@dataclass(frozen=True)
class Options:
    """How an asset is fetched.

    Attributes:
        data_dir: folder of data sets.
        weights_dir: folder of weights, in the place of the caches of the libraries that read them.
        mirror: address of a folder that holds the files by their names; "" for where they are published.
        unlicensed: whether what states no licence is fetched too.
        keep: whether archives stay once they are unpacked.
    """

    data_dir: Path
    weights_dir: Path | None = None
    mirror: str = ""
    unlicensed: bool = False
    keep: bool = False


def get(asset: Asset, options: Options, say: Callable[[str], None], watch: Callable[[RemoteFile], Watch]) -> Path:
    """Fetch what of an asset is not here, and return the folder where it belongs.

    Args:
        asset: what is fetched.
        options: how.
        say: told what happens, a sentence each.
        watch: gives what hears of the bytes of a file.

    Raises:
        AssetError: no plain address serves it, it states no licence and that was not accepted, or a file cannot be had.
    """
    place = asset.place(options.data_dir, options.weights_dir)
    if asset.by_hand:
        raise AssetError(f"no plain address serves {asset.name}: {asset.by_hand}")
    say(f"{asset.name}: {asset.summary}. Source: {asset.source}. Licence: {asset.licence}.")
    if asset.licence == NO_LICENCE and not options.unlicensed:
        raise AssetError(f"{asset.name} states no licence; read its page ({asset.source}), and repeat with --unlicensed if you may use it")
    lacking = asset.missing(options.data_dir, options.weights_dir)
    for file in asset.files:
        if file not in lacking:
            continue
        _get(file, place, options, say, watch(file))
    say(f"{asset.name} is in {place}" + ("" if lacking else ", all of it was there"))
    return place


def _get(file: RemoteFile, place: Path, options: Options, say: Callable[[str], None], watch: Watch) -> None:
    address = f"{options.mirror.rstrip('/')}/{quote(file.name)}" if options.mirror else file.address
    recorded = _read().get(file.address, {}).get("sha256", "")
    digest = file.digest or published_digest(file.address if not options.mirror else address) or (f"sha256:{recorded}" if recorded else "")
    path, found = fetch(address, file.name, place / DOWNLOADS, digest, watch)
    if not file.digest and not recorded:
        say(
            f"{file.name}: its publisher states no checksum; noted for the next time: SHA-256 {found}"
            if not digest
            else f"{file.name}: SHA-256 {found}"
        )
    _note(file.address, found)
    if not file.unpack:
        target = place / file.trace
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    else:
        count = unpack(path, place)
        if not (place / file.trace).exists():
            raise AssetError(f"{path} holds no {file.trace}; it is another archive than {file.name}")
        say(f"{file.name}: {count:,} files")
        if not options.keep:
            path.unlink()
    if not any((place / DOWNLOADS).iterdir()):
        (place / DOWNLOADS).rmdir()


def ledger() -> Path:
    """Return the file that says what each address gave when it was first fetched by this user."""
    return user_data_path("semcom-suite") / "assets.json"


def _read() -> dict[str, dict[str, str]]:
    try:
        content = json.loads(ledger().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AssetError(f"{ledger()} cannot be read ({error}); mend or delete it") from error
    return content if isinstance(content, dict) else {}


def _note(address: str, found: str) -> None:
    content = _read()
    if address in content:
        return
    content[address] = {"sha256": found, "first": datetime.now(UTC).isoformat(timespec="seconds")}
    ledger().parent.mkdir(parents=True, exist_ok=True)
    write_text(ledger(), json.dumps(content, indent=1, sort_keys=True))
