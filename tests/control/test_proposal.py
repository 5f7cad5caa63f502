"""Planners that start from a proposal."""

from __future__ import annotations

from dataclasses import replace

import children
import numpy as np
import pytest

from sparsectl.control import (
    MPPI,
    ControllerState,
    Follow,
    Proposed,
    Random,
    Supervised,
    SupervisedConfig,
    Wrapper,
    build,
    checkpoints,
    no_plan,
)
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.policies import checkpoint as policies
from sparsectl.policies.network import from_arrays
from sparsectl.types import Status

X = np.array([1.0, 0.0])
LIMITED = {
    "mppi": {"samples": 8, "iterations": 1},
    "cem": {"samples": 8, "elites": 4, "iterations": 1},
    "gradient": {"starts": 4, "rounds": 1, "steps": 1},
    "mip": {"starts": [], "explore": 0, "seconds": None},
}


class Metronome:
    """Always the same action; its memory counts its steps."""

    def __init__(self, action=-0.3):
        self.action, self.calls = action, []

    def actions(self, observation, state, horizon):
        self.calls.append((0 if state is None else state, horizon))
        return np.full((horizon, 1), self.action), self.calls[-1][0] + 1


def planner(kind, toy, **changes):
    entry = {"kind": kind, **LIMITED[kind], **changes}
    return build("it", entry, toy.task, toy.dynamics, toy.program, toy.horizon, "cpu")


@pytest.mark.parametrize("kind", LIMITED)
def test_a_plan_is_never_worse_than_the_proposal(kind, toy, start):
    best = planner("mip", toy).plan(X, start).actions[:, 0]
    clever = Metronome()
    clever.actions = lambda o, s, h: (best[:h, None], None)
    plan = Proposed(planner(kind, toy), clever, toy.program).plan(X, start)
    alone = Proposed(Follow(toy.setup("alone")), clever, toy.program).plan(X, start)
    assert plan.status.has_plan
    assert plan.cost <= alone.cost + 1e-6
    assert plan.info["proposal_cost"] == pytest.approx(alone.cost)


def test_the_proposals_clock_goes_on_whatever_the_planner_does(toy, start):
    clock = Metronome()
    controller, state = Proposed(planner("mppi", toy), clock, toy.program), start
    for _ in range(3):
        _, state = controller.decide(X, state)
    assert clock.calls == [(0, 6), (1, 6), (2, 6)]


def test_a_decision_of_a_fallback_takes_the_clock_along(toy, start):
    clock = Metronome()
    controller = Proposed(planner("mppi", toy), clock, toy.program)
    plan, state = controller.decide(X, start)
    state = state.after(replace(plan, fallback="deadline"), state.memory)
    controller.plan(X, state)
    assert clock.calls == [(0, 6), (1, 1), (2, 6)]


class Failing(Wrapper):
    """Finds nothing from the third decision on."""

    def solve(self, problem, state, *, deadline=None, starts=()):
        if state.step >= 2:
            return no_plan(problem, Status.FAILED, "reason", source="failing"), None
        return self.inner.solve(problem, state, deadline=deadline, starts=starts)


def test_a_supervised_planner_goes_on_with_the_clock_after_failures(toy):
    clock, state = Metronome(), ControllerState()
    inner = Proposed(Failing(planner("mppi", toy)), clock, toy.program)
    controller = Supervised(inner, toy.program, SupervisedConfig(budget=5.0, drop_after=99))
    for _ in range(4):
        plan, state = controller.decide(X, state)
    assert plan.fallback == "failed"
    assert [c for c in clock.calls if c[1] == 6] == [(0, 6), (1, 6), (2, 6), (3, 6)]


def test_the_planners_own_memory_is_kept(toy, start):
    controller = Proposed(planner("cem", toy), Metronome(), toy.program)
    _, state = controller.decide(X, start)
    given = [np.full((toy.horizon, 1), -0.3)]
    _, elites = planner("cem", toy).solve(toy.problem(X), start, starts=given)
    np.testing.assert_array_equal(state.memory.inner, elites)


def test_without_an_observation_the_planner_is_on_its_own(toy, start):
    controller = Proposed(planner("mppi", toy), Metronome(), toy.program)
    problem = replace(toy.problem(X), observation=None)
    plan, _ = controller.solve(problem, start)
    alone, _ = planner("mppi", toy).solve(problem, start)
    np.testing.assert_array_equal(plan.actions, alone.actions)


def test_the_proposal_alone_does_what_is_proposed(toy, start):
    controller = Proposed(Follow(toy.setup()), Metronome(-5.0), toy.program)
    action, state = controller.predict(X)
    assert action == pytest.approx([-1.0])  # clipped into the box
    assert state.memory.proposal == 1


def test_a_controller_that_cannot_start_from_plans_is_refused(toy):
    inner = Random(toy.setup("dice"))
    with pytest.raises(ConfigError, match="'dice' cannot start from a proposal"):
        Proposed(inner, Metronome(), toy.program)


