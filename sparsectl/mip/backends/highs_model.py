"""A `MIPModel` inside HiGHS."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import NUMERICAL_GAP, Limits

NAME = "HiGHS"
FEASIBILITY = 1e-9
MIP_FEASIBILITY = 5e-8
"""Of a search. With 1e-8 or 1e-9 HiGHS 1.16 now and then calls a plan optimal that is not, even
without presolve: 2 of some 1,400 hybrid decisions (tests/mip/fuzz.py --hybrid), by 3 and 5 %;
with this neither."""
WARM: dict[str, Any] = {
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_feasibility_jump": False,
}
"""Where a feasible start is known: sub-MIPs find nothing better than a polished plan
(scripts/mip/solvers.py)."""


def load(model: MIPModel, *, relax: bool = False, squares: int = 0) -> highspy.Highs:
    """The model inside HiGHS, without its quadratic cost.

    Args:
        squares: number of extra non-negative variables appended, of cost zero.
    """
    highs = quiet()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("primal_feasibility_tolerance", FEASIBILITY)
    highs.setOptionValue("dual_feasibility_tolerance", FEASIBILITY)
    highs.setOptionValue("mip_feasibility_tolerance", MIP_FEASIBILITY)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = model.n + squares, model.A.shape[0]
    lp.col_cost_ = np.concatenate([model.c, np.zeros(squares)])
    lp.col_lower_ = np.concatenate([model.low, np.zeros(squares)])
    lp.col_upper_ = np.concatenate([model.high, np.full(squares, highspy.kHighsInf)])
    lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
    lp.offset_ = model.offset
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = model.n + squares, model.A.shape[0]
    lp.a_matrix_.start_ = model.A.indptr
    lp.a_matrix_.index_ = model.A.indices
    lp.a_matrix_.value_ = model.A.data
    if not relax:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[b] for b in (*model.binary.tolist(), *[False] * squares)]
    highs.passModel(lp)
    return highs


def configure(highs: highspy.Highs, settings: Mapping[str, Any]) -> None:
    """Set HiGHS' own options.

    Raises:
        ConfigError: one that HiGHS refuses.
    """
    for name, value in settings.items():
        accepted = highs.setOptionValue(name, value) == highspy.HighsStatus.kOk
        # An older HiGHS may not know our own settings.
        if not accepted and WARM.get(name) != value:
            raise ConfigError(
                f"HiGHS option {name} = {value!r} was refused: expected one of HiGHS' own options "
                "with a value in its range"
            )


@functools.cache
def silence() -> None:
    """HiGHS greets on standard output when its first instance is made: send that nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class _Highs(highspy.Highs):
    """HiGHS that runs whatever other users of it in this process have done.

    HiGHS keeps one pool of threads per process and refuses to run with one of another size.
    """

    def run(self) -> highspy.HighsStatus:
        status = super().run()
        if status == highspy.HighsStatus.kError:
            highspy.Highs.resetGlobalScheduler(True)
            status = super().run()
        return status


def quiet() -> highspy.Highs:
    """A new HiGHS that prints nothing."""
    silence()
    highs = _Highs()
    highs.setOptionValue("output_flag", False)
    return highs


@dataclass(frozen=True)
class Answer:
    """What HiGHS found.

    Attributes:
        values: of all variables, shape (n,), or None.
        bound: on the cost; -inf where there is none.
        infeasible, nodes, status: HiGHS' words.
        trace: (seconds, incumbent cost, bound) where they changed.
    """

    values: np.ndarray | None
    bound: float
    infeasible: bool
    nodes: int
    status: str
    trace: tuple[tuple[float, float, float], ...] = ()


def run(highs: highspy.Highs, limits: Limits, start: np.ndarray | None, started: float) -> Answer:
    """Solve what is loaded.

    Args:
        highs: with a model, see `load`.
        start: values of a feasible point, shape (n,), or None.
        started: `time.perf_counter()` value that seconds count from.
    """
    highs.setOptionValue("mip_rel_gap", limits.gap)
    highs.setOptionValue("mip_abs_gap", limits.absolute_gap or NUMERICAL_GAP)
    if limits.nodes is not None:
        highs.setOptionValue("mip_max_nodes", limits.nodes)
    if limits.seconds is not None:
        left = limits.seconds - (time.perf_counter() - started)
        # The limit counts from the model's first run.
        highs.setOptionValue("time_limit", max(left, 0.0) + highs.getRunTime())
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)
    trace: list[tuple[float, float, float]] = []
    note = functools.partial(_note, trace, started)
    highs.cbMipInterrupt += note
    highs.run()
    highs.cbMipInterrupt -= note
    info, status = highs.getInfo(), highs.getModelStatus()
    infeasible = status == highspy.HighsModelStatus.kInfeasible
    values = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        values = np.array(highs.getSolution().col_value)
    has_integers = any(v == highspy.HighsVarType.kInteger for v in highs.getLp().integrality_)
    if has_integers:
        bound = float(info.mip_dual_bound)
    else:
        optimal = status == highspy.HighsModelStatus.kOptimal
        bound = float(info.objective_function_value) if optimal else -np.inf
    if not np.isfinite(bound) or abs(bound) >= 1e30:
        bound = -np.inf
    nodes = max(int(info.mip_node_count), 0)
    words = highs.modelStatusToString(status)
    return Answer(values, bound, infeasible, nodes, words, tuple(trace))


def _note(
    trace: list[tuple[float, float, float]],
    started: float,
    event: highspy.highs.HighsCallbackEvent,
) -> None:
    """Adds (seconds, incumbent cost, bound) to the trace where they have changed."""
    cost, bound = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
    point = (cost if cost < 1e30 else np.inf, bound if bound > -1e30 else -np.inf)
    if not trace or point != trace[-1][1:]:
        trace.append((time.perf_counter() - started, *point))
