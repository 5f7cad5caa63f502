"""Networks of PyTorch, as they are and as ONNX files, are the same programs and the same plans."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import random_problems
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from sparsectl import dynamics
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.mip import anytime
from sparsectl.mip.anytime import Options

NX, NU = 3, 2


class Net(nn.Module):
    """A random network of what can be taken over, drawn by a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.draw = np.random.default_rng(seed)
        self.choices = self.draw.integers(0, 6, 3).tolist()
        widths = [NX + NU, *self.draw.integers(2, 5, 3).tolist()]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths[1:])
        self.leaks = nn.ModuleList(nn.PReLU(b) for b in widths[1:])
        self.again = nn.ModuleList(nn.Linear(b, b, bias=False) for b in widths[1:])
        self.last = nn.Linear(widths[-1] + NX + NU, NX)
        self.register_buffer("mean", torch.randn(NX + NU))
        self.register_buffer("std", torch.rand(NX + NU) + 0.5)
        self.flat = nn.Flatten()
        for norm in self.norms:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 1.5)

    def forward(self, x, u):
        v = torch.cat([x, u], dim=1)
        h = (v - self.mean) / self.std
        layers = zip(self.choices, self.linears, self.norms, self.leaks, self.again, strict=True)
        for choice, linear, norm, leak, again in layers:
            h = linear(h)
            if choice == 0:
                h = F.relu(norm(h))
            elif choice == 1:
                h = torch.relu(h) + again(h)
            elif choice == 2:
                h = h.view(-1, h.shape[1]).clamp(-1.0, 0.5)
            elif choice == 3:
                h = leak(h) + F.leaky_relu(again(h), 0.2)
            elif choice == 4:
                h = torch.maximum(again(h), 0.5 - h) * 2.0
            else:
                h = self.flat(torch.abs(h[:, :, None]).squeeze(2))
        return x + 0.2 * self.last(torch.cat([h, v], dim=1))


def exported(net, path, names=("x", "u"), sizes=(NX, NU)):
    pytest.importorskip("onnx")
    kind = next(net.parameters()).dtype
    given = tuple(torch.zeros(1, n, dtype=kind) for n in sizes)
    free = {name: {0: "batch"} for name in names}
    torch.onnx.export(
        net.eval(), given, path, dynamo=False, input_names=list(names), dynamic_axes=free
    )
    return path


def points(seed=0, count=30):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(count, n, generator=draw, dtype=torch.float64) for n in (NX, NU)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("seed", range(6))
def test_a_network_and_its_file_are_what_it_computes_and_plan_alike(seed, tmp_path):
    precision = (torch.float32, torch.float64)[seed % 2]
    net = Net(seed).to(precision).eval()
    x, u = points(seed)
    with torch.no_grad():
        own = net(x.to(precision), u.to(precision)).double()
    taken = dynamics.from_torch(net, nx=NX, nu=NU, predicts="next")
    read = dynamics.from_onnx(exported(net, tmp_path / "net.onnx"), predicts="next")
    assert next(net.parameters()).dtype == precision
    exact = 1e-12 if precision == torch.float64 else 1e-5
    found = []
    problem = random_problems.problem(np.random.default_rng(seed), NX, NU, 2, "l1", False)
    for model, most in ((taken, exact), (read, max(exact, 1e-8))):
        assert torch.allclose(model(x, u), own, rtol=0, atol=most)
        program = lower(model)
        assert np.allclose(program(torch.cat([x, u], 1)), model(x, u), rtol=0, atol=1e-12)
        found.append(anytime.plan(program, problem, lambda end: [], Options(gap=0.0)))
    assert found[0].status == found[1].status == "optimal"
    assert np.allclose(found[0].actions, found[1].actions, rtol=0, atol=1e-6)
    with torch.no_grad():
        walk = [torch.as_tensor(problem.x0)[None].to(precision)]
        for action in found[1].actions:
            walk.append(net(walk[-1], torch.as_tensor(action)[None].to(precision)))
    assert np.allclose(found[0].states, torch.cat(walk), rtol=0, atol=max(exact, 1e-6))


def test_what_a_sequential_predicts_its_order_and_its_scales_are_stated():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 3)).double()
    x, u = points()
    scales = dynamics.Scales(
        input_mean=(1, 2, 3, 4, 5), input_std=(1, 2, 1, 2, 1), output_std=(3, 1, 2)
    )
    model = dynamics.from_torch(
        net, nx=3, nu=2, predicts="change", scales=scales, action_first=True
    )
    w = torch.cat([u, x], 1) - torch.tensor([1.0, 2, 3, 4, 5])
    expected = net.eval()(w / torch.tensor([1.0, 2, 1, 2, 1])) * torch.tensor([3.0, 1, 2])
    assert torch.allclose(model(x, u), x + expected, rtol=0, atol=1e-12)
    assert model.config.hidden == (7,)
    actions = torch.stack([u, -u], dim=1)
    assert model.rollout(x, actions).shape == (30, 3, 3)


