"""Training: it learns, stops, resumes exactly, and knows when it is done."""

from __future__ import annotations

import dataclasses
import itertools
import runpy
import signal
import sys
from pathlib import Path

import children
import numpy as np
import pytest
import torch

from sparsectl.dynamics import (
    MLPConfig,
    StructureConfig,
    TrainConfig,
    build,
    evaluate_model,
    train,
)
from sparsectl.dynamics import train as train_function
from sparsectl.errors import ConfigError

STRUCTURE = StructureConfig({"point": "hand"}, {"hand": 0.1})
SHORT = TrainConfig(steps=60, check_every=20, batch_size=32, rollout_steps=3, noise=0.05)


def model(members=1, seed=0):
    config = MLPConfig((16,), members, STRUCTURE)
    return build(config, {"hand": slice(0, 2), "point": slice(2, 4)}, 4, 2, seed=seed)


def weights(network) -> list[torch.Tensor]:
    return [v.clone() for v in network.state_dict().values()]


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.filterwarnings("ignore:1 of 2 entries of the state change")
class TestTrain:
    def test_a_relu_system_is_learned_much_better_than_by_an_affine_model(self, pusher, pusher_map):
        config = TrainConfig(steps=400, check_every=100, batch_size=128, rollout_steps=3)
        held, rest = pusher.select(range(10)), pusher.select(range(10, 60))
        result = train(model(), rest, pusher_map, config)
        row = evaluate_model(result.dynamics, held, pusher_map, training=rest).row("points", 5)
        assert row.model < 0.1 * row.no_motion
        assert row.model < 0.25 * row.linear
        losses = [r["train_loss"] for r in result.history]
        assert losses[-1] < 0.2 * losses[0]
        assert result.validation == min(r["validation"] for r in result.history)

    @pytest.mark.parametrize("loss", ["l1", "l2", "huber"])
    def test_every_penalty_reduces_the_validation_error(self, pusher, pusher_map, loss):
        config = dataclasses.replace(SHORT, steps=200, check_every=10, loss=loss)
        history = train(model(), pusher, pusher_map, config).history
        assert history[-1]["validation"] < 0.5 * history[0]["validation"]

    def test_equal_seeds_give_equal_weights_and_others_do_not(self, pusher, pusher_map):
        a, b, c = (
            train(model(), pusher, pusher_map, dataclasses.replace(SHORT, seed=s)).dynamics
            for s in (1, 1, 2)
        )
        assert equal(a, b)
        assert not equal(a, c)

    def test_the_best_weights_are_kept_and_training_stops_early(self, pusher, pusher_map):
        wild = TrainConfig(
            steps=400, check_every=5, learning_rate=0.3, schedule="constant", patience=3,
            batch_size=16, grad_clip=None,
        )  # fmt: skip
        result = train(model(), pusher, pusher_map, wild)
        errors = [row["validation"] for row in result.history]
        assert len(errors) < 80
        assert errors.index(min(errors)) == len(errors) - 1 - 3

    def test_members_of_an_ensemble_differ_and_all_learn(self, pusher, pusher_map):
        config = dataclasses.replace(SHORT, steps=100, check_every=20)
        result = train(model(members=2), pusher, pusher_map, config)
        first, second = result.dynamics.networks
        assert not equal(first, second)
        for member in (0, 1):
            errors = [r["validation"] for r in result.history if r["member"] == member]
            assert len(errors) == 5
            assert min(errors[1:]) < errors[0]

    def test_a_finished_run_returns_at_once_with_the_same_model(self, pusher, pusher_map, tmp_path):
        first = train(model(), pusher, pusher_map, SHORT, run_dir=tmp_path)
        again = train(model(seed=9), pusher, pusher_map, SHORT, run_dir=tmp_path)
        assert again.already_done
        assert not first.already_done
        assert equal(first.dynamics, again.dynamics)
        assert again.history == first.history
        assert again.validation == first.validation

    def test_a_changed_config_is_refused_unless_forced(self, pusher, pusher_map, tmp_path):
        train(model(), pusher, pusher_map, SHORT, run_dir=tmp_path)
        other = dataclasses.replace(SHORT, learning_rate=0.001)
        message = r"changed: train\.learning_rate \(0\.02 -> 0\.001\)"
        with pytest.raises(ConfigError, match=message):
            train(model(), pusher, pusher_map, other, run_dir=tmp_path)
        with pytest.raises(ConfigError, match="changed: the data"):
            train(model(), pusher.select(range(30)), pusher_map, SHORT, run_dir=tmp_path)
        forced = train(model(), pusher, pusher_map, other, run_dir=tmp_path, force=True)
        assert not forced.already_done
        assert equal(forced.dynamics, train(model(), pusher, pusher_map, other).dynamics)

    def test_the_device_may_change_between_runs(self, pusher, pusher_map, tmp_path):
        train(model(), pusher, pusher_map, SHORT, run_dir=tmp_path)
        moved = dataclasses.replace(SHORT, device="cpu")
        assert train(model(), pusher, pusher_map, moved, run_dir=tmp_path).already_done

    @pytest.mark.parametrize("members", [1, 2])
    @pytest.mark.parametrize("stops", [(27, 47), (59,)])
    def test_an_interrupted_run_goes_on_with_bitwise_equal_losses(
        self, pusher, pusher_map, tmp_path, monkeypatch, members, stops
    ):
        whole = train(model(members), pusher, pusher_map, SHORT)
        module = sys.modules[train_function.__module__]
        real, begun = module.window_loss, 0
        for stop in stops:
            last, steps = (members - 1) * SHORT.steps + stop, itertools.count(begun)

            def interrupted(*args, last=last, steps=steps, **kwargs):
                if next(steps) == last:
                    raise KeyboardInterrupt
                return real(*args, **kwargs)

            monkeypatch.setattr(module, "window_loss", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(model(members), pusher, pusher_map, SHORT, run_dir=tmp_path)
            begun = last // 20 * 20
        monkeypatch.undo()
        resumed = train(model(members), pusher, pusher_map, SHORT, run_dir=tmp_path)
        assert resumed.resumed_from == begun
        assert resumed.history == whole.history
        assert equal(resumed.dynamics, whole.dynamics)

    def test_progress_is_silent_unless_asked(self, pusher, pusher_map, capsys):
        train(model(), pusher, pusher_map, SHORT)
        assert capsys.readouterr() == ("", "")
        train(model(), pusher, pusher_map, SHORT, progress=True)
        out, err = capsys.readouterr()
        assert out == ""
        assert "train" in err


def test_kill_9_in_the_middle_then_the_same_losses_as_without(tmp_path):
    script = Path(__file__).with_name("killed_run.py")
    done = children.run(children.script, str(script), str(tmp_path / "killed"), "25")
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = runpy.run_path(str(script))["run"]
    whole, resumed = run(str(tmp_path / "whole")), run(str(tmp_path / "killed"))
    assert resumed.resumed_from == 20
    assert resumed.history == whole.history
    assert equal(resumed.dynamics, whole.dynamics)


def test_the_normaliser_belongs_to_the_training_data(pusher, pusher_map):
    network = train(model(), pusher, pusher_map, dataclasses.replace(SHORT, steps=20)).dynamics
    view = np.concatenate([o[:-1, 2:] - o[:-1, :2] for o in pusher.observations])
    np.testing.assert_allclose(network.input_mean[:2], view.mean(0), atol=0.2)
    np.testing.assert_allclose(network.input_std[:2], view.std(0), rtol=0.2)


@pytest.mark.filterwarnings("ignore:1 of 2 entries of the state change")
class TestTrainingOn:
    def test_it_starts_from_the_weights_in_the_normalisation_that_they_belong_to(
        self, pusher, pusher_map
    ):
        network = train(model(), pusher, pusher_map, SHORT).dynamics
        before = {k: v.clone() for k, v in network.state_dict().items()}
        scaled = dataclasses.replace(pusher, observations=[2 * o for o in pusher.observations])
        still = dataclasses.replace(SHORT, steps=1, learning_rate=1e-12, noise=0.0)
        after = train(network, scaled, pusher_map, still, trained=True).dynamics.state_dict()
        assert all(torch.allclose(after[k], before[k], atol=1e-9) for k in before)
        refitted = train(network, scaled, pusher_map, still).dynamics.state_dict()
        assert any(not torch.allclose(refitted[k], before[k]) for k in before)

    def test_episodes_that_count_more_are_fitted_better(self, pusher, pusher_map):
        # Half the episodes contradict the other half: the point runs away instead of following.
        odd = [i % 2 == 1 for i in range(len(pusher.observations))]
        turned = [
            np.column_stack([o[:, :2], 2 * o[:1, 2:] - o[:, 2:]]) if k else o
            for o, k in zip(pusher.observations, odd, strict=True)
        ]
        mixed = dataclasses.replace(pusher, observations=turned)
        errors = {}
        for name, repeats in (("even", [1 if k else 9 for k in odd]),
                              ("odd", [9 if k else 1 for k in odd])):  # fmt: skip
            config = dataclasses.replace(SHORT, steps=150, rollout_steps=1, loss="l2")
            network = train(model(), mixed, pusher_map, config, repeats=repeats).dynamics
            part = mixed.select([i for i, k in enumerate(odd) if k])
            errors[name] = evaluate_model(network, part, pusher_map, (1,)).headline.model
        assert errors["odd"] < 0.7 * errors["even"]
