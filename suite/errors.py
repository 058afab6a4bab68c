"""Errors of the engine; each message is one sentence that says what is wrong and what to do."""

from benchmarks.common.errors import SemcomError


class SuiteError(SemcomError):
    """Base class of everything that goes wrong inside ``suite``."""


class SettingsError(SuiteError):
    """A grid, a key or a value that cannot be used."""


class RunFolderError(SuiteError):
    """An output folder that cannot be written or that belongs to another grid."""


class RecordError(SuiteError):
    """A record file that is corrupt, half-written or contradicts another one."""


class ClusterError(SuiteError):
    """A Ray that does not start, or a cluster that cannot be joined."""


class TrainingError(SuiteError):
    """A training that cannot go on."""


class EvaluationError(SuiteError):
    """An evaluation that cannot go on."""


class TimeLimitError(EvaluationError):
    """A method that did not answer in time."""


class WorkerDiedError(EvaluationError):
    """Work at which workers died again and again."""


class DocsError(SuiteError):
    """A site that cannot be built."""


class AssetError(SuiteError):
    """A file of others that cannot be fetched, or is not what it should be."""
