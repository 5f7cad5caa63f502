"""The graph network: symmetries, training, checkpoints."""

from __future__ import annotations

import dataclasses

import numpy as np
import pushed_points as pushed
import pytest
import torch

from sparsectl.config import from_dict, to_dict
from sparsectl.dynamics import (
    GraphConfig,
    GraphDynamics,
    TrainConfig,
    Trajectories,
    build,
    evaluate_model,
    load,
    save,
    start_from,
    train,
)
from sparsectl.dynamics.kinds import IDENTITY, RELU, count_relus, set_kinds
from sparsectl.dynamics.normalise import widen
from sparsectl.errors import CheckpointError
from sparsectl.experiment import Experiment
from sparsectl.task import ObservationConfig, StateMap

NAMES = {"red": slice(0, 4), "blue": slice(4, 8)}
SMALL = GraphConfig(radius=0.6, edge=(7, 5), message=4, node=(6, 5), origin=0, gain=0.3)


def random_model(config: GraphConfig = SMALL, names=NAMES, seed: int = 0) -> GraphDynamics:
    nx = max(part.stop for part in names.values())
    model = build(config, names, nx, 4, seed=seed)
    assert isinstance(model, GraphDynamics)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.double().state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator).double()
            tensor.copy_(noise.abs() + 0.3 if name.endswith("std") else noise)
    return model


def test_exchanging_objects_exchanges_predictions():
    model = random_model()
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-0.5, 0.5, (30, 4, 2)), torch.from_numpy(rng.uniform(-1, 1, (30, 3, 4)))
    order = [2, 0, 3, 1]
    here = model.rollout(torch.from_numpy(x.reshape(30, 8)), u)
    there = model.rollout(torch.from_numpy(x[:, order].reshape(30, 8)), u)
    torch.testing.assert_close(here.reshape(30, 4, 4, 2)[:, :, order].reshape(30, 4, 8), there)


@pytest.mark.parametrize("origin", [None, 0, 2])
def test_without_absolute_places_moving_everything_changes_nothing(origin):
    config = GraphConfig(
        radius=0.6, edge=(5,), message=3, node=(6,), origin=origin, gain=0.3, absolute=False
    )
    model = random_model(config)
    rng = np.random.default_rng(1)
    x, u = torch.from_numpy(rng.uniform(-0.5, 0.5, (20, 8))), torch.zeros(20, 4).double()
    shift = torch.tensor([0.2, -0.1]).double()
    moved = u.clone()
    if origin is not None:
        moved[:, origin : origin + 2] = shift / 0.3
    torch.testing.assert_close(model(x + shift.repeat(4), moved), model(x, u) + shift.repeat(4))


def test_far_objects_do_not_act_on_each_other_and_near_ones_do():
    model = random_model()
    x = torch.tensor([0.0, 0.0, 0.5, 0.0, 5.0, 5.0, -5.0, 5.0]).double()
    u = torch.tensor([0.1, 0.2, 0.3, -0.4]).double()
    near, far = x.clone(), x.clone()
    near[2], far[4] = 0.4, 4.0
    assert (model(x, u) - model(near, u))[:2].abs().max() > 1e-6
    torch.testing.assert_close(model(far, u)[:4], model(x, u)[:4], rtol=0, atol=0)


def test_weights_do_not_depend_on_the_number_of_objects():
    four, two = random_model(), random_model(names={"red": slice(0, 4)}, seed=5)
    two.load_state_dict(four.state_dict())
    x, u = torch.tensor([0.0, 0.1, 0.3, 0.0]).double(), torch.ones(4).double()
    far = torch.tensor([9.0, 9.0, -9.0, 9.0]).double()
    torch.testing.assert_close(four(torch.cat([x, far]), u)[:4], two(x, u))


@pytest.mark.parametrize(("symmetry", "count"), [("none", 1), ("mirror", 4), ("square", 8)])
def test_mirror_images_obey_the_same_law(symmetry, count):
    """The simulator has the symmetries of a square, so its mirrored data must be its own."""
    episodes = pushed.strokes(3, 4, 3)
    data = Trajectories(episodes.observations, episodes.actions)
    config = GraphConfig(origin=0, gain=pushed.GAIN, symmetry=symmetry)
    more = GraphDynamics(config, {"o": slice(0, 6)}, 6, 4).augmented(data)
    assert len(more.states) == 3 * count
    assert len({s.tobytes() for s in more.states}) == 3 * count
    for states, actions in zip(more.states, more.actions, strict=True):
        for x, u, y in zip(states[:-1], actions, states[1:], strict=True):
            np.testing.assert_allclose(pushed.step(x, u), y, atol=1e-12)


