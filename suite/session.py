"""What a call of the suite does, step by step, with one grid and one run folder; commands and the Python API stand on it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.common.errors import DatasetError
from benchmarks.common.fetching import nothing_fetched
from benchmarks.common.project import REFERENCE, not_shipped
from benchmarks.common.storage import StoragePath, open_path
from methods.files import add_files
from suite.bars import stages
from suite.config.compose import compose
from suite.dry_run import plan_sentences, weights_table, work_left
from suite.errors import TrainingError
from suite.evaluate.costs import read_spending
from suite.evaluate.executors import Executor
from suite.evaluate.executors.fork_server import dismiss, getting_ready
from suite.evaluate.kept import changed_code, with_kept_code
from suite.evaluate.plan import WorkUnit
from suite.evaluate.reuse import reuse
from suite.evaluate.runner import evaluate, remaining
from suite.evaluate.scheduling import RuntimeEstimates
from suite.keys import key_names
from suite.machines import forecast
from suite.options import GridOptions
from suite.prepare import SHIPPED, Prepared, check_trainable, prepare
from suite.report.results import RunResults, load_results
from suite.report.rewrite import rewrite
from suite.report.tables import main_table
from suite.run_notes import dataset_info, run_notes, training_note
from suite.runs.folder import RunFolder
from suite.runs.info import kept_note, read_info
from suite.runs.labels import names_of
from suite.runs.lock import at_work
from suite.runs.records import load
from suite.tracking import followed, tracker_of
from suite.train.checkpoint import Checkpoint, copy_into, find
from suite.train.jobs import TrainingJob, code_note
from suite.train.named import checkpoints_in
from suite.train.progress import TrainingProgress
from suite.train.tune import TrainingsFailedError, train_missing

RESULTS = Path("results")


class Session:
    """One call of the suite: its options, checked, and the steps they ask for.

    Args:
        options: grid, changes and folders.
        search: trials of a search before each training; 0 for none.
        console: where progress is shown; standard output if not given.
        evaluates: whether an evaluation follows at once, whose workers may get ready meanwhile.

    Raises:
        SemcomError: whatever is unknown, missing or impossible, before anything runs.
    """

    def __init__(self, options: GridOptions, *, search: int = 0, console: Console | None = None, evaluates: bool = False) -> None:
        added = add_files(options.method_file)
        self.grid = compose(options.grid, options.methods, options.datasets, options.limit, options.set_, added, options.weights)
        # Workers of a cluster have working directories of their own.
        data_dir, train_data = (folder.resolve() if folder is not None else None for folder in (options.data_dir, options.train_data))
        for folder in (data_dir, train_data):
            if folder is not None and not folder.is_dir():
                raise DatasetError(f"there is no folder {folder}; give the folder that holds the images")
        self.folder = RunFolder(open_path(options.out or RESULTS / self.grid.name), self.grid)
        self.address = options.address
        self._tracker = tracker_of(self.grid.tracking, self.folder.path, self.folder.name)
        self._checkpoints = [checkpoints_in(place) for place in options.checkpoints]
        self.search = search
        self.console = console or Console()
        self.dry_run = options.dry_run
        self.to_fetch: list[str] = []
        early = evaluates and not options.dry_run and self.address is None
        with getting_ready(self.grid, data_dir) if early else nullcontext(), self._looking():
            self.prepared: Prepared = prepare(self.grid, data_dir, train_data, search)
        self.checkpoints: dict[TrainingJob, Checkpoint] = {}
        self.failures: dict[TrainingJob, str] = {}
        self._results: RunResults | None = None
        self._started = self._at_work = False
        for note in self.prepared.notes:
            self._say(note)
        if self.folder.grown:
            changed = ", ".join(self.folder.grown)
            self._say(f"the run in {self.folder.path} had another grid ({changed}); what both name is kept, the rest is set aside")
        if self.prepared.jobs and (sentence := not_shipped(REFERENCE)):
            self._say(f"what the project ships trained would be trained anew: {sentence}")

    @property
    def places(self) -> list[StoragePath]:
        """Where checkpoints are looked for, the run's own first."""
        return [self.folder.layout.checkpoints, *self._checkpoints, SHIPPED]

    def show_plan(self, machines: Mapping[str, int] | None = None) -> None:
        """Print what a run would do, and how long on ``machines``, as many of each kind; start, fetch and write nothing."""
        with self._looking():
            self._show_plan(machines or {})

    def _show_plan(self, machines: Mapping[str, int]) -> None:
        found = self._found()
        self.console.print(weights_table(self.prepared, found))
        units = self._units(found)
        plan = reuse(units, self.folder.path).units
        left = remaining(plan, self.folder.path).units if len(found) == len(set(self.prepared.jobs.values())) else plan
        for sentence in plan_sentences(self.prepared, units, left, found, self.search, self.folder.path):
            self._say(sentence)
        if machines:
            measured = RuntimeEstimates.read(self.folder.path).per_record()
            for sentence in forecast(work_left(self.prepared, left, found), machines, measured):
                self._say(sentence)
        for line in self.to_fetch:
            self._say(f"to be fetched first: {line}")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Be the one who writes to the run folder for the duration of a block; each step is by itself, all of a command had better be.

        Raises:
            RunFolderError: another command is at work there.
        """
        if self._at_work:
            yield
            return
        with at_work(self.folder.path, self._say):
            self._at_work = True
            try:
                yield
            finally:
                self._at_work = False

    def train(self) -> None:
        """Train what has no checkpoint of the same identity.

        Raises:
            RunFolderError: another command is at work in the run folder.
            MethodError: a training lacks something that it needs; none has begun then.
        """
        with self.at_work():
            self._train()

    def _train(self) -> None:
        self._start()
        found = self._found()
        missing = self._missing(found)
        for job in missing:
            check_trainable(job, self.grid.image_size)
        if missing:
            # They may take hours.
            dismiss()
            own = self.folder.layout.checkpoints
            self._say(f"networks to train: {len(missing)}; there already: {len(found)}")
            try:
                keys = key_names(self.grid, self.prepared.configured_methods)
                with TrainingProgress(self.console) as shown, followed(shown, self._tracker) as progress:
                    found |= train_missing(missing, self.places, own, address=self.address, progress=progress, keys=keys)
            except TrainingsFailedError as error:
                found |= error.checkpoints
                self.failures = error.failures
                for job, reason in error.failures.items():
                    self._say(f"training failed: {job.label}: {reason}")
        self.checkpoints = found

    def evaluate(self, executor: Executor = "auto") -> int:
        """Evaluate what is left of the grid; return the number of failed cells.

        Args:
            executor: as in :func:`suite.evaluate.runner.evaluate`.

        Raises:
            TrainingError: a method has no weights yet.
            SpendingLimitError: a limit ended the run; the same command goes on once it is raised.
            RunFolderError: another command is at work in the run folder.
        """
        try:
            with self.at_work():
                return self._evaluate(executor)
        finally:
            dismiss()

    def _evaluate(self, executor: Executor) -> int:
        checkpoints = self.checkpoints or self._found()
        lacking = sorted({job.label for job in self.prepared.jobs.values() if job not in checkpoints and job not in self.failures})
        if lacking:
            raise TrainingError(f"there are no weights for {', '.join(lacking)}; run `python -m suite.train` with the same arguments first")
        self._start()
        if self.address is not None:
            # The other machines of a cluster see the run folder and not what lies beside this project.
            own = self.folder.layout.checkpoints
            checkpoints = {job: copy_into(found, own) for job, found in checkpoints.items()}
            self.prepared = replace(self.prepared, named={key: copy_into(found, own) for key, found in self.prepared.named.items()})
        units = self._units(checkpoints)
        self._note_code(checkpoints, units)
        try:
            tally = evaluate(units, self.folder.path, self.grid.evaluation, self.console, self.address, executor)
        finally:
            spent = read_spending(self.folder.path)
            if str(spent):
                self.folder.add(spending=spent.content())
                self._say(f"models asked so far in this run folder: {spent}")
        self._note_warnings(tally.warned)
        for reason, count in tally.failures.most_common(5):
            self._say(f"{count} failed cells: {reason}")
        records = load(self.folder.path, read_info(self.folder.layout))
        failed = int(records["status"].eq("failed").sum())
        self.folder.finish(records=len(records), failed=failed)
        self._results = load_results(self.folder.path, records)
        return failed

    @property
    def results(self) -> RunResults:
        """The results in the run folder; those of this session's evaluation are not read again.

        Raises:
            RecordError, RunFolderError: as in :func:`suite.report.results.load_results`.
        """
        return self._results or load_results(self.folder.path)

    def report(self) -> RunResults:
        """Write tables and figures from the records, print the main table and where everything lies, and return the results."""
        results = self.results
        with stages("tables and figures", self.console) as told:
            rewrite(results, told=told)
        self._tracker.evaluated(self.grid.model_dump(mode="json"), results.points)
        self.console.print(main_table(results))
        for name, path in self.folder.layout.shown.items():
            if not path.exists():
                continue
            self._say(f"{name}: {path}")
        return results

    def _units(self, checkpoints: Mapping[TrainingJob, Checkpoint]) -> list[WorkUnit]:
        units = self.prepared.units(self.folder.name, checkpoints, self.failures)
        return with_kept_code(units, self.folder.path) if self.grid.evaluation.code_changed == "keep" else units

    def _note_code(self, checkpoints: Mapping[TrainingJob, Checkpoint], units: Sequence[WorkUnit]) -> None:
        """Write down which weights and which code the records come from, and say where the code changed since."""
        notes = [note for job, found in checkpoints.items() if (note := code_note(job, found)) is not None]
        kept = changed_code(units)
        code = {configured.label: configured.code for configured in self.prepared.configured_methods}
        networks = {job.label: found for job, found in checkpoints.items()}
        networks |= {f"{label} {cr or ''}".strip(): found for (label, cr), found in self.prepared.named.items()}
        weights = {network: found.card.sha256 for network, found in networks.items()}
        trainings = {network: training_note(found) for network, found in networks.items()}
        self.folder.add(weights=weights, trainings=trainings, code=code, weights_notes=notes, code_changed=kept)
        for note in [*notes, *([kept_note(kept)] if kept else [])]:
            self._say(note)

    def _note_warnings(self, warned: Mapping[str, str]) -> None:
        """Write down what readers must know of methods; what was said of one before holds until it is looked at again."""
        info = read_info(self.folder.layout)
        before = dict(info.method_warnings) if info is not None else {}
        known = {configured.label for configured in self.prepared.configured_methods}
        now = {label: said for label, said in (before | dict(warned)).items() if said and label in known}
        if now != before:
            self.folder.add(method_warnings=now)
        for said in now.values():
            self._say(f"warning: {said}")

    def _start(self) -> None:
        """Note the start of this command in ``run.json``, once."""
        if self._started:
            return
        self._started = True
        metrics, datasets = self.prepared.metrics, self.prepared.datasets
        self.folder.start(
            metrics=metrics.described(self.grid),
            metrics_left_out=metrics.left_out,
            notes=run_notes(self.prepared),
            datasets={name: dataset_info(data, self.grid) for name, (data, _) in datasets.items()},
            names=_names(self.prepared),
        )

    def _found(self) -> dict[TrainingJob, Checkpoint]:
        checkpoints = {job: find(job.identity, self.places) for job in dict.fromkeys(self.prepared.jobs.values())}
        return {job: checkpoint for job, checkpoint in checkpoints.items() if checkpoint is not None}

    def _missing(self, found: Mapping[TrainingJob, Checkpoint]) -> list[TrainingJob]:
        return [job for job in dict.fromkeys(self.prepared.jobs.values()) if job not in found]

    def _looking(self) -> AbstractContextManager[object]:
        """Fetch nothing within the block in a dry run, but keep what a run would fetch."""
        return nothing_fetched(self.to_fetch) if self.dry_run else nullcontext()

    def _say(self, text: str) -> None:
        # Names of files may hold what would be markup.
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _names(prepared: Prepared) -> dict[str, tuple[str, str]]:
    """Return what people call the methods of a run, for a reader who has not their files."""
    named = {f"{each.method}/{each.variant}": names_of(each.method, each.variant) for each in prepared.configured_methods}
    return {label: names for label, names in named.items() if names is not None}
