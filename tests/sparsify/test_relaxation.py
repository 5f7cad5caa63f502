"""What relaxed ReLUs add to reachable states, as a term of fine-tuning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toys
from scipy.sparse import csr_array
from toys import PUSHER_MAP as MAP

from sparsectl import dynamics
from sparsectl.dynamics import GraphConfig, MLPConfig, StructureConfig, TrainConfig
from sparsectl.dynamics.fit import Batches, trajectories
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, set_kinds
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError
from sparsectl.program.bounds import Box, propagate
from sparsectl.sparsify import SparsifyConfig, sparsify
from sparsectl.sparsify.channels import with_channels
from sparsectl.sparsify.relaxation import compact, radii, relaxation_gap
from sparsectl.sparsify.resume import made_with
from sparsectl.task import ObservationConfig, StateMap

TRAIN = TrainConfig(steps=60, batch_size=64, rollout_steps=3, check_every=30)
STRUCTURE = StructureConfig({"point": "hand"}, {"hand": 0.1})


@pytest.fixture(scope="module")
def mixed(episodes):
    """A trained network with channels, ReLUs, identities and zeros in both hidden layers."""
    model = dynamics.build(MLPConfig((8, 8), structure=STRUCTURE, skip=True), MAP.names, 4, 2)
    wide = with_channels(dynamics.train(model, episodes, MAP, TRAIN, progress=False).dynamics)
    kinds = [kind.clone() for kind in wide.kinds]
    for kind in kinds:
        kind[1], kind[4] = ZERO, IDENTITY
    set_kinds(wide, kinds)
    return wide


def gap(model, batches, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return float(relaxation_gap(model, batches.training, torch.arange(8) * 50, generator))


def test_it_reads_the_program_that_planners_get(mixed):
    levels, output, offset = compact(mixed)
    program = lower(mixed)
    assert len(levels) == len(program.levels)
    for (weight, bias), level in zip(levels, program.levels, strict=True):
        assert np.allclose(weight.numpy(), csr_array(level.A).toarray(), atol=1e-4)
        assert np.allclose(bias.numpy(), level.b, atol=1e-5)
    assert np.allclose(output.numpy(), csr_array(program.output).toarray(), atol=1e-5)
    assert np.allclose(offset.numpy(), program.d, atol=1e-5)


def test_radii_hold_what_can_be_reached_about_as_tightly_as_the_planners_bounds(mixed, episodes):
    x = torch.as_tensor(episodes.observations[0][5], dtype=torch.float32)[None]
    center, radius = torch.full((1, 3, 2), 0.2), torch.full((1, 3, 2), 0.5)
    by_actions, by_neurons = radii(mixed, x, center, radius)
    actions = center + radius * (2 * torch.rand(4000, 3, 2) - 1)
    reached = mixed.rollout(x.expand(4000, 4), actions)[:, 1:]
    width = 2 * (by_actions + by_neurons)[0]
    assert (reached.amax(0) - reached.amin(0) <= width + 1e-6).all()
    low, high = ((center + sign * radius)[0, 0].numpy() for sign in (-1, 1))
    start, free = x[0].numpy(), np.full(4, np.inf)
    bounds = propagate(lower(mixed), Box(start, start, low, high, -free, free), 3)
    ratio = width.numpy().sum() / (bounds.x_high - bounds.x_low)[1:].sum()
    assert 0.7 < ratio < 1.4


def test_one_neuron_by_hand():
    model = dynamics.build(MLPConfig((1,)), {"x": slice(0, 1)}, 1, 1)
    with torch.no_grad():
        for layer, weight in zip(model.linears, ([[0.0, 1.0]], [[1.0]]), strict=True):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.zero_()
    boxes = torch.tensor([[[1.0]], [[-0.5]], [[9.0]]]), torch.tensor([[[3.0]], [[0.5]], [[2.0]]])
    by_actions, by_neurons = radii(model, torch.zeros(3, 1), *boxes)
    # of -2 < z < 4 the line is 2/3 z and the gap 4/3, half of it up and half down; off; on
    assert torch.allclose(by_actions.flatten(), torch.tensor([2.0, 0.0, 2.0]))
    assert torch.allclose(by_neurons.flatten(), torch.tensor([2 / 3, 0.0, 0.0]))


def test_scaling_a_neuron_changes_nothing_and_without_relus_nothing_is_lost(mixed, episodes):
    batches = Batches.of(trajectories(episodes, MAP, TRAIN), TRAIN)
    before = gap(mixed, batches)
    first, second, *_ = mixed.linears
    with torch.no_grad():
        first.weight[0] *= 5.0
        first.bias[0] *= 5.0
        second.weight[:, 0] /= 5.0
    assert gap(mixed, batches) == pytest.approx(before, rel=1e-4)
    assert before > 0
    kinds = [kind.clone() for kind in mixed.kinds]
    set_kinds(mixed, [torch.where(kind == RELU, IDENTITY, kind) for kind in kinds])
    assert gap(mixed, batches) == 0
    set_kinds(mixed, kinds)


def test_fine_tuning_with_the_penalty_leaves_less_to_split_on_the_same_relus():
    curved = toys.simulate(lambda x, u: x + 0.5 * np.sin(3 * u + x), [12] * 40, 1, 1)
    state_map = StateMap(ObservationConfig({"x": "0"}), 1)
    start = dynamics.build(MLPConfig((8,)), state_map.names, 1, 1)
    given = dynamics.train(start, curved, state_map, TRAIN, progress=False).dynamics
    batches, found = Batches.of(trajectories(curved, state_map, TRAIN), TRAIN), {}
    for weight in (0.0, 0.3):
        config = SparsifyConfig(
            (6,), (), removal_steps=10, finetune_steps=100, relaxation_penalty=weight
        )
        models = []
        family = sparsify(
            given, curved, state_map, config, TRAIN, progress=False,
            measure=lambda m, models=models: models.append(m) or {},
        )  # fmt: skip
        lost = np.mean([gap(models[0], batches, seed) for seed in range(10)])
        found[weight] = lost, family.members[0].by_layer
    assert 0 < found[0.3][0] < 0.7 * found[0.0][0]
    assert found[0.3][1] == found[0.0][1]


def test_families_from_before_the_penalty_go_on(mixed, episodes):
    data = trajectories(episodes, MAP, TRAIN)[0]
    plain, other = (
        made_with(mixed, SparsifyConfig(relaxation_penalty=w), TRAIN, data)["sparsify"]
        for w in (0.0, 0.1)
    )
    assert other.keys() - plain.keys() == {"relaxation_penalty"}


def test_graph_networks_are_refused(episodes):
    graph = dynamics.build(GraphConfig(edge=(4,), node=(4,)), MAP.names, 4, 2)
    with pytest.raises(ConfigError, match="relaxation_penalty: only for MLP"):
        sparsify(graph, episodes, MAP, SparsifyConfig(relaxation_penalty=0.1), TRAIN)
