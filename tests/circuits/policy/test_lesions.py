"""Each part can be cut out, and nothing else goes with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.circuits import Body, Circuit, CircuitConfig, lesion
from sparsectl.circuits.policy import vector

BODY = Body(5, slice(0, 5), 1.0, size=23)


def seen(n=40):
    return torch.from_numpy(np.random.default_rng(0).normal(scale=0.7, size=(n, 23)))


def actions(circuit, observations=None):
    observations = seen() if observations is None else observations
    with torch.no_grad():
        return circuit(observations, circuit.initial_state(len(observations)))[0].numpy()


@pytest.fixture
def circuit():
    made = Circuit(CircuitConfig(sharing="module", reach=2), BODY)
    noise = np.random.default_rng(1).normal(scale=0.2, size=made.count)
    vector.load(made, vector.flatten(made) + torch.from_numpy(noise))
    return made


@pytest.mark.parametrize("kind", ["proprioception", "oscillator", "ipsilateral", "contralateral"])
def test_a_cut_kind_of_synapse_is_one_with_zero_weights(circuit, kind):
    zeroed = Circuit(circuit.config, BODY)
    zeroed.load_state_dict(circuit.state_dict())
    with torch.no_grad():
        getattr(zeroed, kind).zero_()
    cut = lesion(circuit, kind)
    np.testing.assert_array_equal(actions(cut), actions(zeroed))
    assert not np.array_equal(actions(cut), actions(circuit))
    assert (cut.weights()[kind] == 0).all()


def test_without_its_onset_a_circuit_begins_on_the_dorsal_side():
    posture = Circuit(CircuitConfig(onset="posture"), BODY)
    plain, cut = Circuit(CircuitConfig(), BODY), lesion(posture, "onset")
    np.testing.assert_array_equal(actions(cut), actions(plain))
    assert not np.array_equal(actions(posture), actions(plain))


def test_a_cut_sensor_reads_zero(circuit):
    blind = seen()
    blind[:, 2] = 0
    expected = actions(circuit, blind)
    np.testing.assert_array_equal(actions(lesion(circuit, "proprioceptor:2")), expected)
    assert not np.array_equal(expected, actions(circuit))


def test_a_cut_module_does_not_act_and_the_others_do_as_before(circuit):
    before, after = actions(circuit), actions(lesion(circuit, "module:3"))
    np.testing.assert_array_equal(after[:, 3], 0)
    np.testing.assert_array_equal(np.delete(after, 3, 1), np.delete(before, 3, 1))
    assert before[:, 3].any()


def test_a_lesion_is_a_copy_and_lesions_add_up(circuit):
    once = lesion(circuit, "proprioceptor:0")
    twice = lesion(once, ["proprioceptor:0", "module:1"])
    assert circuit.lesions == ()
    assert twice.lesions == ("proprioceptor:0", "module:1")
    with torch.no_grad():
        twice.ipsilateral.zero_()
    assert circuit.ipsilateral.any()


def test_lesions_hold_for_populations(circuit):
    cut = lesion(circuit, ["proprioceptor:2", "oscillator", "module:4"])
    vectors = vector.flatten(cut).expand(40, -1)
    action, _ = vector.Population(cut, vectors)(seen(), cut.initial_state(40))
    np.testing.assert_allclose(action, actions(cut), atol=1e-12)


def test_without_any_input_nothing_moves(circuit):
    cut = lesion(circuit, ["proprioception", "oscillator"])
    np.testing.assert_array_equal(actions(cut), 0)
