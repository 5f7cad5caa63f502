"""Baselines: their counts are those of the lowered program, and they learn."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch
from toys import PUSHER_MAP as MAP

from sparsectl.dynamics import MLPConfig, StructureConfig, TrainConfig, build, train
from sparsectl.dynamics.kinds import count_relus
from sparsectl.dynamics.loss import validation_error
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, SparsectlError, TrainingDiverged
from sparsectl.sparsify import baselines
from sparsectl.sparsify.baselines import Budget, base, iterative
from sparsectl.sparsify.baselines.frequency import cut as cut_by_frequency
from sparsectl.sparsify.baselines.frequency import frequencies
from sparsectl.sparsify.baselines.magnitude import cut as cut_by_magnitude
from sparsectl.sparsify.baselines.magnitude import keep, neuron_scores
from sparsectl.sparsify.baselines.snl import search

TRAIN = TrainConfig(check_every=100, batch_size=64, rollout_steps=2)
STRUCTURE = StructureConfig({"point": "hand"}, {"hand": 0.1})
DENSE = 250
pytestmark = pytest.mark.filterwarnings("ignore:1 of 2 entries of the state change")


@pytest.fixture(scope="module")
def dense(episodes):
    config = Budget(TRAIN, DENSE).training(DENSE, 0)
    model = build(MLPConfig((10, 6), 1, STRUCTURE), MAP.names, 4, 2, seed=1)
    return train(model, episodes, MAP, config).dynamics


@pytest.fixture(scope="module")
def batches(episodes):
    return budget().batches(episodes, MAP, 0)


def budget(more: int = 100) -> Budget:
    return Budget(TRAIN, DENSE + more, DENSE)


def error(model, batches) -> float:
    return validation_error(model, batches.held)


def no_motion(model, batches) -> float:
    """Error of the model whose predicted change is zero."""
    still = keep(model, [torch.zeros(0, dtype=torch.long)] * 2)
    for p in still.parameters():
        p.detach().zero_()
    still.output_mean.zero_()
    return error(still, batches)


METHODS = {
    "magnitude": baselines.magnitude,
    "frequency": baselines.frequency,
    "snl": baselines.snl,
    "one_shot": baselines.one_shot,
    "scratch": baselines.scratch,
}


class TestAllMethods:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("count", [0, 4])
    def test_the_lowered_program_has_so_many_neurons_and_the_budget_is_spent(
        self, method, count, dense, episodes, batches
    ):
        before = {k: v.clone() for k, v in dense.state_dict().items()}
        member = METHODS[method](dense, episodes, MAP, count, budget(), 0)
        assert lower(member.model).m == count == member.count
        assert member.steps == DENSE + 100
        assert 0 < member.cpu_seconds < 60
        assert not member.model.training
        assert all(torch.equal(before[k], v) for k, v in dense.state_dict().items())
        share = {0: 0.95, 4: 0.5}[count]  # the best affine model has 0.8
        assert error(member.model, batches) < share * no_motion(dense, batches)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_program_is_the_model(self, method, dense, episodes):
        model = METHODS[method](dense, episodes, MAP, 3, Budget(TRAIN, 30), 0).model
        x, u = np.random.default_rng(0).normal(size=(20, 4)), np.full((20, 1, 2), 0.3)
        with torch.no_grad():
            expected = model.double().rollout(torch.tensor(x), torch.tensor(u))[:, 1].numpy()
        found = np.stack([lower(model).rollout(a, b)[1] for a, b in zip(x, u, strict=True)])
        np.testing.assert_allclose(found, expected, atol=1e-9)

    @pytest.mark.parametrize("method", ["frequency", "snl", "one_shot", "scratch"])
    def test_equal_seeds_give_equal_weights_and_others_do_not(self, method, dense, episodes):
        a, b, c = (
            METHODS[method](dense, episodes, MAP, 4, Budget(TRAIN, 30), s).model for s in (0, 0, 1)
        )
        weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (a, b, c)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    @pytest.mark.parametrize("method", ["magnitude", "frequency", "snl", "one_shot"])
    @pytest.mark.parametrize("count", [-1, 17])
    def test_counts_that_cannot_be_reached_are_refused(self, method, count, dense, episodes):
        with pytest.raises(ConfigError, match=rf"{method}: target of {count} ReLUs"):
            METHODS[method](dense, episodes, MAP, count, budget(), 0)

    @pytest.mark.parametrize("method", ["magnitude", "frequency", "snl", "one_shot"])
    def test_they_start_from_a_model_and_need_steps(self, method, dense, episodes):
        with pytest.raises(SparsectlError, match="trained MLPDynamics"):
            METHODS[method](dense.config, episodes, MAP, 4, budget(), 0)
        other = base.with_kinds(dense, [k * 2 for k in dense.kinds])
        if method in ("magnitude", "snl"):
            with pytest.raises(SparsectlError, match="0 ReLUs among 16 neurons"):
                METHODS[method](other, episodes, MAP, 0, budget(), 0)
        with pytest.raises(ConfigError, match="nothing is left"):
            METHODS[method](dense, episodes, MAP, 4, Budget(TRAIN, DENSE, DENSE), 0)


class TestScratch:
    @pytest.mark.parametrize(
        ("shape", "count", "expected"),
        [
            ("one", 9, (9,)),
            ("two", 9, (5, 4)),
            ("three", 10, (4, 3, 3)),
            ("two", 0, ()),
        ],
    )
    def test_shapes(self, shape, count, expected):
        assert baselines.widths(shape, count) == expected

    @pytest.mark.parametrize("wrong", [("two", 1), ("three", 2), ("one", -1), ("tow", 4)])
    def test_shapes_that_do_not_exist_are_refused(self, wrong):
        with pytest.raises(ConfigError):
            baselines.widths(*wrong)

    @pytest.mark.parametrize("skip", [True, False])
    def test_with_and_without_an_affine_path(self, skip, episodes):
        config = MLPConfig((10, 6), 1, STRUCTURE)
        member = baselines.scratch(config, episodes, MAP, 4, Budget(TRAIN, 5), 0, skip=skip)
        assert (member.model.skip is not None) == skip
        assert member.model.config.hidden == (2, 2)


class TestMagnitude:
    def test_rescaling_a_neuron_does_not_change_its_score(self, dense):
        scores = neuron_scores(dense)
        other = keep(dense, [torch.arange(10), torch.arange(6)])
        with torch.no_grad():
            other.linears[0].weight[3] *= 7
            other.linears[0].bias[3] *= 7
            other.linears[1].weight[:, 3] /= 7
        torch.testing.assert_close(neuron_scores(other)[0], scores[0])

    def test_neurons_without_influence_go_first(self, dense, batches):
        model = keep(dense, [torch.arange(10), torch.arange(6)])
        with torch.no_grad():
            model.linears[1].weight[:, :7] = 0
            model.linears[2].weight[:, 4:] = 0
        small = cut_by_magnitude(model, batches, 7)
        assert small.config.hidden == (3, 4)
        assert error(small, batches) == pytest.approx(error(model, batches), rel=1e-5)

    def test_no_layer_is_emptied(self, dense, batches):
        model = keep(dense, [torch.arange(10), torch.arange(6)])
        with torch.no_grad():
            model.linears[2].weight.zero_()
        assert cut_by_magnitude(model, batches, 8).config.hidden == (7, 1)
        with pytest.raises(ConfigError, match="fewer than the 2 hidden layers"):
            cut_by_magnitude(model, batches, 1)


class TestFrequency:
    def test_neurons_that_never_switch_are_replaced_without_any_change(self, dense, batches):
        model = keep(dense, [torch.arange(10), torch.arange(6)])
        with torch.no_grad():
            model.linears[0].bias[:4] = 50.0  # always on
            model.linears[0].bias[4:7] = -50.0  # always off
        shares = frequencies(model, batches)[0]
        assert shares[:7].tolist() == [1.0] * 4 + [0.0] * 3
        small = cut_by_frequency(model, batches, 9)
        assert small.kinds[0].tolist()[:7] == [2] * 4 + [0] * 3
        assert count_relus(small) == 9
        assert error(small, batches) == pytest.approx(error(model, batches), rel=1e-4)

    def test_a_second_round_starts_from_the_first(self, dense, batches):
        first = cut_by_frequency(dense, batches, 9)
        second = cut_by_frequency(first, batches, 5)
        pairs = zip(first.kinds, second.kinds, strict=True)
        assert all(torch.equal(a[a != 1], b[a != 1]) for a, b in pairs)
        assert count_relus(second) == 5


class TestSNL:
    def test_the_search_ends_when_few_enough_alphas_are_left(self, dense, batches):
        model = copy.deepcopy(dense)
        config = baselines.SNLConfig(penalty=1e-2, growth=1.5, rate=0.02)
        steps, alphas = search(model, batches, 8, budget(1200), 0, config)
        assert steps < 600
        assert sum(int((a > config.threshold).sum()) for a in alphas) <= 8
        assert model.gates is None

    @pytest.mark.parametrize("wrong", [{"search": 1.0}, {"growth": 1.0}, {"check_every": 0}])
    def test_wrong_settings_are_refused(self, wrong):
        with pytest.raises(ConfigError, match="snl"):
            baselines.SNLConfig(**wrong)


class TestBudget:
    @pytest.mark.parametrize(
        ("start", "target", "expected"), [(100, 20, [50, 25, 20]), (8, 8, [8]), (5, 0, [2, 0])]
    )
    def test_halvings_end_at_the_target(self, start, target, expected):
        assert [n for n, _ in iterative.rounds_to(target, start, Budget(TRAIN, 9))] == expected

    def test_rounds_share_what_is_left(self):
        rounds = iterative.rounds_to(8, 100, Budget(TRAIN, 110, 10))
        assert [n for n, _ in rounds] == [50, 25, 12, 8]
        assert sum(steps for _, steps in rounds) == 100

    def test_too_few_steps_are_refused(self):
        with pytest.raises(ConfigError, match="too few for 4 rounds"):
            iterative.rounds_to(8, 100, Budget(TRAIN, 3))


@pytest.mark.parametrize("failures", [1, 3])
def test_one_shot_tries_a_diverging_fine_tuning_again(dense, episodes, monkeypatch, failures):
    module = sys.modules["sparsectl.sparsify.baselines.one_shot"]
    real, rates, starts = module.finetune, [], []

    def moody(model, trainer, rate, steps, purpose):
        rates.append(rate)
        starts.append(model.layers[0].weight.detach().clone())
        if len(rates) <= failures:
            model.layers[0].weight.data.fill_(float("nan"))
            raise TrainingDiverged(purpose)
        return real(model, trainer, rate, steps, purpose)

    monkeypatch.setattr(module, "finetune", moody)
    if failures == 3:
        with pytest.raises(TrainingDiverged):
            baselines.one_shot(dense, episodes, MAP, 4, budget(), 0)
    else:
        member = baselines.one_shot(dense, episodes, MAP, 4, budget(), 0)
        assert count_relus(member.model) == 4
        assert torch.equal(starts[0], starts[1])
    first = TRAIN.learning_rate
    assert rates == pytest.approx([first, first / 3, first / 9][: min(failures + 1, 3)])
