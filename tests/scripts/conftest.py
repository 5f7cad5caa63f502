"""Settings of the studies' tests."""

import time

import pyscipopt
import pytest

from sparsectl.mip.backends import highs_model


@pytest.fixture(autouse=True)
def _clocks_are_put_back(monkeypatch):
    """A benchmark counts CPU seconds in its whole process, which tests share with others."""
    monkeypatch.setattr(time, "perf_counter", time.perf_counter)
    monkeypatch.setattr(pyscipopt, "Model", pyscipopt.Model)
    monkeypatch.setattr(highs_model, "_Highs", highs_model._Highs)
