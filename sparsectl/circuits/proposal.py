"""Motor policies as proposals of plans: what they would do in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.body import Body, BodyConfig, entries
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.config import CircuitConfig
from sparsectl.config import from_dict
from sparsectl.control.wrappers.proposal import Maker, Rehearsal
from sparsectl.errors import CheckpointError, ConfigError, prefixed
from sparsectl.program import Programs
from sparsectl.task import Task


@dataclass(frozen=True)
class ProposalConfig:
    """A circuit by its settings; `start` and `period` can hold trained weights."""

    body: BodyConfig
    """Where the joint angles are in the observation, and where they end."""
    circuit: CircuitConfig = field(default_factory=CircuitConfig)
    """The circuit; the default is the paper's, untrained."""


class MotorProposal(Rehearsal):
    """What a motor policy would do: it is played in the model.

    Args:
        policy: of a body with the task's observation and actions; used as it is.
        task, program: see `Rehearsal`.

    Raises:
        ConfigError: another size of observation or action.
    """

    def __init__(self, policy: MotorPolicy, task: Task, program: Programs) -> None:
        super().__init__(task, program)
        body, size = policy.body, task.map.observation_size
        if (body.size, body.joints) != (size, task.nu):
            raise ConfigError(
                f"a policy of {body.joints} joints and observations of {body.size} entries, "
                f"expected {task.nu} and {size}: train it on this environment"
            )
        self.policy = policy
        with torch.no_grad():
            self._prepared = policy.prepare(policy.vector())

    @torch.no_grad()
    def act(self, observation: np.ndarray, memory: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rehearsal`; the memory is the policy's state (state_size,)."""
        begun = self.policy.initial_state() if memory is None else torch.tensor(memory)
        action, after = self.policy.act(self._prepared, torch.from_numpy(observation), begun)
        return action.numpy(), after.numpy()


def make(
    source: str | Mapping[str, Any], task: Task, program: Programs, where: str
) -> MotorProposal:
    """See `control.proposal.make`."""
    if isinstance(source, str):
        with prefixed(where, ConfigError, CheckpointError):
            return MotorProposal(checkpoint.load(source)[0], task, program)
    config = from_dict(ProposalConfig, source, where)
    with prefixed(where, ConfigError):
        return MotorProposal(Circuit(config.circuit, _body(config.body, task)), task, program)


def check(source: Any, where: str) -> None:
    """See `control.proposal.check`, of a circuit that is spelled out."""
    if not isinstance(source, Mapping):
        raise ConfigError(
            f"{where}: got {source!r}, expected the folder of a policy or a mapping with "
            "`body` and `circuit`"
        )
    body = from_dict(ProposalConfig, source, where).body
    if body.angles is None or body.limit is None:
        raise ConfigError(f"{where}.body: give `angles`, for example 0:5, and `limit` [rad]")


MAKER = Maker(check, make)


def _body(config: BodyConfig, task: Task) -> Body:
    angles, target = entries("angles", config.angles), entries("target", config.target)
    limit = config.limit
    if angles is None or limit is None:
        raise ConfigError("body: give `angles`, for example 0:5, and `limit` [rad]")
    return Body(task.nu, angles, limit, target, task.map.observation_size)
