"""Planning with step and sign neurons: exact, reproduced, and refused by engines that cannot."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
import random_problems
import random_steps
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.mip import Limits, anytime, solve, steps
from sparsectl.mip.backends.scip import SCIPOptions
from sparsectl.mip.modes.count import count_modes
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.search import boxes, engines, hull
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.search.solver import conclude
from sparsectl.mip.solution import RawSolution
from sparsectl.program import ReluProgram
from sparsectl.program.network import lower_network
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status

# At most 8 neurons in all: hidden layers, activations, horizon.
SIZES = [
    ((3,), "sign", 1),
    ((2, 2), "step", 2),
    ((2, 2), ("relu", "sign"), 2),
    ((2, 2), ("sign", "relu"), 2),
    ((2,), "sign", 3),
    ((4, 4), "sign", 1),
]
GAP = Limits(gap=1e-5, seconds=60.0)


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_enumeration_of_patterns(size, norm):
    """The bound is below the infimum; the plan's cost lies between it and clear patterns' best."""
    hidden, activation, horizon = size
    for index in range(2):
        rng = np.random.default_rng([SIZES.index(size), len(norm), index])
        nx, nu = int(rng.integers(2, 4)), int(rng.integers(1, 3))
        bits = bool(rng.integers(2))
        program = random_steps.dynamics(rng, nx, nu, hidden, activation, bits)
        problem = random_problems.problem(rng, nx, nu, horizon, norm, constrained=index == 1)
        infimum = oracle.best_cost(program, problem)
        clear = oracle.best_cost(program, problem, margin=2 * steps.MARGIN)
        for backend in ("scip", "highs"):
            bounds = ("interval", "crown", "lp")[SIZES.index(size) % 3]
            solution = solve(program, problem, backend=backend, bounds=bounds, limits=GAP)
            if np.isinf(infimum):
                assert solution.status == Status.INFEASIBLE, solution.message
                continue
            assert solution.status == Status.OPTIMAL, solution.message
            assert infimum - 1e-6 <= solution.cost <= clear + 1e-5 * (1 + abs(clear))
            assert solution.bound <= infimum + 1e-6
            exact = program.rollout(problem.x0, solution.actions)
            np.testing.assert_array_equal(solution.states, exact)
            assert problem.cost(exact, solution.actions) == pytest.approx(solution.cost)


def _threshold(target, weights=(1.0, 2.0)) -> tuple[ReluProgram, Problem]:
    """x' = [u, 1 where u >= 1/2], cost weights |x' - target|."""
    A, C = sp.csr_array([[0.0, 0, 1, 0]]), sp.csr_array([[0.0, 0, 1, 0], [0, 0, 0, 1]])
    program = ReluProgram(3, A, np.array([-0.5]), C, np.zeros(2), np.ones(1, bool))
    E = np.diag(weights)
    cost = Cost((Term(E, E @ np.asarray(target, float), "l1", 0.0, 1.0),))
    free = Constraints(np.zeros((0, 2)), np.zeros(0))
    return program, Problem(np.zeros(2), cost, free, -np.ones(1), np.ones(1), 1)


@pytest.mark.parametrize("backend", ["scip", "highs"])
@pytest.mark.parametrize(("target", "side"), [((1.0, 0.0), 0.0), ((0.0, 1.0), 1.0)])
def test_an_optimum_at_a_threshold_ends_on_the_right_side_of_it(backend, target, side):
    """With the neuron off the cost 1/2 is an infimum that no plan attains."""
    program, problem = _threshold(target)
    solution = solve(program, problem, backend=backend, limits=GAP)
    assert solution.status == Status.OPTIMAL, solution.message
    assert solution.states[1, 1] == side
    assert 0.5 <= solution.cost <= 0.5 + 2 * steps.MARGIN
    assert solution.bound <= 0.5 + 1e-9
    assert solution.claimed_cost == pytest.approx(solution.cost, abs=1e-6)


def test_a_plan_that_the_program_does_not_reproduce_is_not_believed():
    """A solver that only knows the closure claims 1/2 at u = 1/2; the program says 5/2 there."""
    program, problem = _threshold((1.0, 0.0))
    model = prepare(OCP(program, problem))
    values = model.assign(np.array([[0.0, 0], [0.5, 0]]), np.array([[0.5]]))
    values[np.flatnonzero(model.binary)] = 0.0
    assert model.violation(values) <= 1e-9
    assert model.objective(values) == pytest.approx(0.5)
    raw = RawSolution(values, bound=0.5)

    def check(raw):
        return conclude(OCP(program, problem), model, raw, GAP)

    believed = check(raw)
    assert believed.status == Status.FEASIBLE
    assert believed.cost == pytest.approx(2.5)
    calls = []

    def call(asked, limits):
        calls.append(asked)
        return raw

    solution = steps.search(model, GAP, [], call, check)
    assert (solution.status, calls) == (Status.OPTIMAL, [model])
    assert solution.cost == pytest.approx(0.5, abs=2e-6)
    unhelpful = replace(model, strict=replace(model.strict, high=model.low - 1.0))
    solution = steps.search(unhelpful, GAP, [], call, check)
    assert (solution.status, solution.cost) == (Status.FEASIBLE, pytest.approx(2.5))


def test_a_sign_that_reads_relus_that_are_off_is_on():
    """x' = [u, sign(-relu(u - 1/2))]: its field is exactly zero for every u below 1/2."""
    one, none = np.ones((1, 1)), np.zeros(1)
    network = lower_network([(one, -0.5 * one[0]), (-one, none), (one, none)], ["relu", "sign"])
    A = sp.hstack([sp.csr_array((2, 2)), network.A], format="csr")
    C = sp.vstack([np.eye(1, 5, 2), sp.hstack([sp.csr_array((1, 2)), network.C])])
    program = ReluProgram(3, A, network.b, C, np.append(0.0, network.d), network.step)
    cost = Cost((Term(np.eye(2), np.array([0.3, 1.0]), "l1", 0.0, 1.0),))
    free = Constraints(np.zeros((0, 2)), np.zeros(0))
    problem = Problem(np.zeros(2), cost, free, -np.ones(1), np.ones(1), 1)
    solution = solve(program, problem, limits=GAP)
    assert (solution.status, solution.states[1, 1]) == (Status.OPTIMAL, 1.0)
    assert solution.cost == pytest.approx(0.0, abs=1e-6)


