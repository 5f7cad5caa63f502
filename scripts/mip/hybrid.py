"""Hybrid decisions on paper models: on-off jets, keep-outs, contact; no training but of 8 ReLUs.

`flyer`: configs/flyer.yaml (11 boxes and the door), a scene by seed; without ReLUs there is no
friction, four are exact (envs/flyer/README.md), eight are trained on that.
`slalom`: a disc with quadratic drag, in 12 ReLUs, through the gaps of three walls.
`wallpole`: configs/wallpole.yaml with scripts/closed_loop/wallpole_paper.py. `gate`:
configs/gate.yaml, one ReLU. With `-priced` or `-hard` all keep-outs have a price, or none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import sparsectl.envs  # noqa: F401
from scripts.closed_loop import wallpole_paper
from scripts.mip.instances import cached, pack, unpack
from sparsectl import environment, experiment
from sparsectl.mip import bound_neurons
from sparsectl.program import ReluProgram, algebra
from sparsectl.task import CostConfig, ObservationConfig, Problem, Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.task.keep_out import KeepOutConfig

CONFIGS = Path(__file__).parents[2] / "configs"
PRICE = 100.0
"""Of a metre of depth and step where a task has none of its own."""
_BOXES = {28: 7}
"""Boxes of the flyer's scenes by horizon; 11 at others."""


def make(kind: str, relus: int, horizon: int, seed: int) -> tuple[ReluProgram, Problem]:
    """Program and problem of one instance; `kind` is one of the suite *hybrid*."""
    base, _, keep_out = kind.partition("-")
    if base == "slalom":
        return slalom(relus), _slalom_problem(horizon, seed, PRICE if keep_out else None)
    programs = {"flyer": flyer, "wallpole": lambda _: wallpole_paper.program(), "gate": gate}
    return programs[base](relus), _decision(base, keep_out, horizon, seed)


def _decision(base: str, keep_out: str, horizon: int, seed: int) -> Problem:
    """The first decision of an episode of that config."""
    config = experiment.load(CONFIGS / f"{base}.yaml")
    if keep_out:
        price, limits = PRICE if keep_out == "priced" else None, config.task.constraints
        regions = [replace(k, price=price) for k in limits.keep_out]
        task = replace(config.task, constraints=replace(limits, keep_out=regions))
        config = replace(config, task=task)
    boxes = {"boxes": _BOXES.get(horizon, 11)} if base == "flyer" else {}
    env = environment.make(config.env.id, {**config.env.kwargs, **boxes})
    task = Task.of(config.task, env)
    problem = task.problem(env.reset(seed=seed)[0], horizon)
    while base == "wallpole" and bound_neurons(wallpole_paper.program(), problem, "crown").empty:
        problem = task.problem(env.reset()[0], horizon)  # bounds alone refute most starts
    env.close()
    return problem


def flyer(relus: int) -> ReluProgram:
    """Positions and speeds under jets, with dry friction where there are ReLUs."""
    w = np.zeros((2, 6))
    w[:, 2:4], w[:, 4:] = 0.985 * np.eye(2), 0.09 * np.eye(2)
    speeds = algebra.affine(w, np.zeros(2))
    if relus == 4:
        # w - clip(w, -.015, .015) = max(w - .015, 0) - max(-w - .015, 0)
        speeds = algebra.from_layers(
            [np.vstack([w, -w]), np.hstack([np.eye(2), -np.eye(2)])],
            [np.full(4, -0.015), np.zeros(2)],
        )
    elif relus:
        speeds = unpack(cached(f"flyer-{relus}", lambda: pack(_friction(relus, w))))
    return _moving(speeds, 0.75)


def _moving(speeds: ReluProgram, step: float) -> ReluProgram:
    """Positions too, which move with the mean of the speeds before and after."""
    path = np.eye(4, 6)
    path[2:], path[:2, 2:4] = 0.0, 0.5 * step * np.eye(2)
    both = np.vstack([0.5 * step * np.eye(2), np.eye(2)])
    return algebra.add_linear(algebra.postcompose(speeds, both), path)


