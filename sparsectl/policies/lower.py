"""A policy as a ReLU program of the state, so that it and the dynamics are one program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sparsectl.errors import ConfigError
from sparsectl.policies.network import PolicyNetwork
from sparsectl.program.algebra import compose, from_layers, precompose
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Task
from sparsectl.task.observation import StateMap


def lower(network: PolicyNetwork, task: Task, near: np.ndarray) -> ReluProgram:
    """The admissible action of a policy, shape (nu,), from the state, shape (nx,). Exact.

    Args:
        task: says which entries of the observation are the state and which actions there are.
        near: observation whose entries that are no state (goals) hold. Shape (observation_size,).

    Raises:
        ConfigError: tanh inside, other sizes, a rate limit, or entries that the policy reads and
            that are no affine function of the state.
    """
    if network.config.activation != "relu":
        raise ConfigError(
            f"the policy has {network.config.activation} inside: only ReLU networks are programs; "
            "its behaviour can be sampled, or imitate it by a ReLU network"
        )
    if network.config.output != "clip":
        raise ConfigError(
            "the policy's actions go through tanh, as SAC's do: no ReLU program; "
            "train by PPO or TD3, or imitate it, for one that can be verified"
        )
    if (network.observation_size, network.nu) != (task.map.observation_size, task.nu):
        raise ConfigError(
            f"the policy takes {network.observation_size} numbers and gives {network.nu}, the task "
            f"has observations of {task.map.observation_size} and actions of {task.nu}"
        )
    if task.inputs is not None and task.inputs.limited:
        raise ConfigError(
            "task.action.rate makes an action depend on the one before, which is no part of the "
            "state: leave the rate out, or make the last action a part of the observation"
        )
    layers = network.arrays()
    M, c = _observed(task.map, near, np.flatnonzero(abs(layers[0][0]).max(axis=0) > 0))
    net = precompose(from_layers([W for W, _ in layers], [b for _, b in layers]), M, c)
    low, high = network.low.numpy(), network.high.numpy()
    if (low <= task.u_low).all() and (task.u_high <= high).all():
        return compose(admissible(task), net)  # whose nearest values do not change by clipping it
    return compose(admissible(task), compose(_clip(low, high), net))


def admissible(task: Task) -> ReluProgram:
    """The admissible action nearest to a given one, both of shape (nu,), rates left aside.

    An entry's values are pieces [l_k, h_k] with middles m_k between them. The nearest is
    l_0 + sum_k (relu(y - l_k) - relu(y - h_k)) + sum_k (l_{k+1} - h_k) [y > m_k].
    """
    if task.inputs is None:
        return _clip(task.u_low, task.u_high)
    nu = task.nu
    rows, biases, steps, gains, at = [], [], [], [], []
    d = np.zeros(nu)
    for i, pieces in enumerate(task.inputs.pieces):
        unit = np.eye(nu)[i]
        d[i] = pieces[0, 0]
        for low, high in pieces[pieces[:, 0] < pieces[:, 1]]:
            rows += [unit, unit]
            biases += [-low, -high]
            steps += [False, False]
            gains += [1.0, -1.0]
            at += [i, i]
        for high, low in zip(pieces[:-1, 1], pieces[1:, 0], strict=True):
            # 1 - step(m - y), as a step neuron is 1 at 0 and `nearest` takes the lower piece there.
            rows.append(-unit)
            biases.append((high + low) / 2)
            steps.append(True)
            gains.append(high - low)
            at.append(i)
            d[i] += low - high
    return _elementwise(np.array(rows).reshape(-1, nu), biases, gains, at, d, steps)


def _clip(low: np.ndarray, high: np.ndarray) -> ReluProgram:
    """high - relu(high - low - relu(y - low)): neurons whose bounds keep actions in their box."""
    one = np.eye(len(low))
    return from_layers([one, -one, -one], [-low, high - low, high])


def _elementwise(
    rows: np.ndarray,
    biases: list[float],
    gains: list[float],
    at: list[int],
    d: np.ndarray,
    steps: list[bool],
) -> ReluProgram:
    """y = d + gains of neurons (rows v + biases) at their places."""
    m, nu = rows.shape
    out = np.zeros((nu, m))
    out[at, np.arange(m)] = gains
    program = from_layers([rows, out], [np.array(biases), d]) if m else None
    if program is None:
        return ReluProgram(nu, sp.csr_array((0, nu)), np.zeros(0), sp.csr_array((nu, nu)), d)
    return replace(program, step=np.array(steps, dtype=bool))


def _observed(map: StateMap, near: np.ndarray, read: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, c): observation M x + c of a state in the entries that are read, elsewhere 0."""
    size = map.observation_size
    origin = np.zeros(map.nx)
    for name in map.angles:
        part = map.names[name]
        origin[part.start + (part.stop - part.start) // 2 : part.stop] = 1.0
    # Raw parts are written as they are: a state of ones less one of zeros tells which those are.
    base = map.observation(origin, near)
    M = np.zeros((size, map.nx))
    angular: set[int] = set()
    for name, part in map.names.items():
        for j in range(part.start, part.stop):
            if name in map.angles:
                turned = origin.copy()
                turned[j] += 0.5
                angular |= set(np.flatnonzero(map.observation(turned, near) != base).tolist())
            else:
                moved = origin.copy()
                moved[j] += 1.0
                M[:, j] = map.observation(moved, near) - base
    known = {int(i) for i in map.used}
    for entry in (int(i) for i in read):
        if entry in angular:
            raise ConfigError(
                f"the policy reads the angle in entry {entry} of the observation, of which the "
                "state has sine and cosine: no affine function of the state. Give the policy "
                "sine and cosine, or plan with the angle as it is"
            )
        if entry not in known:
            raise ConfigError(
                f"the policy reads entry {entry} of the observation, which is neither state nor "
                "goal: name it under task.observation.state"
            )
    kept = np.zeros(size, dtype=bool)
    kept[read] = True
    M[~kept] = 0.0
    return M, np.where(kept, base, 0.0)