def _around_zero(rows, backend):
    """As few neurons on as possible, of those that see actions (u, w) by these rows."""
    k = len(rows)
    A = np.hstack([np.zeros((k, k)), rows, np.zeros((k, k))])
    C = np.hstack([np.zeros((k, k + 2)), np.eye(k)])
    program = ReluProgram(k + 2, A, np.zeros(k), C, np.zeros(k), np.ones(k, bool))
    cost = Cost((Term(np.eye(k), np.zeros(k), "l1", 0.0, 1.0),), "l1", 0.1)
    free = Constraints(np.zeros((0, k)), np.zeros(0))
    problem = Problem(np.zeros(k), cost, free, -np.ones(2), np.ones(2), 1)
    return solve(program, problem, backend=backend, limits=GAP)


@pytest.mark.parametrize("backend", ["scip", "highs"])
@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_neurons_of_equal_or_opposite_fields_do_not_disagree_at_zero(backend, scale):
    solution = _around_zero([[1.0, -2.0], [scale, -2.0 * scale]], backend)
    assert solution.status == Status.OPTIMAL, solution.message
    assert solution.cost == pytest.approx(0.0 if scale > 0 else 1.0, abs=1e-5)


@pytest.mark.parametrize("backend", ["scip", "highs"])
def test_a_pattern_of_thresholds_only_costs_the_proof_not_the_plan(backend):
    """u >= 0, w >= 0 and -u - w >= 0 are all off nowhere, but in the closure at u = w = 0."""
    solution = _around_zero([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], backend)
    assert solution.status == Status.FEASIBLE
    assert solution.cost == pytest.approx(1.0, abs=1e-5)
    assert solution.bound <= 1e-9
    assert "clear of thresholds" in solution.message


def test_known_plans_are_never_lost_to_one_that_is_not_reproduced():
    program, problem = _threshold((1.0, 0.0))
    model = prepare(OCP(program, problem))
    values = model.assign(np.array([[0.0, 0], [0.5, 0]]), np.array([[0.5]]))
    values[np.flatnonzero(model.binary)] = 0.0
    known = model.assign(program.rollout(problem.x0, [[0.4]]), np.array([[0.4]]))

    def check(raw):
        return conclude(OCP(program, problem), model, raw, GAP)

    blind = replace(model, strict=replace(model.strict, high=model.low - 1.0))
    found = steps.search(blind, GAP, [known], lambda m, limits: RawSolution(values, 0.5), check)
    assert found.cost == pytest.approx(0.6)


def test_a_neuron_that_is_always_at_zero_is_on():
    """x' = 1 where 0 >= 0: whatever the action."""
    A, C = sp.csr_array([[1.0, 0, 0]]), sp.csr_array([[0.0, 0, 1]])
    program = ReluProgram(2, A, np.zeros(1), C, np.zeros(1), np.ones(1, bool))
    free = Constraints(np.zeros((0, 1)), np.zeros(0))
    for target in (0.0, 1.0):
        cost = Cost((Term(np.eye(1), np.array([target]), "l1", 0.0, 1.0),))
        problem = Problem(np.zeros(1), cost, free, -np.ones(1), np.ones(1), 1)
        solution = solve(program, problem)
        assert (solution.status, solution.cost) == (Status.OPTIMAL, pytest.approx(1.0 - target))


