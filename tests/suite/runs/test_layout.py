"""Where things lie in a run folder: the names on disk are pinned, and no module but the layout writes them."""

import ast
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath

import pytest

import suite
from benchmarks.common.storage import RemotePath
from suite.runs.layout import RunLayout, set_metrics_file, unit_file

SUITE = Path(suite.__file__).parent
FILES = {"run.json", "captions.parquet", "costs.json", "spending.json", "report.html", "original.png"}
# Words of their own elsewhere, so only where a path is made of them.
FOLDERS = {"records", "superseded", "features", "failures", "samples", "checkpoints", "tables", "figures", "bank"}
RECORD = {"dataset": "kodak", "image": "set/01", "method": "m", "variant": "full/stage-one", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0}


def test_the_names_on_disk_are_pinned() -> None:
    layout = RunLayout(Path("results/quick"))
    named = {
        "run.json": layout.run_json,
        "records": layout.records,
        "superseded": layout.superseded,
        "samples": layout.samples,
        "checkpoints": layout.checkpoints,
        "captions.parquet": layout.captions,
        "costs.json": layout.costs,
        "spending.json": layout.spending,
        "tables": layout.tables,
        "figures": layout.figures,
        "report.html": layout.report,
        "../bank": layout.response_cache,
        "samples/kodak/set__01/original.png": layout.original("kodak", "set/01"),
        "samples/kodak/set__01/m__full-stage-one__1-24__awgn__4.png": layout.sample(RECORD),
        "samples/kodak/set__01/m__full-stage-one__fixed__map-S.png": layout.map(RECORD | {"cr": float("nan")}, "S"),
    }
    for name, path in named.items():
        assert path == Path("results/bank" if name == "../bank" else f"results/quick/{name}")
    file = unit_file("kodak", "gened_sc", "full/small", Fraction(1, 24), "0a1b")
    assert file == Path("kodak/gened_sc-full-small/cr1-24/0a1b.parquet")
    assert unit_file("kodak", "nam24", "default", None, "0a1b").parent == Path("kodak/nam24-default/fixed")
    assert set_metrics_file(file, "2c3d") == Path("kodak/gened_sc-full-small/cr1-24/cells-2c3d.parquet")
    assert layout.record(file) == layout.records / file
    assert layout.features(file) == Path("results/quick/features") / file.with_suffix(".npz")
    assert layout.failures(file) == Path("results/quick/failures") / file.with_suffix(".txt")


def test_a_bucket_has_the_same_names() -> None:
    layout = RunLayout(RemotePath("s3", PurePosixPath("bucket/quick"), "scheme=http"))
    assert str(layout.sample(RECORD)) == "s3://bucket/quick/samples/kodak/set__01/m__full-stage-one__1-24__awgn__4.png?scheme=http"
    assert str(layout.response_cache) == "s3://bucket/bank?scheme=http"


def test_files_and_maps_are_found_sorted(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    assert layout.record_files() == layout.superseded_files() == []
    for path in (layout.records / "b" / "2.parquet", layout.records / "a" / "9.parquet", layout.superseded / "a" / "1.parquet"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (layout.records / "a" / "notes.txt").touch()
    assert layout.record_files() == [Path("a/9.parquet"), Path("b/2.parquet")]
    assert layout.superseded_files() == [Path("a/1.parquet")]
    for path in (layout.map(RECORD, "S"), layout.map(RECORD, "A_SA"), layout.sample(RECORD), layout.map(RECORD | {"method": "n"}, "M")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [name for name, _ in layout.maps(RECORD)] == ["A_SA", "S"]


def strays(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each place where a path of a run folder is made of a literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PurePosixPath(node.value).name in FILES:
            yield node.lineno, node.value
        for part in path_parts(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.strip("/").split("/")[0] in FOLDERS:
                yield part.lineno, part.value


def path_parts(node: ast.AST) -> list[ast.expr]:
    """Return what a path is made of, if the node makes one or names a part of one."""
    match node:
        case ast.BinOp(left, ast.Div(), right):
            return [left, right]
        case ast.Call(ast.Name("Path" | "PurePath" | "open_path") | ast.Attribute(_, "joinpath" | "with_name" | "join"), arguments):
            return arguments
        case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value) if name.lstrip("_").isupper() and value:
            # A constant has no other use for such a word: BANK = "bank", MADE = ("tables", "figures").
            return value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        case ast.JoinedStr(values):
            return [part for part in values if isinstance(part, ast.Constant) and str(part.value).startswith("/")]
    return []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('path = run_dir / "run.json"', True),
        ('x = f"{run}/run.json"', True),
        ('for name in ("report.html",): pass', True),
        ('path = run_dir / "records" / file', True),
        ('RECORDS = "records"', True),
        ('_UNREAD: tuple[str, ...] = ("failures", "other")', True),
        ('path = Path("figures/a.png")', True),
        ('path = folder.joinpath("samples", name)', True),
        ('x = f"{run_dir}/records/{name}"', True),
        ('raise E(f"run.json does not describe {x}")', False),
        ('rows = frame.to_dict("records")', False),
        ('content = {"records": 3, "failures": 2}', False),
        ('table = Table("so far", "records")', False),
        ('for stem in (("failures", 1), ("symbols", 2)): pass', False),
    ],
)
def test_the_check_sees_paths_and_no_other_words(line: str, found: bool) -> None:
    assert bool(list(strays(ast.parse(line)))) is found


def test_no_module_but_the_layout_writes_a_name_of_the_run_folder() -> None:
    modules = [path for path in sorted(SUITE.rglob("*.py")) if path.parent != SUITE / "runs"]
    assert len(modules) > 80
    found = [f"{path.relative_to(SUITE)}:{line}: {name}" for path in modules for line, name in strays(ast.parse(path.read_text("utf-8")))]
    assert not found, "ask suite.runs.layout.RunLayout for these: " + "; ".join(found)


def test_the_runs_stand_below_what_uses_them() -> None:
    """The layers: configuration < runs < evaluation, report < commands; none looks up."""
    above = {"config": ("runs", "report", "evaluate", "train"), "runs": ("report", "evaluate", "train"), "evaluate": ("report",)}
    for folder, forbidden in above.items():
        for path in (SUITE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                assert not module.startswith(tuple(f"suite.{name}" for name in forbidden)), f"{path}:{node.lineno} imports {module}"
