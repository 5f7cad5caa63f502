"""Which engine a problem goes to, and that every engine answers alike."""

import importlib
import time
from dataclasses import replace
from types import SimpleNamespace

import disc
import numpy as np
import pytest
import random_problems

from scripts.mip import instances
from sparsectl.errors import ConfigError
from sparsectl.mip import Limits, Solution, anytime, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.search import engines
from sparsectl.mip.search.contract import Outcome
from sparsectl.mip.search.pool import Pool
from sparsectl.task import ActionConfig
from sparsectl.task.constraints import Constraints, KeepOut
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status


def wide(rng, nx: int, hidden: tuple[int, ...], horizon: int):
    """A network whose neurons see many directions, and an L1 goal."""
    program = random_problems.dynamics(rng, nx, 2, hidden, scale=1.0)
    cost = Cost((Term(np.eye(nx), rng.normal(size=nx), "l1", 1.0, 3.0),))
    free = Constraints(np.zeros((0, nx)), np.zeros(0))
    return program, Problem(np.zeros(nx), cost, free, -np.ones(2), np.ones(2), horizon)


def chosen(program, problem, **options):
    settings = anytime.Options(**options)
    ocp = OCP(program, problem, settings.soft_penalty)
    model = prepare(ocp)
    return engines.choose(ocp, model, settings), model


def test_wide_networks_and_short_horizons_go_to_boxes():
    program, problem = wide(np.random.default_rng(0), 6, (40, 40), 2)
    engine, model = chosen(program, problem)
    assert model.binaries > 48
    assert engine == "boxes"
    assert chosen(program, replace(problem, horizon=8))[0] == "scip"
    assert chosen(program, problem, soft_penalty=1.0)[0] == "scip"
    square = KeepOut(np.eye(2, 6), np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.ones(4))
    blocked = replace(problem, constraints=replace(problem.constraints, keep_out=(square,)))
    assert chosen(program, blocked)[0] == "boxes"
    assert chosen(program, blocked, soft_penalty=1.0)[0] == "scip"


def test_many_states_leave_scip_sooner_and_keep_outs_stay_with_it_longer():
    program, problem = wide(np.random.default_rng(0), 14, (8, 8), 3)
    engine, model = chosen(program, problem)
    assert 20 < model.binaries <= 48
    assert engine == "boxes"
    assert chosen(program, replace(problem, horizon=5))[0] == "boxes"
    few = wide(np.random.default_rng(0), 6, (8, 8), 3)
    assert chosen(*few)[0] == "scip"
    assert chosen(few[0], replace(few[1], horizon=5))[0] == "scip"
    program, problem = wide(np.random.default_rng(0), 6, (40, 40), 4)
    square = KeepOut(np.eye(2, 6), np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.ones(4))
    blocked = replace(problem, constraints=replace(problem.constraints, keep_out=(square,)))
    assert (chosen(program, problem)[0], chosen(program, blocked)[0]) == ("boxes", "scip")


def test_few_directions_go_to_the_hull_and_tiny_problems_to_scip():
    rng = np.random.default_rng(1)
    program, problem = wide(rng, 2, (12, 12), 4)
    assert chosen(program, problem)[0] == "hull"
    small, short = wide(rng, 6, (4,), 2)
    assert chosen(small, short)[0] == "scip"


def test_an_engine_that_cannot_plan_is_refused_by_name():
    program, problem = wide(np.random.default_rng(0), 6, (40, 40), 2)
    with pytest.raises(ConfigError, match=r"backend 'hull' cannot plan here.*directions"):
        chosen(program, problem, backend="hull")
    with pytest.raises(ConfigError, match=r"backend is 'bokses'.*boxes"):
        chosen(program, problem, backend="bokses")


@pytest.mark.parametrize("backend", ["hull", "boxes"])
def test_what_an_engine_cannot_price_goes_to_a_solver(backend):
    program, problem = wide(np.random.default_rng(0), 2, (12, 12), 4)
    assert chosen(program, problem, backend=backend, soft_penalty=1.0)[0] == "scip"


def test_regions_go_to_scip():
    levels = ActionConfig(levels=[[-1, 0, 1], [-1, 0, 1]])
    on_off, free = (disc.problem(0, 8, action) for action in (levels, ActionConfig()))
    assert chosen(disc.program(), on_off)[0] == "scip"
    assert chosen(disc.program(), free)[0] == "scip"