def test_ties_between_signs_are_planned_with_exactly():
    """Two signs of the action that cancel, and a neuron that is +1 only then or above."""
    first = (np.array([[1.0], [1.0]]), np.array([-0.5, 0.5]))
    second = (np.array([[1.0, 1.0], [-1.0, -1.0]]) / np.sqrt(2), np.zeros(2))
    last = (np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2))
    network = lower_network([first, second, last], "sign")
    A = sp.hstack([sp.csr_array((network.m, 2)), network.A], format="csr")
    C = sp.hstack([sp.csr_array((2, 2)), network.C], format="csr")
    program = ReluProgram(3, A, network.b, C, network.d, network.step)
    cost = Cost((Term(np.eye(2), np.ones(2), "l1", 0.0, 1.0),), "l1", 0.0)
    free = Constraints(np.zeros((0, 2)), np.zeros(0))
    problem = Problem(np.zeros(2), cost, free, -np.ones(1), np.ones(1), 1)
    solution = solve(program, problem, limits=GAP)
    # Both fields are zero where -1/2 <= u < 1/2, and both signs are +1 there only.
    assert (solution.status, solution.cost) == (Status.OPTIMAL, pytest.approx(0.0))
    assert -0.5 <= solution.actions[0, 0] < 0.5
    model = prepare(OCP(program, problem))
    changed = np.flatnonzero(abs(model.A - model.strict.A).sum(axis=1))
    assert len(changed) == 4  # two neurons that see the action; those that see signs need no margin


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    kinds=st.lists(st.sampled_from(["relu", "sign", "step"]), min_size=1, max_size=2),
    horizon=st.integers(1, 3),
)
def test_every_rollout_is_an_assignment_of_the_model(seed, kinds, horizon):
    rng = np.random.default_rng(seed)
    hidden = tuple(int(k) for k in rng.integers(1, 6, size=len(kinds)))
    program = random_steps.dynamics(rng, 3, 2, hidden, kinds, bits=bool(seed % 2))
    problem = random_problems.problem(rng, 3, 2, horizon, "l1", constrained=False)
    model = prepare(OCP(program, problem))
    assert (model.strict is None) == (not program.has_steps)
    for _ in range(5):
        actions = rng.uniform(-1, 1, size=(horizon, 2))
        states = program.rollout(problem.x0, actions)
        values = model.assign(states, actions)
        assert model.violation(values) <= 1e-7
        exact = float(problem.cost(states, actions))
        assert model.objective(values) == pytest.approx(exact, rel=1e-7, abs=1e-7)


def test_engines_that_cannot_are_refused_and_the_planner_falls_back():
    rng = np.random.default_rng(2)
    program = random_steps.dynamics(rng, 3, 2, (8, 6), ("sign", "relu"))
    problem = random_problems.problem(rng, 3, 2, 2, "l1", constrained=False)
    ocp = OCP(program, problem)
    model = prepare(ocp)
    assert model.binaries > engines.FEW_BINARIES
    assert engines.choose(ocp, model, anytime.Options()) == "scip"
    for backend in ("hull", "boxes"):
        with pytest.raises(ConfigError, match=r"cannot plan here: it has step \(sign\) neurons"):
            engines.choose(ocp, model, anytime.Options(backend=backend))
    assert {e.unsupported(OCP(program, problem)) for e in (hull, boxes)} == {
        "it has step (sign) neurons"
    }
    with pytest.raises(ConfigError, match=r"listing modes takes ReLU neurons only"):
        count_modes(program, -np.ones(5), np.ones(5))
    with pytest.raises(ConfigError, match=r"ReLU neurons only"):
        boxes.BoxSearch(Pool(ocp, model, 0.0), None)


def test_planner_solvers_and_rollouts_agree():
    rng = np.random.default_rng(3)
    program = random_steps.dynamics(rng, 3, 2, (6, 6), ("relu", "sign"))
    problem = random_problems.problem(rng, 3, 2, 2, "l1", constrained=False)
    plain = solve(program, problem, limits=GAP)
    rolled = solve(program, problem, limits=GAP, options=SCIPOptions(rollout_every=1))
    highs = solve(program, problem, limits=GAP, backend="highs")
    start = [np.zeros((2, 2))]
    planned = anytime.plan(program, problem, lambda end: start, anytime.Options(gap=1e-5))
    for solution in (plain, rolled, highs, planned):
        assert solution.status == Status.OPTIMAL, solution.message
        assert solution.cost == pytest.approx(plain.cost, rel=3e-5)
        assert max(b for _, _, b in solution.trace) <= plain.cost + 1e-6


@pytest.mark.parametrize(("used", "left"), [(4, 6), (10, None), (12, None)])
def test_a_limit_on_nodes_counts_both_searches(used, left):
    ocp = OCP(*_threshold((1.0, 0.0)))
    model = prepare(ocp)
    values = model.assign(np.array([[0.0, 0], [0.5, 0]]), np.array([[0.5]]))
    values[np.flatnonzero(model.binary)] = 0.0
    strict = replace(model.strict, high=model.low - 1.0)
    asked = []

    def call(which, limits):
        asked.append(limits.nodes)
        return RawSolution(values if len(asked) == 1 else None, bound=0.5, nodes=used)

    def check(raw):
        return conclude(ocp, model, raw, GAP)

    steps.search(replace(model, strict=strict), Limits(nodes=10), [], call, check)
    assert asked == [10] if left is None else asked == [10, left]
