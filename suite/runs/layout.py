"""Where everything lies in a run folder; no other module composes these paths.

::

    results/NAME/run.json  captions.parquet  costs.json  spending.json  report.html
                 records/DATASET/METHOD-VARIANT/RATIO/IDENTITY.parquet   superseded/ alike: of another plan of the same grid
                 features/ (.npz) and failures/ (.txt): as the record file they belong to
                 samples/DATASET/IMAGE/original.png, METHOD__VARIANT__CR__CHANNEL__SNR.{png,json}, METHOD__VARIANT__CR__map-NAME.png
                 checkpoints/    tables/    figures/
    results/bank/                responses of generative models, which the runs beside one another share
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from benchmarks.common.atomic import file_name
from benchmarks.common.storage import StoragePath
from suite.runs.labels import cr_label, variant_stem

P_co = TypeVar("P_co", bound=StoragePath, covariant=True)

_TABLES, _FIGURES = "tables", "figures"
_CHECKPOINTS, _FEATURES, _FAILURES, _RECORDS, _SUPERSEDED = "checkpoints", "features", "failures", "records", "superseded"
# What is made from the records, and what drawing it has no use for once the records are loaded.
REPORT_FOLDERS = (_TABLES, _FIGURES)
NOT_DRAWN = (_CHECKPOINTS, _FEATURES, _FAILURES, _RECORDS, _SUPERSEDED)
_RECORD_FILES = "*.parquet"
_MAP = "map-"


@dataclass(frozen=True)
class RunLayout(Generic[P_co]):
    """The paths of a run folder, in a folder of this machine or in a bucket alike; nothing is read or made.

    Attributes:
        path: the run folder.
    """

    path: P_co

    @property
    def run_json(self) -> P_co:
        """The grid, the identity and where the run comes from; :mod:`suite.runs.info` reads it."""
        return self._at("run.json")

    @property
    def records(self) -> P_co:
        """Folder of the record files; :mod:`suite.runs.records` reads and writes them."""
        return self._at(_RECORDS)

    @property
    def superseded(self) -> P_co:
        """Folder of record files that belong to another plan of the same grid."""
        return self._at(_SUPERSEDED)

    @property
    def samples(self) -> P_co:
        """Folder of the images that are kept for the qualitative sheet."""
        return self._at("samples")

    @property
    def checkpoints(self) -> P_co:
        """Folder of weights that were trained in this run, with a folder of curves and states beside each."""
        return self._at(_CHECKPOINTS)

    @property
    def captions(self) -> P_co:
        """What methods and captioners said of the images."""
        return self._at("captions.parquet")

    @property
    def costs(self) -> P_co:
        """How long the records of each method took."""
        return self._at("costs.json")

    @property
    def spending(self) -> P_co:
        """How often models were asked, and for how much."""
        return self._at("spending.json")

    @property
    def spending_lock(self) -> P_co:
        """Held while the count of calls is changed."""
        return self._at(".spending.lock")

    @property
    def made(self) -> P_co:
        """The list of the files that the run made and may take away again."""
        return self._at("made.json")

    @property
    def lock(self) -> P_co:
        """Who is at work in the folder."""
        return self._at("lock.json")

    @property
    def tables(self) -> P_co:
        """Folder of the tables."""
        return self._at(_TABLES)

    @property
    def figures(self) -> P_co:
        """Folder of the figures."""
        return self._at(_FIGURES)

    @property
    def report(self) -> P_co:
        """The page."""
        return self._at("report.html")

    @property
    def response_cache(self) -> P_co:
        """Folder of responses of generative models where the grid names no other; it lies beside the run folder."""
        return cast(P_co, self.path.parent / "bank")

    @property
    def shown(self) -> dict[str, P_co]:
        """What a person looks at after a run, by name."""
        return {path.name: path for path in (self.report, self.tables, self.figures, self.records, self.run_json)}

    def record_files(self) -> list[Path]:
        """Return the record files as paths below :attr:`records`, sorted."""
        return _files_below(self.records)

    def superseded_files(self) -> list[Path]:
        """Return the superseded record files as paths below :attr:`superseded`, sorted."""
        return _files_below(self.superseded)

    def record(self, file: Path) -> P_co:
        """Return where the records of ``file``, as :func:`unit_file` names it, lie."""
        return self._at(_RECORDS, file)

    def features(self, file: Path) -> P_co:
        """Return where the features of the unit whose records are ``file`` lie."""
        return self._at(_FEATURES, file.with_suffix(".npz"))

    def failures(self, file: Path) -> P_co:
        """Return where the tracebacks of the unit whose records are ``file`` lie."""
        return self._at(_FAILURES, file.with_suffix(".txt"))

    def original(self, dataset: str, image: str) -> P_co:
        """Return where the original of a kept image lies."""
        return self._sample(dataset, image, "original.png")

    def sample(self, record: Mapping[str, Any]) -> P_co:
        """Return where the reconstruction that a record is of lies if it is kept; its dataset, image and key but the repetition tell."""
        name = "__".join((*_network(record), record["channel"], f"{record['snr_db']:g}"))
        return self._sample(record["dataset"], record["image"], f"{name}.png")

    def sample_texts(self, record: Mapping[str, Any]) -> P_co:
        """Return where lies what was sent and what arrived as text for a kept reconstruction, as JSON."""
        image = self.sample(record)
        return cast(P_co, image.parent / f"{image.stem}.json")

    def map(self, record: Mapping[str, Any], name: str) -> P_co:
        """Return where a map called ``name`` lies that the sender of a record's image has shown."""
        return self._sample(record["dataset"], record["image"], "__".join((*_network(record), f"{_MAP}{name}.png")))

    def maps(self, record: Mapping[str, Any]) -> Iterator[tuple[str, P_co]]:
        """Yield name and path of every kept map of a record's sender and image, sorted by path."""
        pattern = self.map(record, "*")
        found: list[StoragePath] = sorted(pattern.parent.glob(pattern.name))
        for path in found:
            yield path.stem.partition(_MAP)[2], cast(P_co, path)

    def _sample(self, dataset: str, image: str, name: str) -> P_co:
        return cast(P_co, self.samples / dataset / file_name(image) / name)

    def _at(self, *parts: str | Path) -> P_co:
        path: StoragePath = self.path
        for part in parts:
            path = path / part
        return cast(P_co, path)


def unit_file(dataset: str, method: str, variant: str, cr: Fraction | None, identity: str) -> Path:
    """Return the record file of a work unit as a path below ``records/``."""
    ratio = "fixed" if cr is None else f"cr{cr.numerator}-{cr.denominator}"
    return Path(dataset) / f"{method}-{variant_stem(variant)}" / ratio / f"{identity}.parquet"


def set_metrics_file(file: Path, identity: str) -> Path:
    """Return the record file of metrics of whole cells, beside ``file``, the one of any of their units."""
    return file.with_name(f"cells-{identity}.parquet")


def _network(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["method"], variant_stem(record["variant"]), cr_label(record["cr"]).replace("/", "-")


def _files_below(folder: StoragePath) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob(_RECORD_FILES))  # type: ignore[arg-type]
