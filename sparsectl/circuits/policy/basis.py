"""Kinds of synapses, and how few parameters make the weights of all joints and both sides.

Weights are linear in the parameters: weights (channels, sides, joints) = parameters (n,) @ basis,
whose entries are 0 and 1. `sides` is 1 where dorsal and ventral share a weight. A group that acts
on some joints only has zeros elsewhere. Counts of `module` sharing are those of the unshared
circuit of Bhattasali et al. (2022): 6 per joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.circuits.policy.config import CircuitConfig
from sparsectl.seeding import generator


@dataclass(frozen=True)
class Group:
    """Synapses of one kind.

    Attributes:
        sign: 1 excitatory, -1 inhibitory.
        basis: shape (n, channels, sides, joints).
        start: initial parameters. Shape (n,).
        acting: joints it acts on, of each channel.
    """

    name: str
    sign: int
    basis: np.ndarray
    start: np.ndarray
    acting: tuple[tuple[int, ...], ...]


def groups(config: CircuitConfig, joints: int) -> tuple[Group, ...]:
    """Kinds of synapses of a circuit, in the order of its parameters."""
    everywhere = tuple(range(joints))
    reach = tuple(tuple(range(min(k, joints), joints)) for k in range(1, config.reach + 1))
    reflex = tuple(tuple(range(max(joints - k, 0))) for k in range(config.reflex))
    made = [
        _group("proprioception", 1, reach, config, joints),
        *([_group("reflex", -1, reflex, config, joints)] if reflex else []),
        _group("oscillator", 1, ((0,),), config, joints),
        _group("ipsilateral", 1, (everywhere,), config, joints),
        _group("contralateral", -1, (everywhere,), config, joints),
    ]
    if config.speed:
        made.append(_group("speed", -1, (everywhere,), config, joints))
    if config.turn:
        first = everywhere[: config.turn_joints]
        made.append(_group("turn", 1, (first,), config, joints))
    return tuple(made)


def positions(joints: int) -> np.ndarray:
    """Relative positions of the joints, 0 at the head and 1 at the tail. Shape (joints,)."""
    return np.arange(joints) / max(joints - 1, 1)


def transfer(old: Group, new: Group, values: np.ndarray, config: CircuitConfig) -> np.ndarray:
    """Parameters of a group for a body with another number of joints.

    Shared values stay; those of single joints are interpolated at the same relative positions (a
    group that acted nowhere on the old body starts anew).

    Args:
        values: parameters on the old body. Shape (n,).
    """
    if config.sharing == "shared":
        return values.copy()
    result, start, begin = [], 0, 0
    before, after = (positions(g.basis.shape[-1]) for g in (old, new))
    for acted, acts in zip(old.acting, new.acting, strict=True):
        for _ in range(2):
            mine = values[start : start + len(acted)]
            fresh = new.start[begin : begin + len(acts)]
            at = after[list(acts)], before[list(acted)]
            result.append(np.interp(*at, mine) if len(acted) else fresh)
            start, begin = start + len(acted), begin + len(acts)
    return np.concatenate(result)


def _group(
    name: str,
    sign: int,
    acting: tuple[tuple[int, ...], ...],
    config: CircuitConfig,
    joints: int,
) -> Group:
    """One kind of synapse."""
    parts = [_columns(list(a), config, joints) for a in acting]
    count, sides = sum(p.shape[0] for p in parts), 2 if config.sharing == "module" else 1
    basis, start, row = np.zeros((count, len(parts), sides, joints)), np.zeros(count), 0
    draw = generator(config.seed, "circuit", name)
    for channel, part in enumerate(parts):
        end = row + part.shape[0]
        basis[row:end, channel] = part
        values = _initial(part.shape[0], sign, channel, config, draw)
        if channel == 0 and name in config.start:
            values = np.full(part.shape[0], config.start[name])
        start[row:end] = values
        row = end
    return Group(name, sign, basis, start, acting)


def _columns(acting: list[int], config: CircuitConfig, joints: int) -> np.ndarray:
    """Basis of one channel. Shape (n, sides, joints)."""
    if config.sharing == "module":
        part = np.zeros((2, len(acting), 2, joints))
        for side in range(2):
            part[side, np.arange(len(acting)), side, acting] = 1.0
        return part.reshape(-1, 2, joints)
    part = np.zeros((1, 1, joints))
    part[..., acting] = 1.0
    return part


def _initial(
    count: int, sign: int, channel: int, config: CircuitConfig, draw: np.random.Generator
) -> np.ndarray:
    if config.init == "uniform":
        low = 0.0 if config.signed else -1.0
        return (sign if config.signed else 1) * draw.uniform(low, 1.0, count)
    if channel > 0:
        return np.zeros(count)
    return np.full(count, float(sign)) if config.signed else draw.choice([-1.0, 1.0], count)
