"""Planning instances of the solver benchmarks, each from a seed alone.

`contact`: networks trained on a disc pushed by a disc (4 states, 2 actions).
`random`: He-random networks of the same shape, without training.
`table`: dense [k, k] networks with 10 inputs and 8 outputs, trained on PushBox (envs.py).
`rope`, `pusht`: small networks of those environments (envs.py).
`hybrid`: on-off jets, keep-outs and contact, hard and at a price, on paper models (hybrid.py).
`choice`: small random decisions of many other kinds, for the choice of engine (choice.py).
`later`: decisions of episodes after the first one, with the plan before moved on (later.py).

Trained networks are kept in a cache folder (SPARSECTL_BENCH_CACHE, default
~/.cache/sparsectl-bench): training is repeatable on one machine, not to the last bit across
machines, so results carry a fingerprint of the weights.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from scripts.mip import choice
from sparsectl.program import ReluProgram, algebra
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem

REACH = 0.25
"""Distance of the two centres at contact."""
STEP = 0.15
"""Largest pusher displacement per step and axis."""
WORKSPACE = 1.5


@dataclass(frozen=True)
class Instance:
    """One problem with its program.

    Attributes:
        name: such as `contact 24x10 s3`: ReLUs per step x horizon, seed.
        program: dynamics program.
        problem: the decision.
        hidden: ReLUs of every hidden layer.
        kind, relus, seed: the parts of the name.
        starts: plans that the decision before leaves, shape (n, H, nu); None: it is the first.
    """

    name: str
    program: ReluProgram
    problem: Problem
    hidden: tuple[int, ...] = ()
    kind: str = ""
    relus: int = 0
    seed: int = 0
    starts: np.ndarray | None = None

    @property
    def fingerprint(self) -> str:
        """Of everything that a solver sees."""
        p, q = self.program, self.problem
        arrays = [p.A.toarray(), p.b, p.C.toarray(), p.d, q.x0, q.u_low, q.u_high]
        arrays += [t for term in q.cost.terms for t in (term.E, term.target)]
        arrays += [q.constraints.G, q.constraints.h, np.array([q.horizon])]
        for limits in (q.constraints, q.cost.priced):
            for k in () if limits is None else limits.keep_out:
                arrays += [k.P, k.A, np.nan_to_num(k.b), np.array([k.weight])]
        arrays += [] if q.inputs is None else list(q.inputs.pieces)
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
        return digest.hexdigest()[:12]


def cached(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of that name from the cache folder, made first where they are missing."""
    root = os.environ.get("SPARSECTL_BENCH_CACHE", "~/.cache/sparsectl-bench")
    path = Path(root).expanduser() / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays, part = make(), path.with_suffix(".part.npz")
        np.savez(part, **arrays)
        os.replace(part, path)
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def pack(program: ReluProgram) -> dict[str, np.ndarray]:
    """Arrays of a program, for `cached`."""
    A, C = program.A.toarray(), program.C.toarray()
    return {"n_in": np.array(program.n_in), "A": A, "b": program.b, "C": C, "d": program.d}


def unpack(arrays: dict[str, np.ndarray]) -> ReluProgram:
    """Inverse of `pack`."""
    A, C = sp.csr_array(arrays["A"]), sp.csr_array(arrays["C"])
    return ReluProgram(int(arrays["n_in"]), A, arrays["b"], C, arrays["d"])


