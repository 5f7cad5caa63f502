"""Training by evolution: what it writes, how it continues, and that it learns."""

import dataclasses
import runpy
import signal
from pathlib import Path

import children
import numpy as np
import pytest
import torch

from sparsectl.circuits import Circuit, CircuitConfig, body_of
from sparsectl.circuits.evolve.train import TrainConfig, train
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.circuits.rollout.returns import returns
from sparsectl.policies.rl import curve

SPEC = EnvSpec("sparsectl/Swim-v0", {"links": 4})
SHORT = TrainConfig(
    population=4, steps=600, episode_steps=20, episodes=2, eval_every=200, eval_episodes=3
)
SCRIPT = Path(__file__).with_name("killed_evolution.py")


@pytest.fixture(scope="module")
def circuit():
    env = open_env(SPEC)
    return Circuit(CircuitConfig(), body_of(env))


def same(a, b):
    return torch.equal(flatten(a), flatten(b))


def untimed(rows):
    return [{k: v for k, v in row.items() if k not in ("seconds", "cpu_seconds")} for row in rows]


@pytest.mark.parametrize("method", ["es", "cma"])
def test_kill_9_in_the_middle_then_the_same_curve_and_policy_as_without(tmp_path, method):
    done = children.run(children.script, str(SCRIPT), str(tmp_path / "killed"), method, "9")
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = curve.read(tmp_path / "killed")
    run = runpy.run_path(str(SCRIPT))["run"]
    whole, resumed = run(str(tmp_path / "whole"), method), run(str(tmp_path / "killed"), method)
    assert resumed.resumed_from == before[-1]["steps"] == 800
    assert untimed(resumed.curve) == untimed(whole.curve)
    assert untimed(curve.read(tmp_path / "killed")) == untimed(whole.curve)
    for name in ("seconds", "cpu_seconds"):
        times = [row[name] for row in resumed.curve]
        assert times == sorted(times)
        assert times[0] > 0
    assert same(resumed.policy, whole.policy)
    assert same(checkpoint.load(tmp_path / "killed" / "policy")[0], whole.policy)


def test_rows_and_files(tmp_path, circuit):
    first = flatten(circuit)
    result = train(circuit, SPEC, SHORT, tmp_path)
    assert torch.equal(flatten(circuit), first)
    assert not same(result.policy, circuit)
    rows = curve.read(tmp_path)
    assert rows == result.curve
    assert [r["steps"] for r in rows] == [0, 320, 480]  # generations of 160 within 600
    assert [r["generation"] for r in rows] == [0, 2, 3]
    assert rows[0]["train_mean"] is None
    assert all(r["train_mean"] <= r["train_max"] for r in rows[1:])
    assert (result.steps, result.resumed_from) == (480, 0)
    vector, seeds = flatten(result.policy).numpy()[None], curve.evaluation_seeds(3)
    assert rows[-1]["return_mean"] == pytest.approx(
        returns(circuit, vector, SPEC, seeds, 20).mean()
    )


def test_a_finished_run_is_read_and_not_repeated(tmp_path, circuit, monkeypatch):
    result = train(circuit, SPEC, SHORT, tmp_path)
    monkeypatch.setattr("sparsectl.circuits.rollout.returns.Rollouts.returns", None)
    again = train(circuit, SPEC, dataclasses.replace(SHORT, workers=2), tmp_path)
    assert again.already_done
    assert again.curve == result.curve
    assert same(again.policy, result.policy)


def test_force_starts_afresh_and_leaves_other_files(tmp_path, circuit):
    train(circuit, SPEC, SHORT, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    other = dataclasses.replace(SHORT, seed=1)
    result = train(circuit, SPEC, other, tmp_path, force=True)
    assert result.resumed_from == 0
    assert untimed(result.curve) == untimed(train(circuit, SPEC, other).curve)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_evolution_makes_a_circuit_faster():
    env = open_env(SPEC)
    slow = Circuit(CircuitConfig(), body_of(env))
    with torch.no_grad():
        slow.proprioception *= 0.3
        slow.ipsilateral *= 0.3
    for method, others in {"es": {"learning_rate": 0.1}, "cma": {}}.items():
        config = TrainConfig(
            method=method,
            population=6,
            sigma=0.15,
            steps=7_200,
            episode_steps=120,
            eval_every=7_200,
            eval_episodes=4,
            **others,
        )
        rows = train(slow, SPEC, config).curve
        assert rows[-1]["return_mean"] > 1.3 * rows[0]["return_mean"]


def test_scale_names_parameters(circuit):
    scaled = dataclasses.replace(SHORT, scale={"oscillator": 50.0}, episodes=1)
    moved = (flatten(train(circuit, SPEC, scaled).policy) - flatten(circuit)).abs()
    names = [n for n, _ in circuit.named_parameters()]
    i = names.index("oscillator")
    assert moved[i] > 10 * np.delete(moved.numpy(), i).max()


def test_the_bar_shows_steps_return_and_speed(circuit, capfd):
    train(circuit, SPEC, SHORT, progress=True)
    text = capfd.readouterr().err
    assert "step/s" in text
    assert "return=" in text
    assert "480/600" in text
