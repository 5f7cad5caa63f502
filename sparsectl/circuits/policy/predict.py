"""Our policies with Stable-Baselines3's `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.errors import NonFiniteError, ShapeError


def opened(path: str) -> tuple[ModulePolicy, tuple[int, int], dict[str, Any]]:
    """The policy of a checkpoint, the sizes of its observations and actions, and its meta data.

    Raises:
        CheckpointError: see `checkpoint.load`.
    """
    module, meta = checkpoint.load(path)
    return ModulePolicy(module), (module.body.size, module.body.joints), meta


class ModulePolicy:
    """A policy behind `predict`, for one observation or a batch of them.

    The policy's state travels in `state`; where `episode_start` is true it begins anew.

    Args:
        module: policy; it is used as it is, without gradients.
    """

    def __init__(self, module: MotorPolicy) -> None:
        self.module = module

    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Action and next state.

        Args:
            observation: shape (observation_size,) or (n, observation_size).
            state: what the last call returned; None at the start.
            episode_start: whether an episode begins. Scalar or shape (n,).
            deterministic: has no effect, our policies draw nothing.

        Returns:
            Action (nu,) or (n, nu) in [-1, 1], float32 as the action space, and state.

        Raises:
            ShapeError: an observation of another body, or a state of another batch.
            NonFiniteError: a NaN or infinity in either.
        """
        seen = self._observation(observation)
        begin = self.module.initial_state(*seen.shape[:-1]).numpy()
        memory = begin if state is None else self._state(state, begin.shape)
        if episode_start is not None:
            starts = self._starts(episode_start, begin.shape[:-1])
            memory = np.where(starts[..., None], begin, memory)
        action, after = self.module(torch.from_numpy(seen), torch.from_numpy(memory))
        return action.numpy().astype(np.float32), after.numpy()

    def _observation(self, observation: Any) -> np.ndarray:
        try:
            seen = np.array(observation, dtype=np.float64)
        except (TypeError, ValueError):
            raise ShapeError(
                f"observation of type {type(observation).__name__}, expected an array: make the "
                "environment by sparsectl.environment.make, which flattens observations"
            ) from None
        body = self.module.body
        if seen.ndim not in (1, 2) or seen.shape[-1] != body.size:
            raise ShapeError(
                f"observation of shape {seen.shape}, expected ({body.size},) or (n, {body.size}) "
                f"for a body of {body.joints} joints"
            )
        if not np.isfinite(seen).all():
            where = sorted({int(i) for i in np.argwhere(~np.isfinite(seen))[:, -1]})
            raise NonFiniteError(f"the observation holds a NaN or infinity at {where}")
        return seen

    @staticmethod
    def _starts(episode_start: Any, shape: tuple[int, ...]) -> np.ndarray:
        starts = np.asarray(episode_start, dtype=bool)
        if starts.size not in (1, *shape):
            raise ShapeError(
                f"episode_start of shape {starts.shape} for observations of batch shape {shape}"
            )
        return np.broadcast_to(starts.reshape(()) if starts.size == 1 else starts, shape)

    def _state(self, state: Any, shape: tuple[int, ...]) -> np.ndarray:
        memory = np.array(state, dtype=np.float64)
        if memory.shape != shape:
            raise ShapeError(
                f"policy state of shape {memory.shape}, expected {shape}: pass on what the last "
                "call returned, or None"
            )
        if not np.isfinite(memory).all():
            raise NonFiniteError("the policy's state holds a NaN or infinity")
        return memory
