"""Circuits, bodies and observations that cannot be."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
import torch

from sparsectl import checkpoint as stored
from sparsectl.circuits import (
    Body,
    Circuit,
    CircuitConfig,
    MLPPolicy,
    MLPPolicyConfig,
    body_of,
    lesion,
)
from sparsectl.circuits.draw import drawing
from sparsectl.circuits.policy import checkpoint, vector
from sparsectl.circuits.policy.predict import ModulePolicy
from sparsectl.config import from_dict
from sparsectl.environment import make
from sparsectl.errors import CheckpointError, ConfigError, NonFiniteError, ShapeError

BODY = Body(5, slice(0, 5), 1.0, size=23)
POLICY = ModulePolicy(Circuit(CircuitConfig(), BODY))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"period": 1}, "period is 1.0 control steps, expected at least 2"),
        ({"period": float("inf")}, "period is inf"),
        ({"sharing": "module "}, "did you mean 'module'"),
        ({"reflex": -1}, "reflex is -1, expected a whole number from 0 to 32"),
        ({"reach": 0}, "reach is 0"),
        ({"turn_joints": 0}, "turn_joints is 0"),
        ({"dead_zone": 0.0}, "dead_zone is 0.0, expected a number above 0"),
        ({"brake_within": float("inf")}, "brake_within is inf"),
        ({"onset": "posteur"}, "did you mean 'posture'"),
        ({"steering": "hardcoded"}, "needs the turn inputs: set turn to true"),
        ({"perod": 60}, "unknown key 'perod'.*'period'"),
    ],
)
def test_a_circuit_that_means_nothing_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(CircuitConfig, values, "policy")


def test_a_choice_is_checked_without_a_file_too():
    with pytest.raises(ConfigError, match=r"sharing is 'modul'.*'module'"):
        CircuitConfig(sharing="modul")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": [64, 0]}, r"hidden is \[64, 0\]"),
        ({"period": 1.5}, "period is 1.5 control steps"),
        ({"gain": -1.0}, "gain is -1.0"),
    ],
)
def test_a_perceptron_that_means_nothing_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(MLPPolicyConfig, values, "policy")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, slice(0, 0), 1.0), "0 joints, expected a whole number from 1"),
        ((2.5, slice(0, 2), 1.0), "2.5 joints"),
        ((1000, slice(0, 1000), 1.0), "1000 joints.*at most 256"),
        ((5, slice(0, 4), 1.0, None, 23), "angles '0:4' has 4 entries, expected 5 for 5 joints"),
        ((5, slice(20, 25), 1.0, None, 23), "angles '20:25' is not a range within .* of 23"),
        ((5, slice(0, 10, 2), 1.0, None, 23), "is not a range"),
        ((5, slice(0, 5), 0.0), "joint limit is 0.0, expected an angle above 0"),
        ((5, slice(0, 5), -1.0), "joint limit is -1.0"),
        ((5, slice(0, 5), float("nan")), "joint limit is nan"),
        ((5, slice(0, 5), 1.0, slice(5, 8), 23), "target '5:8' has 3 entries, expected 2"),
    ],
)
def test_a_body_that_cannot_be_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        Body(*given)


class Bent(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (8,))
    action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({}, "does not tell its joints' angles and limit: give 'angles'"),
        ({"angles": "0:3"}, "does not tell its joints' limit"),
        ({"angles": "0:3", "limit": 0.0}, "joint limit is 0.0"),
        ({"angles": "0:2", "limit": 1.0}, "has 2 entries, expected 3"),
        ({"angles": "0-3", "limit": 1.0}, "angles is '0-3', expected a range such as '0:5'"),
        ({"angels": "0:3"}, "unknown key 'angels'.*'angles'"),
    ],
)
def test_an_environment_that_does_not_tell_enough_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        body_of(Bent(), overrides)


def test_environments_that_a_circuit_cannot_drive_are_refused():
    with pytest.raises(ConfigError, match=r"actions in \[-2.0, 2.0\].*RescaleAction"):
        body_of(make("Pendulum-v1"), {"angles": "0:1", "limit": 1.0})
    with pytest.raises(ConfigError, match="expected a flat Box"):
        body_of(gymnasium.make("CartPole-v1"), {"angles": "0:1", "limit": 1.0})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("proprioceptoin", "unknown lesion 'proprioceptoin'.*'proprioception'"),
        ("ipsi", "unknown lesion 'ipsi'"),
        ("modul:3", "did you mean 'module:0'"),
        ("module:5", "the body has joints 0 to 4"),
        ("proprioceptor", "the body has joints 0 to 4, e.g. 'proprioceptor:0'"),
        ("proprioceptor:-1", "the body has joints 0 to 4"),
        ("speed", "this circuit has no speed input"),
        ("onset", "this circuit has no onset input"),
        (["oscillator", "wings"], "unknown lesion 'wings'"),
    ],
)
def test_an_unknown_lesion_is_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        lesion(POLICY.module, names)


def test_a_lesion_of_a_joint_that_another_body_has_not_is_refused():
    cut = lesion(POLICY.module, "module:4")
    with pytest.raises(ConfigError, match="'module:4': the body has joints 0 to 2"):
        cut.with_joints(Body(3, slice(0, 3), 1.0))


def test_steering_without_a_target_is_refused():
    with pytest.raises(ConfigError, match="needs a target in the observation"):
        Circuit(CircuitConfig(turn=True, steering="hardcoded"), BODY)


@pytest.mark.parametrize("shape", [(22,), (3, 25), (2, 3, 23), ()])
def test_an_observation_of_another_body_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected \(23,\) or \(n, 23\) for a body of 5 joints"):
        POLICY.predict(np.zeros(shape))


def test_modules_and_populations_refuse_other_bodies_too():
    circuit = POLICY.module
    with pytest.raises(ShapeError, match=r"observation of size 15, expected 23.*with_joints"):
        circuit(torch.zeros(15, dtype=torch.float64), circuit.initial_state())
    step, state = vector.Population(circuit, torch.zeros(2, 4)), circuit.initial_state(2)
    with pytest.raises(ShapeError, match="observation of size 15"):
        step(torch.zeros(2, 15), state)
    with pytest.raises(ShapeError, match=r"expected \(P, 4\)"):
        vector.Population(circuit, torch.zeros(2, 5))
    with pytest.raises(ShapeError, match=r"2 parameter vectors .* expected \(2, ..., 23\)"):
        step(torch.zeros(3, 23), state)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_observation_is_refused_and_named(bad):
    observation = np.zeros((2, 23))
    observation[1, [3, 7]] = bad
    with pytest.raises(NonFiniteError, match=r"NaN or infinity at \[3, 7\]"):
        POLICY.predict(observation)


def test_other_things_than_arrays_are_refused():
    with pytest.raises(ShapeError, match="observation of type dict"):
        POLICY.predict({"angles": np.zeros(5)})


@pytest.mark.parametrize(
    ("state", "start", "error", "message"),
    [
        (np.zeros((3, 1)), None, ShapeError, r"policy state of shape \(3, 1\), expected \(2, 1\)"),
        (np.full((2, 1), np.nan), None, NonFiniteError, "state holds a NaN"),
        (None, np.zeros(3), ShapeError, r"episode_start of shape \(3,\)"),
    ],
)
def test_a_state_of_something_else_is_refused(state, start, error, message):
    with pytest.raises(error, match=message):
        POLICY.predict(np.zeros((2, 23)), state, start)


def test_a_vector_of_another_policy_is_refused():
    with pytest.raises(ShapeError, match=r"expected \(4,\): the policy has 4 parameters"):
        vector.load(POLICY.module, torch.zeros(30))
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        vector.load(POLICY.module, torch.full((4,), torch.nan))


def saved(tmp_path, change):
    """A checkpoint whose configuration was changed by hand, with the right checksums."""
    policy = MLPPolicy(MLPPolicyConfig(hidden=(4,)), BODY)
    folder = checkpoint.save(policy, tmp_path / "policy")
    config = json.loads((folder / "config.json").read_text())
    change(config)
    tensors = stored.load_tensors(folder).tensors
    stored.save_tensors(folder, tensors, config, {"kind": "policy"})
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["policy"].update(kind="circut"), "kind of policy 'circut'.*'circuit'"),
        (lambda c: c["policy"].update(kind="circuit", config={}), "tensor 'prop.*' is missing"),
        (lambda c: c["policy"]["config"].update(hidden=[5]), "'layers.0.weight' is float64 of"),
        (lambda c: c["policy"]["config"].update(hidden=[10**9]), "hidden is"),
        (lambda c: c["policy"]["config"].update(hidden=[90_000] * 9), "parameters"),
        (lambda c: c["policy"].update(kind="zero"), "is not part of the policy"),
        (lambda c: c.update(policy=[]), "policy: expected a mapping"),
        (lambda c: c.update(body={}), "body: expected a mapping with angles"),
        (lambda c: c["body"].update(limit=0), "the joint limit is 0"),
        (lambda c: c["body"].update(limit="1"), "the joint limit is '1'"),
        (lambda c: c["body"].update(angles="x"), "angles 'x'"),
        (lambda c: c["body"].update(target="x"), "target 'x'"),
        (lambda c: c["body"].update(joints=4), "expected 4 for 4 joints"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, message):
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(saved(tmp_path, change))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    stored.save_tensors(tmp_path / "model", {}, {}, {"kind": "dynamics"})
    with pytest.raises(CheckpointError, match="holds a 'dynamics', expected a policy"):
        checkpoint.load(tmp_path / "model")


def test_a_figure_of_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"'circuit.jpg'.*did you mean '.png'|known"):
        drawing.save(drawing.draw(POLICY.module), tmp_path / "circuit.jpg")