def test_predict_of_several_environments_keeps_their_clocks_apart(toy):
    controller = Proposed(planner("mppi", toy), Metronome(), toy.program)
    _, states = controller.predict(np.stack([X, X]))
    _, states = controller.predict(np.stack([X, X]), states, np.array([False, True]))
    assert [s.memory.proposal for s in states] == [2, 1]


def saved_policy(folder, toy, gain=-0.7):
    """u = -.7 x1 in a box wider than the task's, as a checkpoint."""
    weights = np.zeros((1, toy.task.map.observation_size))
    weights[0, 0] = gain
    network = from_arrays([(weights, np.zeros(1))], [-3.0], [3.0])
    return str(policies.save(network, folder / "policy"))


@pytest.mark.parametrize("kind", LIMITED)
def test_a_policy_network_proposes_what_it_would_do_in_the_model(kind, toy, start, tmp_path):
    controller = planner(kind, toy, proposal=saved_policy(tmp_path, toy))
    x, expected = X, []
    for _ in range(toy.horizon):
        expected.append(np.clip(-0.7 * x[:1], -1, 1))
        x = toy.program(np.concatenate([x, expected[-1]]))
    proposed, _ = controller.proposal.actions(X, None, toy.horizon)
    np.testing.assert_allclose(proposed, expected, atol=1e-12)
    plan = controller.plan(X, start)
    problem = toy.problem(X)
    cost = problem.cost(toy.program.rollout(X, proposed), proposed)
    assert plan.info["proposal_cost"] == pytest.approx(float(cost))
    assert plan.cost <= float(cost) + 1e-6


def test_a_policy_of_other_sizes_or_none_proposes_nothing(toy, tmp_path):
    wide = from_arrays([(np.zeros((2, 9)), np.zeros(2))], -np.ones(2), np.ones(2))
    path = str(policies.save(wide, tmp_path / "wide"))
    with pytest.raises(ConfigError, match=r"^controllers\.it\.proposal: the policy in .* takes"):
        planner("mppi", toy, proposal=path)
    with pytest.raises(CheckpointError, match=r"^controllers\.it\.proposal: no checkpoint"):
        planner("mppi", toy, proposal=str(tmp_path / "nothing"))


BODY = {"angles": "0:1", "limit": 1.0}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "proposal"}, "needs a `proposal`"),
        ({"kind": "zero", "proposal": "runs/swim/0/policy"}, "'zero' takes no proposal"),
        ({"kind": "relaxation", "proposal": {"body": BODY}}, "takes no proposal"),
        ({"kind": "mppi", "proposal": 3}, "proposal: got 3, expected the folder"),
        ({"kind": "mppi", "proposal": " "}, "empty text"),
        ({"kind": "mppi", "proposal": {"circuit": {}}}, "missing key 'body'"),
        ({"kind": "mppi", "proposal": {"body": {"angles": "0:1"}}}, "give `angles`"),
        ({"kind": "mppi", "proposal": {"bodi": BODY}}, "did you mean 'body'"),
        (
            {"kind": "mppi", "proposal": {"body": BODY, "circuit": {"perod": 3}}},
            "did you mean 'period'",
        ),
        ({"kind": "mppi", "proposal": {"body": BODY, "circuit": {"period": 1}}}, "at least 2"),
        ({"kind": "mppi", "proposal": {"body": {**BODY, "limit": 0.0}}}, "joint limit is 0"),
        ({"kind": "mppi", "proposal": {"body": {**BODY, "angles": "0:9"}}}, "not a range within"),
        ({"kind": "mppi", "proposal": {"body": {**BODY, "angles": "x"}}}, "angles is 'x'"),
    ],
)
def test_mistakes_in_a_config_are_named(entry, words, toy):
    with pytest.raises(ConfigError, match=r"^controllers\.it") as caught:
        build("it", entry, toy.task, toy.dynamics, toy.program, toy.horizon, "cpu")
    assert words in str(caught.value)


def test_an_entry_tells_the_policy_that_it_names():
    assert checkpoints("it", {"kind": "mppi", "proposal": "x"}) == {"proposal": "x"}
    assert checkpoints("it", {"kind": "mppi", "proposal": {"body": BODY}}) == {}


def test_no_proposal_is_none_at_all(toy):
    assert isinstance(planner("mppi", toy, proposal=None), MPPI)


def test_a_process_that_has_loaded_nothing_knows_what_proposes():
    """Such as a worker: what makes proposals stands above, and is offered by the package."""
    code = (
        "import sys; from sparsectl import control\n"
        "assert not any(m.startswith('sparsectl.circuits') for m in sys.modules)\n"
        f"entry = {{'kind': 'mppi', 'proposal': {{'body': {BODY}}}}}\n"
        "assert control.check('it', entry, 4)[0] == 'mppi'\n"
    )
    done = children.run(children.code, code)
    assert done.returncode == 0, done.stderr