def test_highs_tells_how_incumbent_and_bound_closed_in():
    trace = solve(disc.program(), disc.problem(1, 8, ActionConfig()), backend="highs").trace
    _, costs, bounds = (np.array(column) for column in zip(*trace, strict=True))
    known = np.isfinite(costs) & np.isfinite(bounds)
    assert known.sum() >= 3
    assert (bounds[known] <= costs[known] + 1e-6).all()
    assert (np.diff(bounds[known]) >= -1e-9).all()
    assert bounds[known][0] < 0.99 * costs[known][-1]
    assert costs[known][-1] == pytest.approx(bounds[known][-1], rel=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_every_engine_proves_the_same_cost(seed):
    rng = np.random.default_rng(seed)
    program, problem = wide(rng, 3, (6, 6), 2)
    answers = {
        backend: anytime.plan(
            program, problem, lambda end: [np.zeros((2, 2))], anytime.Options(backend=backend)
        )
        for backend in ("scip", "hull", "boxes", "highs")
    }
    costs = {name: answer.cost for name, answer in answers.items()}
    for name, answer in answers.items():
        assert answer.status.value == "optimal", (name, answer.message)
        assert answer.bound <= min(costs.values()) + 1e-6
        assert answer.cost == pytest.approx(min(costs.values()), rel=2e-4), costs


def test_boxes_that_hold_no_better_plan_are_dropped_though_no_bound_says_so_alone():
    """Bounds below the cutoff contradicted the network: 6,000 tiny boxes were cut for ever."""
    program, problem = wide(np.random.default_rng(2), 3, (6, 6), 2)
    start, bare = lambda end: [np.zeros((2, 2))], {"backend": "boxes", "explore": 0}
    found = anytime.plan(program, problem, start, anytime.Options(nodes=2_000, **bare))
    assert found.status.value == "optimal"


def test_a_limit_on_nodes_is_for_all_engines_together(monkeypatch):
    """Each gives up after two nodes, the next one gets what is left."""
    program, problem = wide(np.random.default_rng(1), 2, (12, 12), 4)
    asked = []

    class Quitter:
        def unsupported(self, ocp):
            return None

        def search(self, pool, bounds, limits, deadline):
            asked.append(limits.nodes)
            return Outcome(nodes=2, message="gave up")

    monkeypatch.setattr(engines, "engine", lambda name: Quitter())
    ocp = OCP(program, problem)
    pool = Pool(ocp, prepare(ocp), 0.0)
    engines.search("hull", pool, None, Limits(nodes=5), None)
    assert asked == [5, 3, 1]


def _limited(seed: int, half: float):
    """A network of 24 ReLUs whose states must stay in a box, at rest at first."""
    program, problem = wide(np.random.default_rng(seed), 6, (24,), 3)
    box = Constraints(np.vstack([np.eye(6), -np.eye(6)]), np.full(12, half), (), ("box",) * 12)
    return program, replace(problem, constraints=box)


def _asked(program, problem, monkeypatch, **options):
    """The engines that a decision went to, in order."""
    names, make = [], engines.engine

    def noted(name):
        found = make(name)

        class Noted:
            unsupported = staticmethod(found.unsupported)

            def search(self, *args):
                names.append(name)
                return found.search(*args)

        return Noted()

    monkeypatch.setattr(engines, "engine", noted)
    rest = lambda end: [np.zeros((problem.horizon, problem.nu))]  # noqa: E731
    settings = anytime.Options(nodes=20_000, **options)
    return names, anytime.plan(program, problem, rest, settings)


def test_boxes_that_do_not_end_soon_leave_limited_states_to_a_solver(monkeypatch):
    """SCIP proves this one in half a second; boxes had a gap of 1 % after six."""
    program, problem = _limited(1, 1.6)
    names, found = _asked(program, problem, monkeypatch)
    assert names == ["boxes", "scip"]
    assert found.status is Status.OPTIMAL
    assert found.nodes < 20_000


@pytest.mark.parametrize(("boxes", "scip", "last"), [(0.3, 0.2, "boxes"), (0.2, 0.3, "scip")])
def test_after_a_turn_each_the_better_bound_goes_on(monkeypatch, boxes, scip, last):
    """Boxes close a network of 64 + 64 ReLUs whose states are limited, SCIP one of 24."""
    ocp, asked = OCP(*_limited(1, 1.6)), []
    model = prepare(ocp)

    def turn(name):
        def search(pool, bounds, limits, deadline):
            asked.append((name, limits.nodes))
            assert deadline is None  # plans under a limit of nodes repeat
            return Outcome({"boxes": boxes, "scip": scip}[name], nodes=limits.nodes)

        return SimpleNamespace(search=search, unsupported=lambda ocp: None)

    pool = Pool(ocp, model, 0.0)
    for actions in np.random.default_rng(0).uniform(-1, 1, (100, 3, 2)):
        pool.offer(actions)
    assert engines.choose(ocp, model, anytime.Options()) == "boxes"
    monkeypatch.setattr(engines, "engine", turn)
    found = engines.search("boxes", pool, None, Limits(nodes=9000, gap=0), None, auto=True)
    assert asked == [("boxes", 1000), ("scip", 1000), (last, 7000)]
    assert found.bound == max(boxes, scip)


def test_boxes_that_are_asked_for_stay(monkeypatch):
    program, problem = _limited(1, 1.6)
    names, _ = _asked(program, problem, monkeypatch, backend="boxes")
    assert names == ["boxes"]


def test_without_a_plan_a_solver_is_first(monkeypatch):
    """No plan keeps the limits: SCIP needs .3 s for that, boxes 3."""
    program, problem = _limited(0, 1.0)
    names, found = _asked(program, problem, monkeypatch)
    assert names == ["scip"]
    assert found.status is Status.INFEASIBLE


def _of_the_bench(*cell, seed=0):
    found = instances.instance(*cell, seed)
    return found.program, found.problem


def test_boxes_whose_gap_hardly_closes_give_a_solver_a_turn(monkeypatch):
    """SCIP proves this one, behind a layer of two neurons; boxes had a gap of 5 % after 30,000."""
    names, found = _asked(*_of_the_bench("free", (12, 2, 8), 4), monkeypatch, gap=0.01)
    assert names == ["boxes", "scip"]
    assert found.status is Status.OPTIMAL


def test_without_a_hull_of_modes_the_search_goes_on(monkeypatch):
    """Boxes had a turn and thus a bound; the hull found too many modes, and that was the end."""
    program, problem = _of_the_bench("s3+a1", (12, 12), 6, seed=1)
    names, found = _asked(program, problem, monkeypatch, gap=0.01)
    assert names[:3] == ["boxes", "hull", "boxes"]
    assert found.status is Status.OPTIMAL


def test_boxes_go_on_after_a_solver_that_does_not_end_in_its_turn(monkeypatch):
    asked = []

    class Open:
        def unsupported(self, ocp):
            return None

        def search(self, pool, bounds, limits, deadline):
            asked.append((limits.nodes, limits.trial))
            return Outcome(bound=0.5, nodes=10, message="open")

    monkeypatch.setattr(engines, "engine", lambda name: Open())
    ocp = OCP(*wide(np.random.default_rng(0), 6, (40, 40), 2))
    pool = Pool(ocp, prepare(ocp), 0.0)
    pool.offer(np.zeros((2, 2)))
    engines.search("boxes", pool, None, Limits(), None, auto=True)
    assert asked == [(None, 1000), (1000, None), (None, None)]
    asked.clear()
    engines.search("boxes", pool, None, Limits(), None)
    assert asked == [(None, None)]
    asked.clear()  # a solver has no bound before the end, which takes it so long for a nonzero
    monkeypatch.setattr(engines, "_ROOT_SECONDS", 60.0)
    engines.search("boxes", pool, None, Limits(), time.perf_counter() + 60, auto=True)
    assert asked == [(None, 1000), (None, None)]


def test_squared_costs_go_to_boxes_which_close_them_in_a_few_hundred(monkeypatch):
    """SCIP has a gap of 10 % after four seconds."""
    names, found = _asked(*_of_the_bench("l2sq", (8, 8), 4), monkeypatch, gap=0.01)
    assert names == ["boxes"]
    assert found.status is Status.OPTIMAL
    assert found.nodes < 1000


def test_with_one_action_a_step_boxes_have_a_turn_before_the_hull(monkeypatch):
    """The hull needs 285 linear programs here, four times as long."""
    program, problem = _of_the_bench("s3+a1", (12, 12), 6)
    names, found = _asked(program, problem, monkeypatch, gap=0.01)
    assert chosen(program, problem)[0] == "hull"
    assert names == ["boxes"]
    assert found.status is Status.OPTIMAL


@pytest.mark.parametrize("door", ["solve", "anytime"])
def test_bounds_that_claim_there_is_no_plan_are_held_against_plans(door, monkeypatch):
    program, problem = random_problems.case(hidden=(4,), horizon=2)
    wrong = Solution(Status.INFEASIBLE, certificate="bounds", message="no plan can satisfy it")
    room = importlib.import_module(f"sparsectl.mip.{door}")
    monkeypatch.setattr(room, "prepare", lambda *_: wrong)
    found = (
        solve(program, problem)
        if door == "solve"
        else anytime.plan(program, problem, lambda end: [])
    )
    assert found.status is Status.FEASIBLE
    assert found.actions.shape == (2, 2)
    assert "bounds claimed that there is no plan" in found.message
