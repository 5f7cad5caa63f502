"""A shield lets a controller act where a safe plan begins with its action, and says where not."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.cli import locate
from sparsectl.control import (
    Controller,
    ControllerState,
    PolicyController,
    Setup,
    Shield,
    ShieldConfig,
    attempt,
    build,
    check,
    check_plans,
    checkpoints,
    finish,
    no_plan,
)
from sparsectl.errors import ConfigError
from sparsectl.evaluate.player import Player, Setting, further_digests
from sparsectl.policies import checkpoint
from sparsectl.policies.network import NetworkConfig, PolicyNetwork
from sparsectl.program import algebra
from sparsectl.task import ActionConfig, ConstraintsConfig, Task, TaskConfig
from sparsectl.task.constraints import BoxConfig, HalfSpaceConfig
from sparsectl.task.cost import Cost
from sparsectl.types import Status

H = 3
LOOSE, TIGHT = 1e-5, -1e-4
WALL = {"boxes": [BoxConfig("position", -0.2, 1.5), BoxConfig("velocity", 0, 0, "terminal")]}


class Constant:
    """A policy that always does the same."""

    def __init__(self, action) -> None:
        self.action = np.atleast_1d(action)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return self.action, None


def shield(task, program, action, horizon=H, **settings):
    setup = Setup("it", task, None, program, horizon, "cpu")
    inner = PolicyController("own", task, Constant(action), program)
    settings = {"seconds": None, **settings}
    return Shield(setup, ShieldConfig({"kind": "policy"}, **settings), inner)


def of_toy(toy, action, **settings):
    return shield(toy.task, toy.program, action, toy.horizon, **settings)


def random_case(seed, action=None):
    """A random network of three ReLUs and limits that some plan keeps, save every sixth seed."""
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 2, 1, (3,), scale=1.0)
    program = algebra.add_linear(program, np.array([[0, 0, 0.4], [0, 0, -0.2]]))
    x0, normal = rng.uniform(-0.5, 0.5, 2), rng.normal(size=2)
    states = program.rollout(x0, rng.choice([-1.0, -0.5, 0.5, 1.0], (H, 1)))
    low, high = states.min(axis=0) - 0.1, states.max(axis=0) + 0.1
    end = states[-1, 0] + (0 if seed % 6 else 2)
    limits = ConstraintsConfig(
        boxes=[
            BoxConfig("observation", low.tolist(), high.tolist()),
            BoxConfig("observation[0]", end - 0.1, end + 0.1, "terminal"),
        ],
        half_spaces=[
            HalfSpaceConfig("observation", normal.tolist(), (states @ normal).max() + 0.05)
        ],
    )
    config = TaskConfig(constraints=limits, action=action or ActionConfig())
    return rng, program, Task(config, 2, np.array([-1.0]), np.array([1.0])), x0


def has_plan(program, problem, u, slack):
    """Whether some plan begins with u and keeps all limits up to a slack, by enumeration."""
    limits, H = problem.constraints, problem.horizon
    h = limits.sides(H) + slack
    if problem.inputs is not None:
        levels = problem.inputs.pieces[0][:, 0]
        plans = np.array([(u[0], *rest) for rest in itertools.product(levels, repeat=H - 1)])
        states = program.rollout(problem.x0, plans[..., None])
        return bool((states[:, 1:] @ limits.G.T <= h).all((1, 2)).any())
    x = program(np.concatenate([problem.x0, u]))
    if (limits.G @ x > h[0]).any():
        return False
    later = replace(limits, h=h[1:])
    rest = replace(problem, x0=x, horizon=H - 1, cost=Cost(()), constraints=later)
    return bool(np.isfinite(oracle.best_cost(program, rest)))


@pytest.mark.parametrize("levels", [None, np.linspace(-1, 1, 9).tolist()])
def test_actions_have_safe_plans_by_enumeration_or_the_plan_says_that_none_has(levels):
    seen = Counter()
    for seed in range(24):
        action = ActionConfig(levels=levels) if levels else None
        rng, program, task, x0 = random_case(seed, action)
        wish = task.admit(rng.choice([-1.0, 1.0], 1) * rng.uniform(0.3, 1))
        problem = task.problem(x0, H)
        plan = shield(task, program, wish).plan(x0)
        told, u = plan.info["shield"], plan.actions[0]
        seen[told["certified"], told["intervened"]] += 1
        if not told["certified"]:
            assert plan.status is Status.SOFTENED
            assert "violated" in plan.info
            tried = np.linspace(-1, 1, 9)[:, None]
            assert not any(has_plan(program, problem, v, TIGHT) for v in tried), seed
            continue
        assert plan.status is Status.HEURISTIC
        assert has_plan(program, problem, u, LOOSE), seed
        if not told["intervened"]:
            np.testing.assert_allclose(u, wish, atol=1e-6)
            continue
        away = abs(u - wish)[0]
        assert told["distance"] == pytest.approx(away)
        nearer = [wish + s * f * (away - 2e-3) for s in (-1, 1) for f in (0, 0.4, 0.8, 1)]
        if levels:
            nearer = [np.array([v]) for v in levels if abs(v - wish[0]) < away - 1e-6]
        assert not any(has_plan(program, problem, v, TIGHT) for v in nearer if abs(v) <= 1), seed
    assert seen[True, False] > 3
    assert seen[True, True] > 3
    assert sum(n for (certified, _), n in seen.items() if not certified) > 1


def test_a_safe_action_acts_and_its_own_continuation_is_the_certificate(toy_factory):
    toy = toy_factory(boxes=[BoxConfig("position", -5, 5)])
    plan = of_toy(toy, 0.1).plan(np.array([0.5, 0.0]))
    told = plan.info["shield"]
    assert (told["certified"], told["intervened"], told["by"]) == (True, False, "its own")
    assert (plan.status, plan.source) == (Status.HEURISTIC, "policy")
    np.testing.assert_array_equal(plan.actions, np.full((6, 1), 0.1))
    np.testing.assert_allclose(plan.states, toy.program.rollout(np.array([0.5, 0]), plan.actions))


def test_in_closed_loop_under_the_model_nothing_is_violated_and_all_is_certified(toy_factory):
    toy = toy_factory(**WALL)
    for action in (-1.0, 0.5):  # into either wall, at full force
        controller, state, x = of_toy(toy, action), None, np.array([1.0, 0.0])
        met = 0
        for _ in range(25):
            plan, state = controller.decide(x, state)
            assert plan.info["shield"]["certified"]
            met += plan.info["shield"]["intervened"]
            x = plan.states[1]
            assert -0.2 - 2e-6 <= x[0] <= 1.5 + 2e-6
        assert met > 3


def test_needless_is_an_intervention_that_only_the_end_asked_for(toy_factory):
    toy = toy_factory(
        boxes=[BoxConfig("position", -50, 50), BoxConfig("velocity", 0, 0.0, "terminal")]
    )
    plan = of_toy(toy, 0.5).plan(np.array([0.0, -1.5]))
    assert not plan.info["shield"]["intervened"]  # it can brake later
    told = of_toy(toy, -1.0).plan(np.array([0.0, -1.5])).info["shield"]
    assert (told["certified"], told["intervened"], told["needless"]) == (True, True, True)
    toy = toy_factory(**WALL)
    told = of_toy(toy, -1.0).plan(np.array([-0.1, 0.0])).info["shield"]
    assert (told["intervened"], told["needless"]) == (True, False)


def test_when_time_is_up_the_rest_of_the_last_certificate_acts(toy_factory):
    toy = toy_factory(**WALL)
    controller, x = of_toy(toy, -1.0), np.array([0.6, -0.6])
    first, state = controller.decide(x, None)
    assert first.info["shield"]["certified"]
    late = time.perf_counter() - 1
    plan, after = controller.decide(first.states[1], state, deadline=late)
    told = plan.info["shield"]
    if told["intervened"]:
        assert told["by"] == "last certificate"
        np.testing.assert_allclose(plan.actions[0], first.actions[1], atol=1e-6)
    assert told["certified"]  # at rest on the end, it stays there
    off = first.states[1] + np.array([-0.9, -0.5])  # where no plan is safe
    plan, after = controller.decide(off, state, deadline=late)
    told = plan.info["shield"]
    assert (told["certified"], plan.status) == (False, Status.SOFTENED)
    assert plan.info["softened"] == "no time left for a search"
    assert after.memory.certificate is state.memory.certificate


def test_a_margin_is_kept_where_it_can_be_and_given_up_before_the_limit(toy_factory):
    toy = toy_factory(boxes=[BoxConfig("position", -1, 1), BoxConfig("velocity", 0, 0, "terminal")])
    controller = of_toy(toy, 0.5, margin=0.2)
    x, state = np.array([0.0, 0.0]), None
    for _ in range(15):
        plan, state = controller.decide(x, state)
        x = plan.states[1]
        assert x[0] <= 0.8 + 1e-5
    assert x[0] > 0.7
    plan = controller.plan(np.array([0.9, 0.0]))
    assert plan.info["shield"]["certified"]
    assert plan.actions[0, 0] < 0  # back to the margin


def test_rates_count_from_what_was_applied_last(toy_factory):
    toy = toy_factory(action=ActionConfig(rate=0.3), **WALL)
    controller, x, state = of_toy(toy, -1.0), np.array([1.0, 0.0]), None
    last = None
    for _ in range(12):
        plan, state = controller.decide(x, state)
        assert plan.info["shield"]["certified"]
        u, x = plan.actions[0], plan.states[1]
        assert last is None or abs(u - last) <= 0.3 + 1e-6
        assert x[0] >= -0.2 - 2e-6
        last = u


class Planner(Controller):
    """Plans of a horizon of its own, or none."""

    takes_starts = True

    def __init__(self, toy, horizon, plans=True):
        self.name, self.task, self.horizon = "planner", toy.task, horizon
        self.toy, self.plans, self.asked = toy, plans, []

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.asked.append((problem.horizon, state))
        if not self.plans:
            return no_plan(problem, Status.FAILED, "the reason", source="planner"), None
        actions = np.full((problem.horizon, 1), -1.0)
        plan = finish(self.toy.program, problem, actions, source="planner", bound=-1.0)
        return plan, len(self.asked)


def around(toy, inner):
    return Shield(toy.setup(), ShieldConfig({"kind": "mppi"}, seconds=None), inner)


def test_a_planner_of_another_horizon_plans_its_own_and_remembers(toy_factory):
    toy = toy_factory(**WALL)
    inner = Planner(toy, 2)
    controller, x, state = around(toy, inner), np.array([1.0, 0.0]), None
    for _ in range(3):
        plan, state = controller.decide(x, state)
        assert plan.horizon == toy.horizon
        x = plan.states[1]
    assert [h for h, _ in inner.asked] == [2, 2, 2]
    assert [s.memory for _, s in inner.asked] == [None, 1, 2]
    assert inner.asked[1][1].plan.horizon == 2  # of its own


def test_a_plan_that_is_a_certificate_keeps_its_proof(toy_factory):
    toy = toy_factory(boxes=[BoxConfig("position", -50, 50)])
    plan = around(toy, Planner(toy, toy.horizon)).plan(np.array([1.0, 0.0]))
    assert (plan.bound, plan.source, plan.info["shield"]["by"]) == (-1.0, "planner", "its own")


def test_without_a_plan_of_the_controller_something_safe_acts_and_that_counts(toy_factory):
    toy = toy_factory(**WALL)
    plan = around(toy, Planner(toy, 6, plans=False)).plan(np.array([1.0, -0.6]))
    told = plan.info["shield"]
    assert (told["certified"], told["intervened"], told["distance"]) == (True, True, None)


ENTRY = {"kind": "shield", "of": {"kind": "mppi", "samples": 8}}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"kind": "shield"}, "controllers.safe: missing key 'of'"),
        ({"kind": "shield", "of": "mppi"}, "of: expected a mapping, got 'mppi'"),
        ({"kind": "shield", "of": {}}, "no `kind` of controller to shield"),
        ({"kind": "shield", "of": {"kind": "mpi"}}, "controllers.safe.of: unknown kind 'mpi' (did"),
        ({"kind": "shield", "of": {"kind": "mppi", "sample": 8}}, "unknown key 'sample' (did you"),
        ({"kind": "shield", "of": {"kind": "mppi", "horizon": 0}}, "safe.of: horizon is 0"),
        ({"kind": "shield", "of": {"kind": "mppi", "models": ["a"]}}, "name them outside"),
        ({**ENTRY, "margin": 1.0}, "margin"),
        ({**ENTRY, "mip": {"starts": ["cem"]}}, "starts from what it knows"),
        ({**ENTRY, "proposal": "a/policy"}, "kind 'shield' takes no proposal"),
    ],
)
def test_entries_that_make_no_sense_are_refused_by_name(entry, says):
    with pytest.raises(ConfigError) as error:
        check("safe", entry, 4)
    assert says in str(error.value)


def test_there_must_be_something_to_shield_and_the_inner_horizon_must_fit(toy_factory):
    toy = toy_factory()
    with pytest.raises(ConfigError, match="nothing to shield: the task has no hard constraints"):
        check_plans(toy.task, "safe", ENTRY, 6, "controllers.safe")
    with pytest.raises(ConfigError, match=r"controllers\.safe: there is nothing to shield"):
        attempt("safe", ENTRY, toy.task, toy.dynamics, toy.program, 6)
    toy = toy_factory(**WALL)
    entry = {**ENTRY, "mip": {"backend": "boxes"}}
    with pytest.raises(ConfigError, match="backend 'boxes' cannot plan here"):
        check_plans(toy.task, "safe", entry, 6, "controllers.safe")
    toy = toy_factory(action=ActionConfig(blocks=[2, 4]), **WALL)
    entry = {**ENTRY, "of": {"kind": "mppi", "horizon": 5}}
    with pytest.raises(ConfigError, match=r"of \(horizon 5\): .*blocks adds up to 6"):
        check_plans(toy.task, "safe", entry, 6, "controllers.safe")


def test_what_the_controller_inside_names_is_found():
    entry = {"kind": "shield", "of": {"kind": "two_models", "sparse": "sparse/4"}}
    assert checkpoints("safe", entry) == {"of.sparse": "sparse/4"}
    entry = {"kind": "shield", "of": {"kind": "mppi", "proposal": "swim/policy"}}
    assert checkpoints("safe", entry) == {"of.proposal": "swim/policy"}


def test_a_policy_s_folder_inside_counts_by_what_it_holds_not_by_where_it_lies(toy, tmp_path):
    setting, digests = Setting("sparsectl/PiecewiseAffine-v0", {}, TaskConfig(), 4, 3, None, 0), []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        folder = tmp_path / "run" / name
        network = PolicyNetwork(
            NetworkConfig((4,)), 2, np.array([-1.0]), np.array([0.5]), seed=seed
        )
        checkpoint.save(network, folder)
        entry = {"kind": "shield", "of": {"kind": "policy", "path": name}}
        (entry,) = locate.controllers({"safe": entry}, tmp_path / "run").values()
        assert checkpoints("safe", entry) == {"of.path": str(folder)}
        found = further_digests(setting, toy.task, "safe", entry)
        digests.append(Player(setting, "m", "m", "safe", entry, "d", found).key)
    assert digests[0] == digests[1] != digests[2]


def test_any_entry_can_be_shielded(toy_factory):
    toy = toy_factory(**WALL)
    for inner in ({"kind": "mppi", "iterations": 2, "samples": 8}, {"kind": "mip", "starts": []}):
        entry = {"kind": "shield", "seconds": None, "of": inner}
        made = build("safe", entry, toy.task, toy.dynamics, toy.program, 6, "cpu")
        plan = made.plan(np.array([1.0, 0.0]), ControllerState())
        assert plan.info["shield"]["certified"]
        assert not plan.info["shield"]["intervened"]