def test_training_learns_who_is_pushed(tmp_path):
    episodes, test = pushed.strokes(400, 8, 4), pushed.strokes(40, 8, 4, seed=1)
    state_map = StateMap(ObservationConfig({"o": "0:8"}), 8)
    config = GraphConfig(
        radius=0.12, edge=(24,), message=8, node=(32, 16), origin=0, gain=pushed.GAIN,
        symmetry="mirror",
    )  # fmt: skip
    model = build(config, state_map.names, 8, 4, seed=0)
    settings = TrainConfig(
        steps=500, batch_size=128, rollout_steps=1, check_every=250, device="cpu"
    )
    result = train(model, episodes, state_map, settings, run_dir=tmp_path)
    assert isinstance(model, GraphDynamics)
    furthest = max(
        float(np.linalg.norm(np.diff(o.reshape(9, 4, 2), axis=0), axis=-1).max())
        for o in episodes.observations
    )
    assert 0.5 * furthest <= float(model.reach[0]) <= furthest + 1e-6
    row = evaluate_model(result.dynamics, test, state_map, (1,), training=episodes).row("points", 1)
    assert row.metric == "distance"
    assert row.linear is not None
    assert row.model < 0.6 * min(row.no_motion, row.linear)
    again = train(
        build(config, state_map.names, 8, 4), episodes, state_map, settings, run_dir=tmp_path
    )
    assert again.already_done


def test_more_data_widen_the_reach_and_leave_the_statistics():
    episodes = pushed.strokes(4, 6, 3)
    data = Trajectories(episodes.observations, episodes.actions)
    model = GraphDynamics(GraphConfig(), {"o": slice(0, 6)}, 6, 4)
    model.fit_normalizer(data)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    widen(model, Trajectories([s * 0 for s in data.states], data.actions))
    assert float(model.reach[0]) == float(before["reach"][0])
    widen(model, Trajectories([2 * s for s in data.states], data.actions))
    assert float(model.reach[0]) == pytest.approx(2 * float(before.pop("reach")[0]))
    assert all(torch.equal(model.state_dict()[k], before[k]) for k in before)


def test_a_loaded_model_is_the_saved_one(tmp_path):
    model = random_model().float()
    save(model, tmp_path / "m", {"env_id": "E-v0"})
    back, meta = load(tmp_path / "m")
    x, u = torch.randn(4, 8), torch.randn(4, 3, 4)
    assert torch.equal(back.rollout(x, u), model.rollout(x, u))
    assert (back.config, back.names, back.nx, back.nu) == (SMALL, NAMES, 8, 4)
    assert meta["env_id"] == "E-v0"


def test_kinds_and_gates_are_shared_by_pairs_and_by_objects():
    model, rng = random_model(), np.random.default_rng(0)
    x, u = torch.from_numpy(rng.uniform(-0.4, 0.4, (9, 8))), torch.randn(9, 4).double()
    assert count_relus(model) == sum(SMALL.hidden)
    kinds = [torch.from_numpy(rng.integers(0, 3, n)) for n in SMALL.hidden]
    gates = [((k == RELU).double(), (k == IDENTITY).double()) for k in kinds]
    for pair in gates:
        for gate in pair:
            gate.requires_grad_(True)
    dense = model(x, u)
    model.gates = [lambda z, g=g, i=i: g * z.relu() + i * z for g, i in gates]
    gated = model(x, u)
    gated.square().mean().backward()
    assert all(gate.grad is not None and gate.grad.abs().sum() > 0 for p in gates for gate in p)
    model.gates = None
    set_kinds(model, kinds)
    torch.testing.assert_close(gated, model(x, u))
    assert not torch.allclose(dense, gated)
    widths = [model.outgoing(i)[0].in_features for i in range(len(SMALL.hidden))]
    assert tuple(widths) == SMALL.hidden


def test_a_network_of_identities_is_affine_where_the_graph_stays():
    model = random_model()
    set_kinds(model, [torch.full((n,), IDENTITY) for n in SMALL.hidden])
    x = torch.tensor([0.0, 0.0, 0.1, 0.0, 0.1, 0.1, 0.0, 0.1]).double()
    step, u = 0.01 * torch.randn(8).double(), torch.randn(4).double()
    middle = (model(x + step, u) + model(x - step, u)) / 2
    torch.testing.assert_close(middle, model(x, u))


def test_the_model_section_of_a_config_says_its_kind():
    base = {"name": "n", "env": {"id": "E-v0"}}
    plain = from_dict(Experiment, {**base, "model": {"hidden": [8]}})
    named = from_dict(Experiment, {**base, "model": {"kind": "mlp", "hidden": [8]}})
    assert plain == named
    graph = from_dict(Experiment, {**base, "model": {"kind": "graph", "radius": 0.2}})
    assert graph.model == GraphConfig(radius=0.2)
    assert from_dict(Experiment, to_dict(graph)) == graph


def test_a_model_may_start_from_one_of_another_number_of_objects(tmp_path):
    four, two = random_model(), random_model(names={"red": slice(0, 4)}, seed=5)
    save(four, tmp_path / "four")
    start_from(two, tmp_path / "four")
    assert all(torch.allclose(v, four.state_dict()[k]) for k, v in two.state_dict().items())
    wider = random_model(dataclasses.replace(SMALL, node=(6, 6)))
    with pytest.raises(CheckpointError, match=r"model's node is \[6, 5\], here \[6, 6\]"):
        start_from(wider, tmp_path / "four")