def _friction(relus: int, w: np.ndarray) -> ReluProgram:
    """The speeds after a step as ReLUs beside a linear path have learnt them."""
    torch.manual_seed(0)
    v, u = 0.22 * (2 * torch.rand(20_000, 2) - 1), torch.randint(-1, 2, (20_000, 2)).float()
    inputs = torch.cat([v / 0.1, u], 1)
    free = torch.cat([0 * v, v, u], 1) @ torch.tensor(w.T, dtype=torch.float32)
    slowed = -free.clip(-0.015, 0.015) / 0.1
    net = torch.nn.Sequential(torch.nn.Linear(4, relus), torch.nn.ReLU(), torch.nn.Linear(relus, 2))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4000)
    for _ in range(4000):
        batch = torch.randint(0, len(inputs), (512,))
        loss = (net(inputs[batch]) - slowed[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = [net[0], net[2]]
    weights = [layer.weight.detach().double().numpy() for layer in layers]
    biases = [layer.bias.detach().double().numpy() for layer in layers]
    see = np.zeros((4, 6))
    see[:2, 2:4], see[2:, 4:] = np.eye(2) / 0.1, np.eye(2)
    learnt = algebra.precompose(algebra.from_layers(weights, biases), see)
    return algebra.add_linear(algebra.postcompose(learnt, 0.1 * np.eye(2)), w)


def gate(relus: int) -> ReluProgram:
    """Pusher, and edge of the gate at its opening less .15 m; one ReLU.

    opening' = .9 opening + max(0, x' + .08 - .9 opening), x' the pusher's.
    """
    path = np.zeros((3, 5))
    path[:2, :2], path[:2, 3:], path[2, 2] = np.eye(2), 0.02 * np.eye(2), 0.9
    seen, pushed = np.array([[1.0, 0.0, -0.9, 0.02, 0.0]]), np.array([[0.0], [0.0], [1.0]])
    biases = [np.array([0.08 - 0.9 * 0.15]), np.array([0.0, 0.0, -0.1 * 0.15])]
    return algebra.add_linear(algebra.from_layers([seen, pushed], biases), path)


_STEP, _DRAG, _FASTEST = 0.2, 0.5, 1.6
"""Of the slalom: control step [s], drag [1/m], speed at which drag is cut off [m/s]."""


def slalom(relus: int) -> ReluProgram:
    """A disc under thrust with drag c |v| v of each axis, interpolated with `relus` / 2 hinges."""
    knots = np.linspace(-_FASTEST, _FASTEST, relus // 2 + 2)
    drag = _STEP * _DRAG * abs(knots) * knots
    slopes, turning = np.diff(drag) / np.diff(knots), knots[1:-1]
    v, thrust = np.eye(2, 6, 2), _STEP * np.eye(2, 6, 4)
    offset = np.full(2, slopes[0] * knots[0] - drag[0])
    weights = [np.repeat(v, relus // 2, axis=0), -np.kron(np.eye(2), np.diff(slopes))]
    hinges = algebra.from_layers(weights, [-np.tile(turning, 2), offset])
    return _moving(algebra.add_linear(hinges, (1 - slopes[0]) * v + thrust), _STEP)


def _slalom_problem(horizon: int, seed: int, price: float | None) -> Problem:
    """From the left to the right through the gaps, .2 m wide, of three walls."""
    rng = np.random.default_rng([seed, 11])
    gaps = rng.uniform(0.15, 0.4, 3) * np.array([1, -1, 1]) * rng.choice([-1, 1])
    boxes = []
    for k, middle in enumerate(gaps):
        x = 0.5 + 0.5 * k
        boxes += [(x, -1.0, x + 0.05, middle - 0.1), (x, middle + 0.1, x + 0.05, 1.0)]
    terms = [
        TermConfig("position", [2.0, 0.0], weight=0.1, terminal_weight=5.0),
        TermConfig("velocity", 0.0, weight=0.0, terminal_weight=1.0),
    ]
    limits = ConstraintsConfig(
        boxes=[
            BoxConfig("position", [-0.2, -0.8], [2.2, 0.8]),
            BoxConfig("velocity", -1.5, 1.5),
        ],
        keep_out=[KeepOutConfig("position", box=box, margin=0.04, price=price) for box in boxes],
    )
    observed = ObservationConfig({"position": "0:2", "velocity": "2:4"})
    config = TaskConfig(observed, CostConfig(terms), limits)
    task = Task(config, 4, np.full(2, -1.5), np.full(2, 1.5))
    start = np.array([0.0, rng.uniform(-0.3, 0.3), 0.0, 0.0])
    return task.problem(start, horizon)
