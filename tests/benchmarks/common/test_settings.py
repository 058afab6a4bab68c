"""Names and keys that are wrong get one sentence with the way out, whoever reads them; what is foreseen has one root."""

import pickle

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import methods.errors
import suite.errors
from benchmarks.common import errors
from benchmarks.common.errors import SemcomError, UnknownNameError
from benchmarks.common.hashing import canonical, digest
from benchmarks.common.names import suggestion, unknown
from benchmarks.common.validation import sentences
from benchmarks.datasets import open_dataset
from benchmarks.link.link import Link, channels
from benchmarks.link.settings import LinkSettings, OfdmSettings, channel_summaries
from benchmarks.metrics import lookup
from methods.generative.costs import UnpricedModelError
from methods.generative.responses import CacheWriteError, SpendingLimitError
from suite.config.catalog import CHANNELS, DATASETS, METRICS


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = Field(default=1, ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    section: Inner | None = None
    entries: tuple[Inner, ...] = Field(default=(), min_length=1)


def told(keys, **options):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(keys)
    return sentences(caught.value, Outer, **options)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"nam": "x", "name": "x"}, ["unknown key 'nam'. Did you mean 'name'? Known here: entries, name, section"]),
        ({"name": "x", "section": {"step": 2}}, ["unknown key 'section.step'. Did you mean 'steps'? Known here: steps"]),
        ({"name": "x", "entries": [{"stps": 2}]}, ["unknown key 'entries.0.stps'. Did you mean 'steps'? Known here: steps"]),
        ({"section": {"steps": 2}}, ["the key 'name' is missing"]),
        ({"name": "x", "section": {"steps": 0}}, ["'section.steps': input should be greater than or equal to 1, got 0"]),
    ],
)
def test_each_problem_is_one_sentence(keys, expected):
    assert told(keys) == expected


def test_values_that_may_be_secrets_are_not_repeated():
    (sentence,) = told({"name": "x", "section": {"steps": "sk-secret"}}, show_values=False)
    assert "'section.steps'" in sentence and "secret" not in sentence


def test_a_far_name_suggests_nothing():
    assert suggestion("zzz", ["awgn", "rayleigh"]) == ""
    assert str(unknown("channel", "zzz", ["awgn"])) == "unknown channel 'zzz'. Known: awgn."


@pytest.mark.parametrize(
    ("ask", "registry", "name", "sentence"),
    [
        (lambda name: open_dataset(name), DATASETS, "kodac", "unknown data set 'kodac'. Did you mean 'kodak'?"),
        (lambda name: lookup([name]), METRICS, "ms-ssim", "unknown metric 'ms-ssim'. Did you mean 'ms_ssim'?"),
        (lambda name: Link().channel(name), CHANNELS, "raileigh", "unknown channel 'raileigh'. Did you mean 'rayleigh'?"),
    ],
)
def test_an_unknown_name_is_one_error_whichever_way_it_is_met(ask, registry, name, sentence):
    for way in (ask, registry.get):
        with pytest.raises(UnknownNameError) as caught:
            way(name)
        assert str(caught.value).startswith(sentence)


def test_fields_that_came_later_enter_an_identity_where_they_say_something_new():
    """The default link's identity is what it was before there were readings of the SNR, HARQ on demand and robust coding."""
    assert digest("link", LinkSettings()) == "e22645f3ac51f786e7fd6e35"
    others = [LinkSettings(digital={"harq": True}), LinkSettings(digital={"outage": 0.2}), LinkSettings(rician_k=2)]
    assert len({digest("link", link) for link in [LinkSettings(), *others]}) == 4
    assert "harq" not in canonical(LinkSettings())["digital"] and canonical(others[1])["digital"]["outage"] == 0.2


@pytest.mark.parametrize("settings", [LinkSettings(), LinkSettings(rician_k=2.5, ofdm=OfdmSettings(csi="ls", speed=3.0))])
def test_what_is_listed_of_channels_is_what_they_are(settings):
    assert channel_summaries(settings) == {name: channel.summary for name, channel in channels(settings).items()}


def test_everything_foreseen_has_one_root():
    for module in (errors, methods.errors, suite.errors):
        for name, kind in vars(module).items():
            if name.endswith("Error"):
                assert issubclass(kind, SemcomError), name


def test_a_limit_of_spending_ends_a_command_in_a_way_of_its_own():
    assert (SemcomError.headline, SemcomError.exit_code) == ("error", 2)
    for kind in (SpendingLimitError, CacheWriteError, UnpricedModelError):
        assert (kind.headline, kind.exit_code) == ("stopped", 3)


def test_an_unknown_name_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(unknown("metric", "psn", ["psnr"])))
    assert str(error) == "unknown metric 'psn'. Did you mean 'psnr'? Known: psnr."
