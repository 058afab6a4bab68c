"""How pools share the machines, without any Ray."""

import errno
import pickle

import numpy as np
import pytest

from methods.errors import MethodError
from suite.config.execution import EvaluationSettings
from suite.errors import EvaluationError
from suite.evaluate.executors import pools
from suite.evaluate.executors.allocation import ClusterResources, PoolPlan, all_in_one, describers, workers


def sized(machines: ClusterResources, route: str = "plain", units: int = 100, **settings) -> PoolPlan:
    return workers(EvaluationSettings.model_validate(settings), machines, route, units)


def total(sizes: PoolPlan, what: str) -> float:
    present = [pool for pool in (sizes.transmit, sizes.refine, sizes.score) if pool is not None]
    return sum(pool.most * getattr(pool, what) for pool in present)


@pytest.mark.parametrize("cpus", [1, 2, 3, 16, 96])
@pytest.mark.parametrize("route", ["plain", "local", "remote"])
@pytest.mark.parametrize("settings", [{}, {"workers": 7}, {"workers": 2, "most": 9}, {"score": {"workers": 3}}])
def test_the_pools_never_ask_for_more_cores_than_there_are(cpus, route, settings):
    sizes = sized(ClusterResources(cpus), route, **settings)
    assert (sizes.score is None) == (route == "plain" and "score" not in settings)
    # An actor that waits for a core that never comes would stop the whole pipeline without a word.
    assert total(sizes, "cpus") <= cpus and sizes.transmit.cpus > 0
    assert (sizes.refine is None) == (route == "plain")


def test_one_actor_a_core_or_a_gpu_and_never_more_than_units():
    assert sized(ClusterResources(8)).transmit.least == 8 and sized(ClusterResources(8), units=3).transmit.least == 3
    assert sized(ClusterResources(8, 2.0), gpus=0.5).transmit.least == 4
    shared = sized(ClusterResources(8, 2.0), gpus=0.5, score={"gpus": 0.25})
    assert (shared.transmit.least, shared.score.least, shared.score.gpus) == (2, 2, 0.25) and total(shared, "gpus") <= 2.0
    beside = sized(ClusterResources(16, 4.0), "local", gpus=1.0, workers=1, refine={"gpus": 1.0})
    assert beside.refine.least == 3 and total(beside, "gpus") <= 4.0


def test_actors_do_all_stages_on_cores_alone_where_memory_holds_the_models_in_each():
    here, plain = ClusterResources(4, memory=16e9), EvaluationSettings()
    assert all_in_one(plain, here, weights=0) and all_in_one(plain, here, weights=1_000_000_000)
    assert not all_in_one(plain, here, weights=1_000_000_001) and all_in_one(EvaluationSettings(workers=2), here, weights=2_000_000_000)
    for asked in ({"gpus": 0.5}, {"refine": {"workers": 1}}, {"refine": {"gpus": 1.0}}, {"score": {"workers": 1}}, {"most": 9}):
        assert not all_in_one(EvaluationSettings.model_validate(asked), here, weights=1_000_000_000)
    together = sized(here, "together")
    assert (together.transmit.least, together.refine, together.score) == (4, None, None)
    halves = sized(ClusterResources(4, shared_by=2), "remote")
    assert total(halves, "cpus") <= 2


def test_pools_grow_as_far_as_told_and_a_cluster_hears_of_the_whole_need():
    here = sized(ClusterResources(4), "local", workers=1, most=6)
    assert (here.transmit.least, here.transmit.most, here.score.most) == (1, 6, 6)
    # A head without cores and GPUs: the first actor's need starts the first machine, the others' the next ones.
    growing = sized(ClusterResources(1, 0.0, cluster=True), gpus=1.0, most=8, score={"workers": 2})
    assert (growing.transmit.least, growing.transmit.most, growing.transmit.cpus) == (1, 8, 0.5)
    assert (growing.score.least, growing.score.most) == (2, 2)
    alone = sized(ClusterResources(1, 0.0, cluster=True), workers=1, most=8)
    assert (alone.transmit.cpus, alone.score) == (1.0, None)
    editors = sized(ClusterResources(1, 0.0, cluster=True), "local", refine={"gpus": 1.0, "workers": 4, "accelerator": "H100"})
    assert (editors.refine.least, editors.refine.accelerator, editors.transmit.accelerator) == (4, "H100", "")


def test_models_of_others_have_one_actor_whatever_stands_there():
    sizes = sized(ClusterResources(8, 4.0), "remote", refine={"workers": 4, "gpus": 1.0})
    assert (sizes.refine.least, sizes.refine.gpus, sizes.refine.overlapping) == (1, 0.0, True)
    settings = EvaluationSettings.model_validate({"describe": {"workers": 3}})
    assert describers(settings, ClusterResources(8), 10, remote=True).least == 1
    assert (
        describers(settings, ClusterResources(8), 10, remote=False).least == 3
        and describers(settings, ClusterResources(8), 2, remote=False).least == 2
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"gpus": 1.0}, r"evaluation\.gpus=1 asks for a GPU and this machine shows 0"),
        ({"score": {"gpus": 0.5}}, r"evaluation\.score\.gpus=0\.5 asks"),
        ({"gpus": 0.5, "refine": {"gpus": 1.0}}, r"evaluation\.gpus=0\.5 and evaluation\.refine\.gpus=1 ask for"),
    ],
)
def test_a_gpu_that_never_comes_is_refused_here_and_awaited_on_a_cluster(settings, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        sized(ClusterResources(2), "local", **settings)
    assert sized(ClusterResources(2, 0.0, cluster=True), "local", **settings).transmit.least >= 1


class Rows:
    """Stands for a data set of Ray's: blocks of rows."""

    def __init__(self, contents):
        self.block = {"content": np.array(contents, dtype=object)}

    def iter_batches(self, **_):
        yield self.block


def full_disk(_):
    raise OSError(errno.ENOSPC, "No space left on device", "records/one.parquet")


def test_a_full_disk_passes_the_later_stages_and_ends_the_run_in_its_own_words():
    rows = {"content": np.array([pickle.dumps("unit")], dtype=object)}
    for stage in (str.upper, full_disk, str.lower):
        rows = pools.Actor(stage)(rows)
    done = pools.Actor(str.upper)({"content": np.array([pickle.dumps("done")], dtype=object)})["content"][0]
    found = pools._results(Rows([done, rows["content"][0], done]))
    assert next(found) == "DONE"
    with pytest.raises(OSError, match="No space left on device: 'records/one.parquet'"):
        next(found)


def no_model(_):
    raise MethodError("there is no folder scene models/editor; name an existing folder")


def never_foreseen(_):
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("stage", "error", "sentence"),
    [
        (no_model, MethodError, "^there is no folder scene models/editor; name an existing folder$"),
        (never_foreseen, EvaluationError, "^a worker failed: ZeroDivisionError: division by zero; its log has the traceback$"),
    ],
)
def test_whatever_ends_a_run_in_an_actor_is_one_sentence(stage, error, sentence):
    rows = pools.Actor(stage)({"content": np.array([pickle.dumps("unit")], dtype=object)})
    with pytest.raises(error, match=sentence):
        next(pools._results(Rows(list(rows["content"]))))
