"""The motor circuit of C. elegans as a policy (Bhattasali, Zador and Engel 2022).

For joint i (0 at the head) with g(x) = min(max(x, 0), 1), dorsal (d) and ventral (v) alike:

    q_d = g(angle / limit)                                  q_v = g(-angle / limit)
    b_d[i] = g(sum_k p_k q_d[i - k] + sum_k r_k q_d[i + k]
               + o phi_d(phase) [i = 0] + s (1 - speed) + t right)
    m_d[i] = g(I b_d[i] + C b_v[i])                         action[i] = m_d[i] - m_v[i]

Proprioception p, the oscillator o, turning t (with `left` on the ventral side) and ipsilateral
synapses I excite; speed s and contralateral synapses C inhibit. The wave phi is a square one:
dorsal in the first half cycle, ventral in the second. Beyond the paper, the stretch reflex r (k
from 0, the joint's own) inhibits, and with crossed stretch q_d - q_v and q_v - q_d take the places
of q_d and q_v: a joint that has bent far enough is driven back. And with onset by posture the first
cycle begins in the middle, on the ventral side, where sum_i q_d[i] > sum_i q_v[i]: the body first
unbends. Until its first step the phase is `UNBEGUN`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.circuits.policy import lesions as cuts
from sparsectl.circuits.policy import steering
from sparsectl.circuits.policy.base import MotorPolicy, advance
from sparsectl.circuits.policy.basis import groups, transfer
from sparsectl.circuits.policy.body import Body
from sparsectl.circuits.policy.config import SHORTEST_PERIOD, CircuitConfig
from sparsectl.errors import ConfigError

UNBEGUN = -1.0
"""Phase of an oscillator that waits for the first posture."""


class Weights(NamedTuple):
    """What a step needs of a circuit's parameters, with any leading axes.

    Attributes:
        reach: proprioception from the joints 1, 2, ... ahead. Each (..., sides, joints).
        reflex: stretch reflex from the joints 0, 1, ... behind. Each (..., sides, joints).
        named: the other kinds of synapses. Each (..., sides, joints).
        step: advance of the phase [cycles]. Shape (..., 1).
        layer: of the learned steering. Shape (..., 9).
    """

    reach: tuple[Tensor, ...]
    reflex: tuple[Tensor, ...]
    named: dict[str, Tensor]
    step: Tensor | float
    layer: Tensor | None


class Circuit(MotorPolicy):
    """Motor circuit of a body.

    Parameters are vectors by kind of synapse (`proprioception`, `oscillator`, `ipsilateral`,
    `contralateral`, then `reflex`, `speed`, `turn`, `period`, `steering` where
    configured). Signs are kept by clamping the weights in the forward pass, so that a parameter
    beyond 0 has no gradient.

    Args:
        lesions: parts that are cut, see `lesions.lesion`.

    Raises:
        ConfigError: steering without a target in the observation, or an unknown lesion.
    """

    basis: Tensor
    low: Tensor
    high: Tensor
    gain: Tensor
    alive: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, config: CircuitConfig, body: Body, lesions: tuple[str, ...] = ()) -> None:
        super().__init__(body)
        if config.steering != "none" and body.target is None:
            raise ConfigError(
                f"circuit: steering '{config.steering}' needs a target in the observation, which "
                "this body does not have: set steering to 'none' or name the body's target"
            )
        self.config, self.lesions = config, tuple(lesions)
        self.groups = groups(config, body.joints)
        posture = ["onset"] if config.onset == "posture" else []
        cuts.check(self.lesions, [*(g.name for g in self.groups), *posture], body.joints)
        self._waits = bool(posture) and "onset" not in self.lesions
        for group in self.groups:
            setattr(self, group.name, _parameter(group.start))
        if config.learn_period:
            self.period = _parameter(np.zeros(1))
        if config.steering == "learned":
            self.steering = _parameter(steering.start(config))
        self._constants(config, body)

    def _constants(self, config: CircuitConfig, body: Body) -> None:
        """Buffers, and the places of all values in a vector of parameters."""
        joints, synapses = body.joints, sum(g.start.size for g in self.groups)
        channels = [g.basis.shape[1] for g in self.groups]
        self._shape = (sum(channels), self.groups[0].basis.shape[2], joints)
        basis, row, channel = np.zeros((synapses, *self._shape)), 0, 0
        for group, wide in zip(self.groups, channels, strict=True):
            rows = slice(row, row + group.start.size)
            if group.name not in self.lesions:
                basis[rows, channel : channel + wide] = group.basis
            row, channel = rows.stop, channel + wide
        signs = np.repeat([g.sign for g in self.groups], channels)[:, None, None]
        self._synapses = synapses
        sides = np.array([[1.0], [-1.0]])
        sensors = cuts.intact(self.lesions, "proprioceptor", joints)
        modules = cuts.intact(self.lesions, "module", joints)
        for name, array in {
            "basis": basis.reshape(synapses, -1),
            "low": np.where((signs < 0) | (not config.signed), -np.inf, 0.0),
            "high": np.where((signs > 0) | (not config.signed), np.inf, 0.0),
            "gain": sides * sensors / body.limit,
            "alive": modules,
            "first": (sides > 0) * 1.0,
            "second": (sides < 0) * 1.0,
        }.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self._cut = bool((modules == 0).any())

    def prepare(self, vector: Tensor) -> Weights:
        """Weights of all joints. Shape (..., n) -> each (..., sides, joints)."""
        weights = self._weights(vector).unbind(-3)
        parts, row = {}, 0
        for group in self.groups:
            wide = group.basis.shape[1]
            parts[group.name] = weights[row : row + wide]
            row += wide
        named = {n: w[0] for n, w in parts.items() if n not in ("proprioception", "reflex")}
        return Weights(
            reach=parts["proprioception"][: self.body.joints - 1],
            reflex=parts.get("reflex", ())[: self.body.joints],
            named=named,
            step=self._step(vector),
            layer=vector[..., -9:] if self.config.steering == "learned" else None,
        )

    def act(
        self,
        prepared: Weights,
        observation: Tensor,
        state: Tensor,
        command: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `MotorPolicy.act`.

        Args:
            command: speed, right and left, each from 0 to 1. Shape (..., 3); None: those of the
                steering, or full speed ahead.
        """
        named, start = prepared.named, self.body.angles.start or 0
        angles = observation.narrow(-1, start, self.body.joints).unsqueeze(-2)
        bent = (angles * self.gain).clamp(-1.0 if self.config.crossed else 0.0, 1.0)
        if self._waits:
            state = torch.where(state < 0, _onset(bent), state)
        wave = torch.where(state.unsqueeze(-1) < 0.5, self.first, self.second)
        drive = named["oscillator"] * wave
        for k, weight in enumerate(prepared.reach, start=1):
            # The weights of the first k joints are 0: what comes around from the tail is not felt.
            drive = torch.addcmul(drive, weight, bent.roll(k, -1))
        for k, weight in enumerate(prepared.reflex):
            drive = torch.addcmul(drive, weight, bent.roll(-k, -1) if k else bent)
        motor = self._commanded(drive, prepared, observation, command).clamp(0, 1)
        crossed = named["contralateral"] * motor.flip(-2)
        muscle = torch.addcmul(crossed, named["ipsilateral"], motor).clamp(0, 1)
        dorsal, ventral = muscle.unbind(-2)
        action = dorsal - ventral
        if self._cut:
            action = action * self.alive
        return action, advance(state, prepared.step)

    def forward(
        self, observation: Tensor, state: Tensor, command: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step, see `MotorPolicy.forward` and `act`."""
        self.check(observation)
        return self.act(self.prepare(self.vector()), observation, state, command)

    def initial_state(self, *batch: int) -> Tensor:
        """See `MotorPolicy.initial_state`."""
        start = super().initial_state(*batch)
        return start.fill_(UNBEGUN) if self._waits else start

    def with_joints(self, body: Body) -> Circuit:
        """The same circuit on another body: what joints share stays, the rest is interpolated.

        Raises:
            ConfigError: a lesion of a joint that the other body does not have.
        """
        other = Circuit(self.config, body, self.lesions)
        moved = {
            old.name: torch.from_numpy(
                transfer(old, new, getattr(self, old.name).detach().cpu().numpy(), self.config)
            )
            for old, new in zip(self.groups, other.groups, strict=True)
        }
        other.load_state_dict({**self.state_dict(), **moved})
        return other

    @torch.no_grad()
    def weights(self) -> dict[str, np.ndarray]:
        """Weights that act, after signs and lesions. Shape (channels, 2, joints) by kind.

        The channels of `proprioception` are the distances 1, 2, ... towards the head, those of
        `reflex` 0, 1, ... towards the tail; the others have one.
        """
        values = self._weights(self.vector()).expand(-1, 2, -1).numpy()
        found, row = {}, 0
        for group in self.groups:
            wide = group.basis.shape[1]
            found[group.name] = values[row : row + wide].copy()
            row += wide
        return found

    @torch.no_grad()
    def steps_per_cycle(self) -> float:
        """Period of the oscillator, in control steps."""
        return float(1 / self._step(self.vector()))

    def _weights(self, vector: Tensor) -> Tensor:
        """Weights of all joints. Shape (..., n) -> (..., channels, sides, joints)."""
        values = (vector[..., : self._synapses] @ self.basis).unflatten(-1, self._shape)
        return values.clamp(self.low, self.high)

    def _commanded(
        self, drive: Tensor, prepared: Weights, observation: Tensor, command: Tensor | None
    ) -> Tensor:
        """Drive of the motor neurons with the speed and turn inputs."""
        if not (self.config.speed or self.config.turn):
            return drive
        if command is None:
            if self.config.steering == "none":
                return drive  # full speed ahead: neither input is active
            command = steering.command(
                observation[..., self.body.target], prepared.layer, self.config
            )
        inputs = command.clamp(0, 1).unsqueeze(-1)
        if self.config.speed:
            drive = drive + prepared.named["speed"] * (1 - inputs[..., :1, :])
        if self.config.turn:
            drive = drive + prepared.named["turn"] * inputs[..., 1:, :]
        return drive

    def _step(self, vector: Tensor) -> Tensor | float:
        """Advance of the phase, in cycles. Shape (..., n) -> (..., 1)."""
        if not self.config.learn_period:
            return 1 / self.config.period
        factor = vector[..., self._synapses : self._synapses + 1].exp()
        return 1 / (self.config.period * factor).clamp(min=SHORTEST_PERIOD)


def _onset(bent: Tensor) -> Tensor:
    """Phase of the first step. Shape (..., 2, joints) -> (..., 1)."""
    dorsal, ventral = bent.sum(-1, keepdim=True).unbind(-2)
    return (dorsal > ventral) * 0.5


def _parameter(values: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, dtype=np.float64)))
