"""The circuit against its equations, and what holds for every circuit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.circuits import Body, Circuit, CircuitConfig
from sparsectl.circuits.policy import vector

BODY = Body(5, slice(0, 5), 1.0472, target=slice(5, 7), size=23)
RICH = CircuitConfig(
    learn_period=True,
    reach=3,
    speed=True,
    turn=True,
    turn_joints=2,
    steering="learned",
)
CONFIGS = [
    CircuitConfig(sharing=sharing, signed=signed, init=init, reach=reach)
    for sharing, signed, init, reach in product(
        ("shared", "module"), (True, False), ("constant", "uniform"), (1, 2)
    )
] + [replace(RICH, reflex=2, crossed=True), CircuitConfig(reflex=2, sharing="module")]
CONFIGS += [
    RICH,
    replace(RICH, sharing="module"),
    replace(RICH, steering="hardcoded"),
]


def transcribed(circuit, angles, step, speed=1.0, right=0.0, left=0.0):
    """The equations of a square-wave circuit with shared weights, in numpy."""
    c, g, joints = circuit.config, lambda x: np.clip(x, 0, 1), len(angles)
    p = circuit.proprioception.tolist()
    r = circuit.reflex.tolist() if c.reflex else []
    o, i, k = (
        float(getattr(circuit, n).detach()[0])
        for n in ("oscillator", "ipsilateral", "contralateral")
    )
    q = np.clip(angles / circuit.body.limit, -1, 1)
    dorsal, ventral = np.maximum(q, 0), np.maximum(-q, 0)
    if c.crossed:
        dorsal, ventral = dorsal - ventral, ventral - dorsal
    wave = (1, 0) if step % c.period < c.period / 2 else (0, 1)
    b = np.zeros((2, joints))
    for side, sensed, turned in ((0, dorsal, right), (1, ventral, left)):
        for j in range(joints):
            drive = sum(p[n] * sensed[j - 1 - n] for n in range(c.reach) if j > n)
            drive += sum(r[n] * sensed[j + n] for n in range(c.reflex) if j + n < joints)
            drive += o * wave[side] if j == 0 else 0.0
            drive += -(1 - speed) if c.speed else 0.0
            drive += turned if c.turn and j < c.turn_joints else 0.0
            b[side, j] = g(drive)
    return g(i * b[0] + k * b[1]) - g(i * b[1] + k * b[0])


def some(circuit, seed=0, scale=0.5):
    """The circuit with random parameters."""
    draw = np.random.default_rng(seed)
    moved = vector.flatten(circuit) + torch.from_numpy(scale * draw.normal(size=circuit.count))
    vector.load(circuit, moved)
    return circuit


def observations(seed, *batch):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(*batch, 23)))


@pytest.mark.parametrize("reach", [(1.3,), (0.7, 0.4), (0.6, 0.3, 0.2, 0.1, 0.9, 0.8)])
def test_actions_are_those_of_the_equations(reach):
    circuit = Circuit(CircuitConfig(reach=len(reach)), BODY)
    with torch.no_grad():
        vector.load(circuit, torch.tensor([*reach, 0.6, 1.2, -0.8], dtype=torch.float64))
        state = circuit.initial_state()
        for step, observation in enumerate(observations(0, 200)):
            action, state = circuit(observation, state)
            expected = transcribed(circuit, observation[:5].numpy(), step)
            np.testing.assert_allclose(action, expected, atol=1e-12)


@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("reflex", [(-0.7,), (-0.9, -0.3), (-0.6, -0.5, -0.4, -0.3, -0.2, -0.1)])
def test_the_stretch_reflex_and_crossed_stretch_are_those_of_the_equations(reflex, crossed):
    circuit = Circuit(CircuitConfig(reflex=len(reflex), crossed=crossed), BODY)
    values = torch.tensor([1.4, *reflex, 0.6, 1.2, -0.8], dtype=torch.float64)
    with torch.no_grad():
        vector.load(circuit, values)
        for observation in observations(0, 100):
            action, _ = circuit(observation, circuit.initial_state())
            expected = transcribed(circuit, observation[:5].numpy(), 0)
            np.testing.assert_allclose(action, expected, atol=1e-12)


def test_initial_weights_can_be_given():
    start = {"proprioception": 2.0, "reflex": -0.5}
    config = CircuitConfig(reflex=2, crossed=True, start=start)
    circuit = Circuit(config, BODY)
    assert vector.flatten(circuit).tolist() == [2.0, -0.5, 0.0, 1.0, 1.0, -1.0]
    assert np.allclose(circuit.weights()["reflex"][0], -0.5)


def test_speed_and_turn_inputs_are_those_of_the_equations():
    circuit = Circuit(CircuitConfig(speed=True, turn=True, turn_joints=2), BODY)
    draw = np.random.default_rng(1)
    for observation in observations(1, 50):
        speed, right, left = draw.uniform(size=3)
        command = torch.tensor([speed, right, left], dtype=torch.float64)
        action, _ = circuit(observation, circuit.initial_state(), command)
        expected = transcribed(circuit, observation[:5].numpy(), 0, speed, right, left)
        np.testing.assert_allclose(action.detach(), expected, atol=1e-12)


@pytest.mark.parametrize("period", [2, 3, 60, 61])
def test_a_half_cycle_ends_on_the_same_step_in_every_cycle(period):
    circuit = Circuit(CircuitConfig(period=period), BODY)
    circuit.requires_grad_(False)
    rest, state, heads = torch.zeros(23, dtype=torch.float64), circuit.initial_state(), []
    for _ in range(20 * period):
        action, state = circuit(rest, state)
        assert 0 <= float(state) < 1
        heads.append(float(action[0]))
    cycle = [1.0] * -(-period // 2) + [-1.0] * (period // 2)
    assert heads == cycle * 20


@pytest.mark.parametrize("links", [4, 6, 14])
def test_counts_of_parameters_are_those_of_the_paper(links):
    joints = links - 1
    body = Body(joints, slice(0, joints), 1.0, size=4 * links - 1)
    assert Circuit(CircuitConfig(), body).count == 4
    assert Circuit(CircuitConfig(sharing="module"), body).count == 6 * joints


def test_initial_weights():
    paper = Circuit(CircuitConfig(sharing="module"), BODY).weights()
    assert (paper["proprioception"][0, :, 1:] == 1).all()
    assert (paper["proprioception"][0, :, 0] == 0).all()
    assert (paper["oscillator"][0] == [[1, 0, 0, 0, 0]] * 2).all()
    assert (paper["ipsilateral"] == 1).all()
    assert (paper["contralateral"] == -1).all()
    random = Circuit(CircuitConfig(sharing="module", init="uniform"), BODY)
    assert ((random.ipsilateral >= 0) & (random.ipsilateral <= 1)).all()
    assert ((random.contralateral <= 0) & (random.contralateral >= -1)).all()
    assert random.ipsilateral.detach().unique().numel() == 10
    unsigned = Circuit(CircuitConfig(sharing="module", signed=False), BODY)
    assert set(vector.flatten(unsigned).tolist()) == {-1.0, 1.0}
    wide = Circuit(CircuitConfig(reach=3), BODY)
    assert wide.proprioception.tolist() == [1, 0, 0]


def test_random_initial_weights_follow_the_seed():
    def drawn(seed):
        return vector.flatten(Circuit(CircuitConfig(init="uniform", seed=seed), BODY)).tolist()

    assert drawn(3) == drawn(3) != drawn(4)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONFIGS), st.integers(0, 10**6), st.floats(0, 20), st.floats(0, 0.999))
def test_actions_and_phases_stay_in_their_ranges(config, seed, scale, phase):
    circuit = some(Circuit(config, BODY), seed, scale)
    state = torch.full((4, 1), phase, dtype=torch.float64)
    action, after = circuit(10 * observations(seed, 4), state)
    assert action.shape == (4, 5)
    assert (action.abs() <= 1).all()
    assert ((after >= 0) & (after < 1)).all()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONFIGS), st.integers(0, 10**6), st.floats(0, 100))
def test_signs_hold_whatever_the_parameters_are(config, seed, scale):
    circuit = some(Circuit(config, BODY), seed, scale)
    weights = circuit.weights()
    assert circuit.steps_per_cycle() >= 2
    if config.signed:
        for name in {"proprioception", "oscillator", "ipsilateral", "turn"} & weights.keys():
            assert (weights[name] >= 0).all()
        for name in {"contralateral", "speed"} & weights.keys():
            assert (weights[name] <= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([c for c in CONFIGS if c.sharing != "module"]), st.integers(0, 10**6))
def test_dorsal_and_ventral_are_mirror_images(config, seed):
    """Mirrored angles and target, half a cycle later: mirrored actions."""
    config = replace(config, steering="none" if config.steering == "learned" else config.steering)
    circuit = some(Circuit(config, BODY), seed)
    seen = observations(seed, 8)
    mirrored = seen.clone()
    mirrored[:, :6] *= -1  # angles, and the side the target is on
    phase = torch.from_numpy(np.random.default_rng(seed).uniform(size=(8, 1)))
    action, _ = circuit(seen, phase)
    other, _ = circuit(mirrored, (phase + 0.5).frac())
    np.testing.assert_allclose(other.detach(), -action.detach(), atol=1e-9)


def test_a_weight_beyond_zero_has_no_gradient():
    circuit = Circuit(CircuitConfig(), BODY)
    values = torch.tensor([0.4, 0.4, 0.4, 0.1], dtype=torch.float64)
    vector.load(circuit, values)
    action, _ = circuit(0.3 * observations(0, 64), circuit.initial_state(64))
    action.pow(2).sum().backward()
    assert float(circuit.contralateral.grad) == 0
    assert float(circuit.proprioception.grad) != 0
    free = Circuit(CircuitConfig(signed=False), BODY)
    vector.load(free, values)
    action, _ = free(0.3 * observations(0, 64), free.initial_state(64))
    action.pow(2).sum().backward()
    assert float(free.contralateral.grad) != 0


def test_the_period_is_learned_as_a_factor_that_keeps_it_at_two_steps_or_more():
    circuit = Circuit(CircuitConfig(learn_period=True, period=60), BODY)
    assert circuit.steps_per_cycle() == pytest.approx(60)
    with torch.no_grad():
        circuit.period.fill_(np.log(0.5))
    assert circuit.steps_per_cycle() == pytest.approx(30)
    with torch.no_grad():
        circuit.period.fill_(-50)
    assert circuit.steps_per_cycle() == pytest.approx(2)


def test_reach_is_the_distance_towards_the_head_that_is_felt():
    circuit = Circuit(CircuitConfig(reach=3), BODY)
    with torch.no_grad():
        circuit.proprioception.copy_(torch.tensor([0.1, 0.2, 0.4]))
        circuit.oscillator.zero_()
    bent = torch.zeros(23, dtype=torch.float64)
    bent[1] = BODY.limit
    action, _ = circuit(bent, circuit.initial_state())
    np.testing.assert_allclose(action.detach(), [0, 0, 0.1, 0.2, 0.4])


@pytest.mark.parametrize("crossed", [True, False])
def test_an_onset_by_posture_begins_on_the_side_that_the_body_is_not_bent_to(crossed):
    config = CircuitConfig(reflex=1, crossed=crossed)
    plain, waiting = Circuit(config, BODY), Circuit(replace(config, onset="posture"), BODY)
    assert waiting.count == plain.count
    seen = observations(5, 60)
    bent = (seen[:, :5] / BODY.limit).clamp(-1, 1).sum(-1, keepdim=True)
    assert (bent > 0).any()
    assert (bent < 0).any()
    with torch.no_grad():
        action, state = waiting(seen, waiting.initial_state(60))
        expected, after = plain(seen, 0.5 * (bent > 0).double())
        assert torch.equal(action, expected)
        assert torch.equal(state, after)
        # Later postures do not matter.
        action, state = waiting(-seen, state)
        expected, after = plain(-seen, after)
        assert torch.equal(action, expected)
        assert torch.equal(state, after)
        still = torch.zeros(23, dtype=torch.float64)
        assert float(waiting(still, waiting.initial_state())[1]) == pytest.approx(1 / 60)


def test_an_onset_by_posture_is_mirrored_with_the_body():
    circuit = some(Circuit(CircuitConfig(reflex=1, crossed=True, onset="posture"), BODY))
    seen = observations(6, 40)
    with torch.no_grad():
        left, right = (circuit(x, circuit.initial_state(40))[0] for x in (seen, -seen))
    np.testing.assert_allclose(left, -right, atol=1e-12)


@pytest.mark.parametrize("kind", ["hardcoded", "learned"])
def test_steering_scales_with_the_body(kind):
    small = CircuitConfig(speed=True, turn=True, steering=kind)
    large = replace(small, dead_zone=1.0, brake_within=1.2)
    seen = observations(7, 200)
    far = seen.clone()
    far[:, 5:7] *= 10
    state = torch.zeros(200, 1, dtype=torch.float64)
    one, other = Circuit(small, BODY)(seen, state)[0], Circuit(large, BODY)(far, state)[0]
    np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-12)


@pytest.mark.parametrize(
    ("target", "speed", "right", "left"),
    [
        ((-0.2, -1.0), 1.0, 1.0, 0.0),
        ((0.2, -1.0), 1.0, 0.0, 1.0),
        ((0.05, -1.0), 1.0, 0.0, 0.0),
        ((0.3, 0.1), 0.0, 0.0, 1.0),
    ],
)
def test_hardcoded_steering_turns_to_the_target_and_brakes(target, speed, right, left):
    steered = Circuit(CircuitConfig(speed=True, turn=True, steering="hardcoded"), BODY)
    plain = Circuit(CircuitConfig(speed=True, turn=True), BODY)
    seen = observations(3)
    seen[5:7] = torch.tensor(target)
    command = torch.tensor([speed, right, left], dtype=torch.float64)
    for phase in (0.0, 0.6):
        state = torch.tensor([phase], dtype=torch.float64)
        np.testing.assert_array_equal(
            steered(seen, state)[0].detach(), plain(seen, state, command)[0].detach()
        )


def test_learned_steering_starts_by_turning_to_the_target():
    config = CircuitConfig(speed=True, turn=True, steering="learned")
    learned, plain = Circuit(config, BODY), Circuit(replace(config, steering="none"), BODY)
    assert learned.count == plain.count + 9
    seen = observations(3)
    seen[5:7] = torch.tensor([-0.04, 0.3])
    command = torch.tensor([1.0, 0.4, 0.0], dtype=torch.float64)
    state = learned.initial_state()
    np.testing.assert_allclose(
        learned(seen, state)[0].detach(), plain(seen, state, command)[0].detach(), atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_contralateral_synapses_matter_only_where_both_sides_are_driven_at_once(seed):
    """With one input to each neuron they never are: the plain circuit has 3 parameters that act."""
    for reach, differs in ((1, False), (2, True)):
        circuit = Circuit(CircuitConfig(sharing="module", reach=reach), BODY)
        with torch.no_grad():
            circuit.proprioception.fill_(1.0)
            action, _ = circuit(observations(seed, 64), circuit.initial_state(64))
            circuit.contralateral.fill_(-0.2)
            other, _ = circuit(observations(seed, 64), circuit.initial_state(64))
        assert torch.equal(action, other) is not differs