def push(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """True one-step map: the pusher moves, the object is pushed out of contact.

    Args:
        x: object xy, pusher xy. Shape (..., 4).
        u: pusher displacement. Shape (..., 2).
    """
    pusher = x[..., 2:] + u
    apart = x[..., :2] - pusher
    distance = np.linalg.norm(apart, axis=-1, keepdims=True)
    depth = np.maximum(REACH - distance, 0.0)
    moved = x[..., :2] + depth * apart / np.maximum(distance, 1e-9)
    return np.concatenate([moved, pusher], axis=-1)


def contact_program(relus: int, seed: int, steps: int = 3000) -> ReluProgram:
    """Residual network with two hidden layers of relus / 2, trained on `push`."""
    rng = np.random.default_rng([seed, relus])
    torch.manual_seed(seed)
    n = 40_000
    obj = rng.uniform(-1, 1, (n, 2))
    angle, radius = rng.uniform(0, 2 * np.pi, n), rng.uniform(0.9, 2.0, n) * REACH
    offset = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    x = np.concatenate([obj, obj + offset], 1)
    u = rng.uniform(-STEP, STEP, (n, 2))
    # Inputs: relative position and displacement; the pusher's own motion is known.
    see = np.array(
        [[1, 0, -1, 0, 0, 0], [0, 1, 0, -1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]
    ) / np.array([[REACH], [REACH], [STEP], [STEP]])
    inputs = torch.tensor(np.concatenate([x, u], 1) @ see.T, dtype=torch.float32)
    delta = torch.tensor(push(x, u)[:, :2] - x[:, :2], dtype=torch.float32) / STEP
    k = relus // 2
    net = torch.nn.Sequential(
        torch.nn.Linear(4, k), torch.nn.ReLU(), torch.nn.Linear(k, k), torch.nn.ReLU(),
        torch.nn.Linear(k, 2),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = torch.as_tensor(rng.integers(0, n, 512))
        loss = (net(inputs[batch]) - delta[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = [m for m in net if isinstance(m, torch.nn.Linear)]
    weights = [m.weight.detach().double().numpy() for m in layers]
    biases = [m.bias.detach().double().numpy() for m in layers]
    known = np.eye(4, 6)
    known[2:, 4:] = np.eye(2)
    net_program = algebra.precompose(algebra.from_layers(weights, biases), see)
    return algebra.add_linear(algebra.postcompose(net_program, STEP * np.eye(4, 2)), known)


def random_program(relus: int, seed: int, nx: int = 4, nu: int = 2) -> ReluProgram:
    """He-random residual network of the same shape."""
    rng, k = np.random.default_rng([seed, relus, 1]), relus // 2
    sizes = [nx + nu, k, k, nx]
    weights = [rng.normal(size=(b, a)) * np.sqrt(2 / a) for a, b in itertools.pairwise(sizes)]
    weights[-1] *= 0.2
    biases = [0.3 * rng.normal(size=b) for b in sizes[1:-1]] + [np.zeros(nx)]
    return algebra.add_linear(algebra.from_layers(weights, biases), np.eye(nx, nx + nu))


def contact_problem(horizon: int, seed: int) -> Problem:
    """Push the object to a goal: L1 distance at every step, three times at the last."""
    rng = np.random.default_rng([seed, 2])
    obj = rng.uniform(-0.5, 0.5, 2)
    angle = rng.uniform(0, 2 * np.pi)
    start = np.concatenate([obj, obj + 1.2 * REACH * np.array([np.cos(angle), np.sin(angle)])])
    distance, towards = rng.uniform(0.2, 0.5), rng.uniform(0, 2 * np.pi)
    goal = obj + distance * np.array([np.cos(towards), np.sin(towards)])
    cost = Cost((Term(np.eye(2, 4), goal, "l1", 1.0, 3.0),))
    G, h = np.vstack([np.eye(4), -np.eye(4)]), np.full(8, WORKSPACE)
    labels = tuple(f"workspace {i}" for i in range(8))
    bound = np.full(2, STEP)
    return Problem(start, cost, Constraints(G, h, (), labels), -bound, bound, horizon)


def name(kind: str, size: int | tuple[int, ...], horizon: int, seed: int) -> str:
    """Name of an instance, such as `contact 24x10 s3` or `rope 4-12x5 s0`."""
    label = str(size) if isinstance(size, int) else "-".join(map(str, size))
    return f"{kind} {label}x{horizon} s{seed}"


def named(text: str) -> Instance:
    """Instance by its name."""
    kind, shape, seed = text.split(" ")
    label, horizon = shape.split("x")
    size = tuple(map(int, label.split("-"))) if "-" in label else int(label)
    return instance(kind, size, int(horizon), int(seed[1:]))


def neurons(cell: Cell) -> int:
    """ReLUs over the horizon."""
    _, size, horizon = cell
    return (size if isinstance(size, int) else sum(size)) * horizon


def instance(kind: str, size: int | tuple[int, ...], horizon: int, seed: int) -> Instance:
    """Instance by its parts.

    Args:
        kind: "contact", "random", "table", "rope", "pusht", or one of the suites
            `hybrid`, `choice` and `later`.
        size: hidden layers, or ReLUs per step: half of them in each of two layers where they
            are trained.
        seed: of the network (`contact`, `random`), the start and the goal.
    """
    hidden = (size // 2, size // 2) if isinstance(size, int) else tuple(size)
    relus = size if isinstance(size, int) else sum(size)
    starts, one = None, (size,) if isinstance(size, int) else tuple(size)
    if suite(kind) == "hybrid":
        from scripts.mip import hybrid

        hidden = (relus,)
        program, problem = hybrid.make(kind, relus, horizon, seed)
    elif suite(kind) == "choice":
        hidden = one
        program, problem = choice.make(kind, hidden, horizon, seed)
    elif suite(kind) == "later":
        from scripts.mip import later

        hidden = one
        program, problem, starts = later.make(kind, hidden, horizon, seed)
    elif kind not in ("contact", "random"):
        from scripts.mip import envs

        program, problem = envs.make(kind, hidden, horizon, seed)
    else:
        problem = contact_problem(horizon, seed)
        program = random_program(relus, seed)
        if kind == "contact":
            file = f"contact-{relus}-{seed}"
            program = unpack(cached(file, lambda: pack(contact_program(relus, seed))))
    label = name(kind, size, horizon, seed)
    return Instance(label, program, problem, hidden, kind, relus, seed, starts)


Cell = tuple[str, int | tuple[int, ...], int]
_SMALL = ((8, 8), (12, 12), (4, 12))
SUITES: dict[str, list[Cell]] = {
    "table": [("table", k, h) for k in (16, 24, 32, 48, 64, 96, 128) for h in range(1, 6)],
    "contact": [("contact", k, h) for k in (8, 16, 24, 48) for h in (3, 5, 10)],
    "envs": [(e, k, h) for e in ("rope", "pusht") for k in _SMALL for h in (3, 5)],
    "hybrid": [
        *(("flyer", k, h) for h in (14, 20, 24, 28) for k in (0, 4, 8)),
        *(("flyer-priced", 4, h) for h in (14, 20, 24)),
        *((kind, 12, h) for kind in ("slalom", "slalom-priced") for h in (14, 20)),
        ("wallpole", 4, 30),
        ("gate", 1, 24),
        ("gate-hard", 1, 24),
    ],
    "choice": choice.CELLS,
    "later": [
        *(("later-rope", (4, 12), h) for h in (3, 5)),
        *(("later-pusht_easy", (4, 12), h) for h in (3, 5)),
        ("later-cartpole", (8, 8), 5),
        ("later-cartpole", 8, 8),
        ("later-flyer", 8, 14),
    ],
    "random": [("random", k, h) for k in (8, 16, 24) for h in (3, 5)],
    "tiny": [("random", 4, 2)],
}
"""Cells of every suite: kind, size, horizon."""


def suite(kind: str) -> str:
    """The suite that has instances of that kind."""
    return next(name for name, cells in SUITES.items() if kind in {cell[0] for cell in cells})
