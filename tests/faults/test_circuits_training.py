"""Training by evolution: wrong settings, foreign folders, damage, and simulations that blow up."""

import dataclasses

import numpy as np
import pytest
from motor_toys import Deadly, Root

from sparsectl.circuits import Circuit, CircuitConfig, ZeroPolicy, body_of
from sparsectl.circuits.evolve.methods import make
from sparsectl.circuits.evolve.train import TrainConfig, train
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.errors import (
    CheckpointError,
    ConfigError,
    ShapeError,
    SparsectlError,
    TrainingDiverged,
)
from sparsectl.files import FileError
from sparsectl.policies.rl import curve

SPEC = EnvSpec("sparsectl/Swim-v0", {"links": 4})
SHORT = TrainConfig(population=4, steps=200, episode_steps=10, eval_every=80, eval_episodes=2)


@pytest.fixture(scope="module")
def body():
    env = open_env(SPEC)
    return body_of(env)


@pytest.fixture(scope="module")
def circuit(body):
    return Circuit(CircuitConfig(), body)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"population": 1}, "population is 1, expected a whole number of at least 2"),
        ({"population": 7}, "even number, for example 8"),
        ({"population": 3, "method": "cma"}, "at least 4"),
        ({"sigma": 0.0}, "sigma is 0.0, expected a number above 0"),
        ({"sigma": -1.0}, "sigma is -1.0"),
        ({"sigma": float("inf")}, "sigma is inf"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"clip": 0.0}, "clip"),
        ({"decay": 1.5}, "decay is 1.5, expected a number above 0 and at most 1"),
        ({"scale": {"oscillator": 0.0}}, "scale of 'oscillator' is 0.0"),
        ({"steps": 0}, "steps is 0"),
        ({"episodes": 0}, "episodes is 0"),
        ({"episode_steps": 0}, "episode_steps is 0"),
        ({"eval_episodes": 0}, "eval_episodes is 0"),
        ({"eval_every": 0}, "eval_every is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"method": "cmaes"}, "method is 'cmaes' \\(did you mean 'cma'"),
        ({"engine": "proces"}, "did you mean 'process'"),
    ],
)
def test_wrong_settings_are_named(settings, text):
    with pytest.raises(ConfigError, match=text):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"steps": 39}, "one generation of 4 candidates with 1 episodes of 10 steps takes 40"),
        ({"scale": {"oscilator": 2.0}}, "did you mean 'oscillator'"),
    ],
)
def test_settings_that_do_not_fit_the_policy_or_environment(tmp_path, circuit, changes, text):
    with pytest.raises(ConfigError, match=text):
        train(circuit, SPEC, dataclasses.replace(SHORT, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_policy_without_parameters_is_refused(body):
    with pytest.raises(ShapeError, match="at least one parameter"):
        train(ZeroPolicy(body), SPEC, SHORT)


class TestFolder:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"config": {"sigma": 0.3}}, "train.sigma \\(0.02 -> 0.3\\)"),
            ({"spec": {"links": 4, "viscosity": 0.1}}, "env.kwargs.viscosity \\(None -> 0.1\\)"),
            ({"policy": {"init": "uniform"}}, "policy.config.init .*the policy's first weights"),
        ],
    )
    def test_a_run_of_other_settings_stays_as_it_is(self, tmp_path, circuit, body, changes, text):
        train(circuit, SPEC, SHORT, tmp_path)
        before = (tmp_path / "curve.jsonl").read_bytes()
        config = dataclasses.replace(SHORT, **changes.get("config", {}))
        spec = EnvSpec(SPEC.id, changes.get("spec", SPEC.kwargs))
        policy = Circuit(CircuitConfig(**changes.get("policy", {})), body)
        with pytest.raises(ConfigError, match=text):
            train(policy, spec, config, tmp_path)
        assert (tmp_path / "curve.jsonl").read_bytes() == before

    def test_one_that_holds_something_else_is_refused(self, tmp_path, circuit):
        (tmp_path / "thesis.txt").write_text("all of it")
        with pytest.raises(FileError, match="not overwritten"):
            train(circuit, SPEC, SHORT, tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]

    def test_what_a_killed_save_leaves_does_not_matter(self, tmp_path, circuit):
        (tmp_path / ".training.abcd.tmp").mkdir()
        assert train(circuit, SPEC, SHORT, tmp_path).steps == 200

    def test_a_lost_curve_and_policy_are_written_again(self, tmp_path, circuit):
        result = train(circuit, SPEC, SHORT, tmp_path)
        (tmp_path / "curve.jsonl").unlink()
        (tmp_path / "policy" / "meta.json").unlink()
        (tmp_path / "policy" / "config.json").unlink()
        (tmp_path / "policy" / "model.safetensors").unlink()
        train(circuit, SPEC, SHORT, tmp_path)
        assert curve.read(tmp_path) == result.curve
        assert checkpoint.load(tmp_path / "policy")

    def test_damage_is_noticed(self, tmp_path, circuit):
        train(circuit, SPEC, SHORT, tmp_path)
        with open(tmp_path / "training" / "model.safetensors", "ab") as file:
            file.write(b"!")
        with pytest.raises(CheckpointError, match="checksum"):
            train(circuit, SPEC, SHORT, tmp_path)
        assert train(circuit, SPEC, SHORT, tmp_path, force=True).resumed_from == 0

    def test_a_run_of_another_kind_is_refused(self, tmp_path, circuit):
        checkpoint.save(circuit, tmp_path / "training")
        with pytest.raises(CheckpointError, match="no checkpoint of evolution"):
            train(circuit, SPEC, SHORT, tmp_path)


def test_diverged_candidates_are_counted_and_left_behind(body):
    config = dataclasses.replace(SHORT, sigma=0.3, learning_rate=0.2, steps=1200)
    result = train(Root(body, 0.3), SPEC, config)
    counts = [row["diverged"] for row in result.curve]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] > 0
    rates = np.diff(counts)
    assert rates[-3:].sum() < rates[:3].sum()


def test_a_generation_without_any_return_ends_training(tmp_path, body):
    with pytest.raises(
        TrainingDiverged, match="all 4 candidates diverged at step 0; the last good"
    ):
        train(Root(body, -1.0), SPEC, SHORT, tmp_path)
    assert curve.read(tmp_path)[0]["eval_diverged"] == 2


def test_a_dying_worker_ends_training_with_a_reason(body):
    config = dataclasses.replace(SHORT, engine="process", workers=1)
    with pytest.raises(SparsectlError, match=r"worker process died \(exit code 3:"):
        train(Deadly(body), SPEC, config)


def test_too_many_parameters_for_a_full_covariance():
    with pytest.raises(ConfigError, match="choose 'sepcma' or 'es'"):
        make(np.zeros(1001), TrainConfig(method="cma"))
    assert make(np.zeros(1001), TrainConfig(method="sepcma")).ask().shape == (8, 1001)


def test_one_return_per_candidate():
    for method in ("es", "cma"):
        with pytest.raises(ShapeError, match="expected \\(8,\\)"):
            make(np.zeros(3), TrainConfig(method=method)).tell(np.zeros(7))
