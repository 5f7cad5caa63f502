"""Circuits that propose plans in a model."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from sparsectl import environment
from sparsectl.circuits import Body, Circuit, CircuitConfig, body_of
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.predict import ModulePolicy
from sparsectl.circuits.proposal import MotorProposal
from sparsectl.control import build
from sparsectl.control.wrappers.proposal import make
from sparsectl.errors import CheckpointError, ConfigError, NonFiniteError
from sparsectl.evaluate.player import further_digests
from sparsectl.program import ReluProgram
from sparsectl.task import CostConfig, ObservationConfig, Task, TaskConfig, TermConfig

LINKS = 4
STATE = {"angles": "0:3", "head": "3:5"}
TERMS = [TermConfig("head[1:2]", -0.2, dead_zone=0.1)]


@pytest.fixture(scope="module")
def env():
    made = environment.make("sparsectl/Swim-v0", {"links": LINKS})
    yield made
    made.close()


@pytest.fixture(scope="module")
def task(env):
    config = TaskConfig(ObservationConfig(STATE), CostConfig(TERMS))
    return Task(config, env.observation_space.shape[0], -np.ones(3), np.ones(3))


@pytest.fixture(scope="module")
def program():
    """A joint turns by a tenth of its torque, nothing else moves: 5 states, 3 actions."""
    C = np.hstack([np.eye(5), 0.1 * np.eye(5, 3)])
    return ReluProgram(8, sp.csr_array((0, 8)), np.zeros(0), sp.csr_array(C), np.zeros(5))


def played(circuit, task, program, observation, steps):
    """Actions of the circuit's `predict`, step by step in the model."""
    policy, state, actions, seen = ModulePolicy(circuit), None, [], observation.copy()
    x = task.map.state(observation)
    for _ in range(steps):
        action, state = policy.predict(seen, state)
        actions.append(action)
        x = program(np.concatenate([x, action.astype(float)]))
        seen[:5] = x
    return np.array(actions)


def test_a_proposal_is_what_the_circuit_does_in_the_model(env, task, program):
    circuit = Circuit(CircuitConfig(reflex=1, period=8), body_of(env))
    observation, _ = env.reset(seed=0)
    proposal, memory = MotorProposal(circuit, task, program), None
    expected = played(circuit, task, program, observation, 20)
    plan, memory = proposal.actions(observation, None, 20)
    np.testing.assert_allclose(plan, expected, atol=1e-6)
    assert memory == pytest.approx([1 / 8])


def test_step_by_step_it_is_the_circuit_in_the_environment(env, task, program):
    circuit = Circuit(CircuitConfig(), body_of(env))
    entry = {"kind": "proposal", "proposal": {"body": {"angles": "0:3", "limit": math.pi / 2}}}
    controller = build("it", entry, task, None, program, 3, "cpu")
    policy = ModulePolicy(circuit)
    observation, _ = env.reset(seed=1)
    state = memory = None
    for _ in range(100):
        action, state = controller.predict(observation, state)
        expected, memory = policy.predict(observation, memory)
        np.testing.assert_allclose(action, expected, atol=1e-6)
        observation, *_ = env.step(action.astype(np.float32))


def test_a_saved_policy_proposes_as_it_was(env, task, program, tmp_path):
    circuit = Circuit(CircuitConfig(start={"proprioception": 2.5}), body_of(env))
    checkpoint.save(circuit, tmp_path / "policy")
    observation, _ = env.reset(seed=2)
    plans = [
        p.actions(observation, None, 5)[0]
        for p in (
            make(str(tmp_path / "policy"), task, program, "here"),
            MotorProposal(circuit, task, program),
        )
    ]
    np.testing.assert_array_equal(*plans)


def test_a_model_that_blows_up_leaves_a_finite_plan(env, task):
    C = np.hstack([1e200 * np.eye(5), np.eye(5, 3)])
    wild = ReluProgram(8, sp.csr_array((0, 8)), np.zeros(0), sp.csr_array(C), np.zeros(5))
    observation, _ = env.reset(seed=3)
    with np.errstate(over="ignore", invalid="ignore"):
        plan, _ = MotorProposal(Circuit(CircuitConfig(), body_of(env)), task, wild).actions(
            observation, None, 6
        )
    assert np.isfinite(plan).all()


def test_a_policy_of_another_body_is_refused(task, program):
    circuit = Circuit(CircuitConfig(), Body(5, slice(0, 5), 1.0, None, 23))
    with pytest.raises(ConfigError, match=r"5 joints .* 23 entries, expected 3 and 15"):
        MotorProposal(circuit, task, program)


def test_a_missing_policy_is_named_with_its_place(task, program, tmp_path):
    with pytest.raises(CheckpointError, match=r"^controllers\.it\.proposal: no checkpoint"):
        make(str(tmp_path / "nothing"), task, program, "controllers.it.proposal")


def test_a_policy_that_is_not_finite_proposes_nothing(env, task, program):
    circuit = Circuit(CircuitConfig(), body_of(env))
    circuit.oscillator.data.fill_(math.nan)
    with pytest.raises(NonFiniteError):
        MotorProposal(circuit, task, program).actions(env.reset(seed=0)[0], None, 2)


def test_results_depend_on_what_the_proposing_policy_is_and_not_on_where(env, task, tmp_path):
    digests = []
    for name, weight in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        circuit = Circuit(CircuitConfig(start={"oscillator": weight}), body_of(env))
        checkpoint.save(circuit, tmp_path / name)
        entry = {"kind": "mppi", "proposal": str(tmp_path / name)}
        digests.append(further_digests(SimpleNamespace(horizon=5), task, "it", entry)["proposal"])
    assert digests[0] == digests[1] != digests[2]
    with pytest.raises(CheckpointError, match=r"^controllers\.it\.proposal: no checkpoint"):
        further_digests(
            SimpleNamespace(horizon=5),
            task,
            "it",
            {"kind": "mppi", "proposal": str(tmp_path / "d")},
        )
