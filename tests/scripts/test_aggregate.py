"""Numbers of the study of training on from what planners drove."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from scripts.closed_loop.aggregate import AFTER, BEFORE, _error
from sparsectl.evaluate.model_errors import COLLECTED, KEY


def test_errors_are_in_units_of_no_motion_on_held_out_data_and_of_all_parts():
    def row(model, where, part, error, still, k=1):
        names = {"model": model, "where": where, "part": part, "k": k}
        return {**names, "error": error, "no_motion": still}

    rows = [
        row(BEFORE, COLLECTED, "a", 1.0, 2.0),
        row(BEFORE, COLLECTED, "b", 1.0, 10.0),
        row(AFTER, "cem", "a", 1.0, 0.1),
        row(AFTER, "cem", "b", 1.0, 0.1),
        row(AFTER, "cem", "b", 9.0, 0.1, k=5),
    ]
    found = SimpleNamespace(settings={KEY: rows})
    assert _error(found, {"model": AFTER}, "cem", 1) == pytest.approx((0.5 + 0.1) / 2)
