"""The weights that come with the project are those that its laptop grid asks for, all of them and no other."""

import pytest

from methods.registry import METHODS
from suite.config.compose import compose
from suite.loading import load_method
from suite.prepare import SHIPPED, prepare
from suite.train import checkpoint

CARDS = sorted(SHIPPED.glob("*.json"))


@pytest.mark.skipif(not CARDS, reason="no checkpoint is in results/reference/checkpoints")
def test_every_network_of_the_laptop_grid_is_shipped_and_found_by_its_identity():
    jobs = prepare(compose("quick", None, None, 1, ["metrics=[psnr]"])).jobs
    cards = [each.card for path in CARDS if (each := checkpoint.read(path)) is not None]
    assert {job.identity for job in jobs.values()} == {card.identity for card in cards} and len(cards) == len(CARDS)
    for key, job in jobs.items():
        there = checkpoint.find(job.identity, [SHIPPED])
        assert there is not None, f"{key} would be trained anew"
        # A later commit that touches the method would have every run tell of it, though these are the weights it is tested with.
        assert there.card.code is None and there.path.name.startswith(job.name)


@pytest.mark.parametrize("name", [name for name in METHODS.names() if METHODS.declared(name) is not None])
def test_what_came_later_is_what_there_was_before_unless_it_is_set(name):
    settings = METHODS.get(name).Settings
    defaults = {field: settings.model_fields[field].default for field in settings.first_values}
    assert defaults == dict(settings.first_values)
    assert not set(settings.first_values) & set(settings().identity_fields())


@pytest.mark.parametrize("card", CARDS[::4], ids=lambda card: card.stem)
def test_a_file_of_weights_tells_how_many_parameters_its_network_has(card):
    """Counters, noise states and the running statistics of batches are none; a noise schedule of 32 values is."""
    found = checkpoint.read(card)
    assert found is not None
    assert 0 <= found.parameters - sum(each.numel() for each in load_method(card).network().parameters()) <= 32
