"""Every kind of learner from its settings."""

import typing
from dataclasses import dataclass

import pytest
import torch

from sparsectl.config import from_dict
from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.build import LEARNERS, LearnerConfig, build
from sparsectl.errors import ConfigError

CONFIGS = {config.kind: config for config in typing.get_args(LearnerConfig)}
NETWORK = NetworkConfig(hidden=(6,), constant=1)
HEADS = [Head("classification", 3), Head("regression", 3, noise=0.5)]
ONE_BIT = {"field", "metaplastic", "bayesbinn", "bimu", "straight_through", "hebbian"}


@dataclass(frozen=True)
class Several:
    """As in the YAML of a comparison."""

    learners: dict[str, LearnerConfig]


def batch(head, n=8):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=g)
    if head.kind == "classification":
        return x, torch.randint(3, (n,), generator=g)
    return x, torch.randn(n, 3, generator=g)


def test_every_kind_of_settings_has_its_learner():
    assert set(CONFIGS) == set(LEARNERS)


@pytest.mark.parametrize("head", HEADS, ids=lambda h: h.kind)
@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_learners_offer_the_interface(kind, head):
    learner = build(CONFIGS[kind](), NETWORK, 4, head, 0)
    assert isinstance(learner, LEARNERS[kind])
    assert learner.bits == (1 if kind in ONE_BIT else 32)
    x, y = batch(head)
    for _ in range(3):
        assert learner.observe(x, y, examples=8).outcome == "updated"
    if learner.uses_boundaries:
        learner.end_task()
    for mode in learner.modes:
        assert [tuple(w.shape) for w in learner.weights(mode)] == learner.layers.shapes
        out = learner.predict(x, mode)
        assert out.shape == (8, 3)
        assert torch.isfinite(out).all()
    samples = learner.samples(x, 2)
    assert samples.shape[1:] == (8, 3)
    if head.kind == "classification":
        torch.testing.assert_close(samples.sum(-1), torch.ones(samples.shape[:2]))
    with pytest.raises(ConfigError, match="no test mode 'meen'"):
        learner.predict(x, "meen")


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_seeds_give_the_learner(kind):
    def weights(seed):
        learner = build(CONFIGS[kind](), NETWORK, 4, HEADS[0], seed)
        learner.observe(*batch(HEADS[0]), examples=8)
        state = learner.state()
        return torch.cat(
            [torch.from_numpy(state[k]).flatten() for k in sorted(state) if k.endswith(".0")]
        )

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_kinds_in_yaml(kind):
    found = from_dict(Several, {"learners": {"a": {"kind": kind}}}).learners["a"]
    assert found == CONFIGS[kind]()


def test_a_misspelt_kind_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown kind 'ewk'.*did you mean 'ewc'"):
        from_dict(Several, {"learners": {"a": {"kind": "ewk"}}})


def test_settings_within_settings():
    found = from_dict(
        Several,
        {"learners": {"a": {"kind": "ewc", "fresh": False, "optimiser": {"rate": 0.5}}}},
    ).learners["a"]
    assert (found.fresh, found.optimiser.rate) == (False, 0.5)


def test_what_is_no_learner_is_refused():
    with pytest.raises(ConfigError, match="no learner of kind 'NetworkConfig'"):
        build(NETWORK, NETWORK, 4, HEADS[0])
    with pytest.raises(ConfigError, match="n_in is 0, expected at least 1"):
        build(CONFIGS["ewc"](), NETWORK, 0, HEADS[0])


@pytest.mark.parametrize("kind", sorted(set(LEARNERS) - ONE_BIT))
def test_real_weights_fit_a_curve(kind):
    head, g = Head("regression", 1, noise=0.1), torch.Generator().manual_seed(0)
    learner = build(CONFIGS[kind](), NetworkConfig(hidden=(32,), constant=1), 2, head, 0)
    for _ in range(300):
        x = torch.rand(32, 2, generator=g) * 2 - 1
        y = (2 * x[:, :1]).sin() * x[:, 1:]
        learner.observe(x, y, examples=9600)
    assert float((learner.predict(x) - y).square().mean()) < 0.1 * float(y.var())