def test_a_model_of_another_library_is_kept_and_lowered_as_one_of_ours(tmp_path):
    model = dynamics.from_torch(Net(3), nx=NX, nu=NU, predicts="next", names={"a": slice(0, NX)})
    dynamics.save(model, tmp_path / "model", {"env_id": "Any-v0"})
    back, _ = dynamics.load(tmp_path / "model")
    x, u = points()
    assert torch.equal(back(x, u), model(x, u))
    assert back.names == {"a": slice(0, NX)}
    assert lower(back).m == lower(model).m


def pruned() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(5, 6), "weight", amount=9)


@pytest.mark.parametrize(
    "first",
    [pruned(), parametrizations.weight_norm(nn.Linear(5, 6)), nn.Linear(5, 6)],
    ids=["pruned", "norm", "plain"],
)
def test_weights_that_are_made_in_every_call_are_taken_over(first):
    """Pruned, with a norm of their own, behind dropouts; the network stays as it was."""
    net = nn.Sequential(first, nn.ReLU(), nn.AlphaDropout(), nn.Linear(6, 3)).train()
    model = dynamics.from_torch(net, nx=3, nu=2, predicts="next")
    x, u = points()
    assert all(module.training for module in net.modules())
    expected = net.eval()(torch.cat([x, u], 1).float())
    assert torch.allclose(model(x, u).float(), expected, rtol=0, atol=1e-6)


class Averaged(nn.Module):
    """Two networks' mean, and halves that change places."""

    def __init__(self):
        super().__init__()
        self.nets = nn.ModuleList([nn.Linear(5, 4), nn.Linear(5, 4)])

    def forward(self, v):
        a, b = torch.stack([net(v) for net in self.nets]).mean(0).chunk(2, -1)
        return torch.cat([b.clamp_min(0.0), a.t().t()], -1)[:, :3]


def test_means_and_parts_are_taken_over():
    net = Averaged().double()
    x, u = points()
    model = dynamics.from_torch(net, nx=3, nu=2, predicts="next")
    assert torch.allclose(model(x, u), net(torch.cat([x, u], 1)), rtol=0, atol=1e-12)


def hooked() -> nn.Module:
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
    net[0].register_forward_hook(lambda module, given, made: made + 1)
    return net


class Branching(nn.Module):
    """Its way depends on the values."""

    def forward(self, v):
        return v[:, :3] if v.sum() > 0 else v[:, 1:4]


class Backwards(nn.Module):
    """Its arguments are the other way round."""

    def forward(self, action, state):
        return torch.cat([state, action], 1)[:, :3]


class Squared(nn.Module):
    def forward(self, v):
        return (v * v)[:, :3]


@pytest.mark.parametrize(
    ("net", "kind", "said"),
    [
        (
            nn.Sequential(nn.Linear(5, 3), nn.Tanh()),
            ConfigError,
            "node '1' is a Tanh, which is not",
        ),
        (
            nn.Sequential(nn.Linear(5, 3), nn.GELU()),
            ConfigError,
            "node '1' is a GELU, which is not",
        ),
        (nn.Sequential(nn.Linear(5, 3), nn.Fold(1, 1)), ConfigError, "which is not taken over"),
        (Squared(), ConfigError, "node 'mul' is a product of two things"),
        (Branching(), ConfigError, "must not branch on values"),
        (
            hooked(),
            ConfigError,
            "gives other numbers than its operations do, by 1: hooks, and tensors that",
        ),
        (Backwards(), ConfigError, "takes action and state, in this order: set action_first: true"),
        (nn.Linear(5, 3, dtype=torch.complex64), ConfigError, "Linear has complex weights"),
        (torch.tanh, ConfigError, "a builtin_function_or_method cannot be read"),
        (nn.LazyLinear(3), ConfigError, "LazyLinear has no weights yet: call it once"),
        (nn.Linear(6, 3), ConfigError, "is given 5 numbers: arrays of shapes (1, 5) and (6, 3)"),
        (
            nn.Linear(5, 4),
            ShapeError,
            "takes 5 numbers and gives 4, expected 5 ([state; action] of",
        ),
    ],
)
def test_what_has_no_program_is_refused_by_name(net, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        dynamics.from_torch(net, nx=3, nu=2, predicts="next")


def test_weights_that_are_not_finite_and_wrong_words_are_refused():
    net = nn.Linear(5, 3)
    with pytest.raises(ConfigError, match="predicts is 'nxt'"):
        dynamics.from_torch(net, nx=3, nu=2, predicts="nxt")
    short = dynamics.Scales(input_std=(1.0,))
    with pytest.raises(ShapeError, match="input_std has shape"):
        dynamics.from_torch(net, nx=3, nu=2, predicts="next", scales=short)
    with torch.no_grad():
        net.bias[0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"Linear: .*NaN"):
        dynamics.from_torch(net, nx=3, nu=2, predicts="next")
