"""Products of small matrices use one thread, whatever the machine's settings are."""

from __future__ import annotations

import disc
import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from sparsectl.mip import anytime
from sparsectl.task import ActionConfig
from sparsectl.threads import one_thread


def threads() -> dict[str, int]:
    return {x["filepath"]: x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}


def test_one_thread_inside_and_as_before_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, "blas"):
            outside = threads()
            with one_thread():
                assert (torch.get_num_threads(), {*threads().values()}) == (1, {1})
            assert (torch.get_num_threads(), threads()) == (2, outside)
    finally:
        torch.set_num_threads(before)


def test_a_decision_has_one_thread():
    seen = []

    def propose(deadline: float | None) -> list[np.ndarray]:
        seen.append({*threads().values()})
        return []

    with threadpool_limits(2, "blas"):
        outside, problem = threads(), disc.problem(0, 4, ActionConfig())
        assert 2 in outside.values()
        anytime.plan(disc.program(), problem, propose, anytime.Options(nodes=1))
        assert (seen, threads()) == ([{1}], outside)
