"""Learners with real weights on data that is wrong, empty or extreme, and after a kill."""

import numpy as np
import pytest
import torch

from sparsectl.checkpoint import load_tensors, save_tensors
from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.build import build
from sparsectl.continual.learners.ewc import EWCConfig
from sparsectl.continual.learners.finetune import FinetuneConfig
from sparsectl.continual.learners.mesu import MESUConfig
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.learners.si import SIConfig
from sparsectl.continual.learners.vcl import VCLConfig
from sparsectl.errors import CheckpointError, ShapeError

CONFIGS = {
    "finetune": FinetuneConfig(),
    "sgd": FinetuneConfig(OptimiserConfig("sgd", 0.1, momentum=0.9)),
    "ewc": EWCConfig(),
    "ewc given": EWCConfig(labels="given"),
    "si": SIConfig(),
    "mesu": MESUConfig(chunk=3),
    "vcl": VCLConfig(),
}
HEADS = {"classes": Head("classification", 3), "values": Head("regression", 2, noise=0.3)}
NETWORK = NetworkConfig(hidden=(6, 5), constant=1)
every = pytest.mark.parametrize("kind", CONFIGS)
both = pytest.mark.parametrize("head", HEADS)


def new(kind, head="classes", seed=0):
    return build(CONFIGS[kind], NETWORK, 4, HEADS[head], seed)


def batch(head="classes", seed=0, n=7):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=g)
    if head == "classes":
        return x, torch.randint(3, (n,), generator=g)
    return x, torch.randn(n, 2, generator=g)


def unchanged(learner, before):
    """All but random numbers and counters are what they were."""
    after = learner.state()
    for name in before:
        if name != "generator" and not name.startswith("count."):
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def end(learner):
    if learner.uses_boundaries:
        learner.end_task()


def healthy(learner, head):
    x, _ = batch(head)
    return bool(torch.isfinite(learner.predict(x)).all()) and all(
        np.isfinite(v).all() for v in learner.state().values()
    )


@both
@every
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_skipped(kind, head, bad):
    learner = new(kind, head)
    learner.observe(*batch(head))
    before, (x, y) = learner.state(), batch(head, 1)
    x[2, 1] = bad
    assert learner.observe(x, y).outcome == "not_finite_batch"
    if head == "values":
        x, y = batch(head, 1)
        y[0, 0] = bad
        assert learner.observe(x, y).outcome == "not_finite_batch"
    unchanged(learner, before)
    assert learner.observe(*batch(head, 2)).outcome == "updated"
    assert learner.counters["updated"] == 2


@both
@every
def test_a_step_that_overflows_is_refused(kind, head):
    learner = new(kind, head)
    learner.observe(*batch(head))
    before, (x, y) = learner.state(), batch(head, 1)
    assert learner.observe(x * 1e38, y).outcome == "not_finite_step"
    unchanged(learner, before)
    assert learner.observe(*batch(head, 2)).outcome == "updated"


@both
@every
def test_an_empty_batch_and_an_empty_task_change_nothing(kind, head):
    learner, fresh = new(kind, head), new(kind, head)
    x, y = batch(head)
    assert learner.observe(x[:0], y[:0]).outcome == "empty"
    end(learner)
    end(learner)
    unchanged(learner, fresh.state())
    for i in range(3):
        assert learner.observe(*batch(head, i)) == fresh.observe(*batch(head, i))


@both
@every
def test_a_task_of_one_example(kind, head):
    learner = new(kind, head)
    for k in range(3):
        x, y = batch(head, k, 1)
        for _ in range(20):
            assert learner.observe(x, y, examples=1).outcome == "updated"
        end(learner)
    assert healthy(learner, head)


@both
@every
@pytest.mark.parametrize("value", [0.0, 1.0, -300.0])
def test_constant_features(kind, head, value):
    learner = new(kind, head)
    for k in range(2):
        for i in range(10):
            x, y = batch(head, 10 * k + i)
            assert learner.observe(torch.full_like(x, value), y).outcome == "updated"
        end(learner)
    assert healthy(learner, head)


@every
def test_batches_that_do_not_fit_are_refused(kind):
    learner = new(kind)
    before, (x, y) = learner.state(), batch()
    with pytest.raises(
        ShapeError, match=r"labels are 0 to 3, expected 0 to 2: there are 3 classes"
    ):
        learner.observe(x, torch.tensor([0, 1, 2, 3, 0, 1, 2]))
    with pytest.raises(ShapeError, match="labels are -1 to"):
        learner.observe(x, torch.full_like(y, -1))
    with pytest.raises(ShapeError, match=r"shape \(7, 3\), expected \(n, 4\)"):
        learner.observe(x[:, :3], y)
    with pytest.raises(ShapeError, match="of integers"):
        learner.observe(x, y.float())
    with pytest.raises(ShapeError, match=r"targets have shape \(7,\), expected \(7, 2\)"):
        new(kind, "values").observe(x, y)
    unchanged(learner, before)


@both
@every
def test_going_on_after_a_kill_is_exact(kind, head, tmp_path):
    def some(learner, steps):
        for i in steps:
            learner.observe(*batch(head, i), examples=35)
            if i % 5 == 4:
                end(learner)

    whole, first = new(kind, head), new(kind, head)
    some(whole, range(17))
    some(first, range(8))
    save_tensors(tmp_path / "learner", first.state(), {})
    second = new(kind, head, seed=9)
    second.observe(*batch(head))
    second.restore(load_tensors(tmp_path / "learner").tensors)
    some(second, range(8, 17))
    a, b = whole.state(), second.state()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    x, _ = batch(head)
    assert torch.equal(whole.predict(x), second.predict(x))


def test_a_state_of_another_kind_is_refused():
    learner = new("vcl")
    before = learner.state()
    with pytest.raises(CheckpointError, match="belongs to another kind of learner"):
        learner.restore(new("mesu").state())
    unchanged(learner, before)


@pytest.mark.parametrize("kind", ["mesu", "vcl"])
def test_hardly_any_uncertainty(kind):
    config = type(CONFIGS[kind])(start_deviation=1e-30)
    learner = build(config, NETWORK, 4, HEADS["classes"], 0)
    for i in range(5):
        assert learner.observe(*batch(seed=i)).outcome == "updated"
    end(learner)
    assert learner.observe(*batch()).outcome in ("updated", "not_finite_step")
    assert healthy(learner, "classes")
