"""What is loaded is not looked through in a decision."""

import gc

import pytest

from sparsectl.evaluate import garbage
from sparsectl.evaluate.garbage import undisturbed


@pytest.fixture
def _nothing_frozen(monkeypatch):
    monkeypatch.setattr(garbage, "gc", gc)
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("_nothing_frozen")
def test_what_is_loaded_is_frozen_and_given_back():
    with undisturbed():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("_nothing_frozen")
def test_what_the_caller_froze_stays():
    gc.freeze()
    before = gc.get_freeze_count()
    with undisturbed():
        assert 0.9 * before < gc.get_freeze_count() <= before  # what ends meanwhile leaves
    assert 0.9 * before < gc.get_freeze_count() <= before
