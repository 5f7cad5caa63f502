"""Run a trained policy (anything with Stable-Baselines3's `predict`) as a controller."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish, no_plan
from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError, nearest
from sparsectl.task import Problem, Task
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.program import Programs


class Policy(Protocol):
    """What is needed of a policy; `stable_baselines3` models and ours both have it."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Action and next hidden state."""


@register("policy")
@dataclass(frozen=True)
class PolicyConfig(ControllerConfig):
    """A policy of one's own."""

    starts_mip, looks_ahead = False, False

    path: str
    """`module:name` of a function of the observation, shape (observation_size,), that returns the
    action, shape (action_size,), or of an object with Stable-Baselines3's `predict`, or of a class
    of such. The module is installed, beside the YAML file or in the working directory."""
    deterministic: bool = True
    """For `predict`: no exploration."""

    def __post_init__(self) -> None:
        self._found()

    def build(self, setup: Setup) -> PolicyController:
        """See `ControllerConfig.build`."""
        found = self._found()
        policy = found() if isinstance(found, type) else found
        if not hasattr(policy, "predict"):
            policy = _Function(policy)
        return PolicyController(
            setup.name, setup.task, policy, setup.program, deterministic=self.deterministic
        )

    def outside(self) -> str | None:
        """Digest of the module's text, on which results depend as well."""
        spec = importlib.util.find_spec(self.path.partition(":")[0])
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            return None
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]

    def _found(self) -> Any:
        module, _, name = self.path.partition(":")
        if not (module and name):
            raise ConfigError(f"path is '{self.path}', expected `module:name`")
        try:
            there = importlib.import_module(module)
        except Exception as error:
            raise ConfigError(
                f"path: module '{module}' cannot be imported: {type(error).__name__}: {error}; it "
                "must be installed, beside the YAML file or in the working directory"
            ) from error
        found = getattr(there, name, None)
        if found is None:
            names = [n for n in vars(there) if not n.startswith("_")]
            raise ConfigError(f"path: module '{module}' has no '{name}'" + nearest(name, names))
        if not (callable(found) or hasattr(found, "predict")):
            raise ConfigError(
                f"path: '{self.path}' is {type(found).__name__}, expected a function of the "
                "observation or an object with `predict`"
            )
        if isinstance(found, type) and not hasattr(found, "predict"):
            raise ConfigError(f"path: class '{self.path}' has no `predict`")
        return found


class _Function:
    """A function of the observation as a policy."""

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self._function = function

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Action of the function; it remembers nothing."""
        return np.atleast_1d(np.asarray(self._function(observation), dtype=np.float64)), None


class PolicyController(Controller):
    """A policy as a controller of horizon 1; its hidden state travels in the `ControllerState`.

    The plan's cost is that of one step of the program, or NaN without a program.
    """

    looks_ahead = False

    def __init__(
        self,
        name: str,
        task: Task,
        policy: Policy,
        program: Programs | None = None,
        *,
        deterministic: bool = True,
    ) -> None:
        self.name, self.task, self.horizon = name, task, 1
        self.policy, self.model, self.deterministic = policy, program, deterministic

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """One action of the policy at the problem's observation; `FAILED` without one.

        Raises:
            NonFiniteError, ShapeError: from the policy's action.
        """
        if problem.observation is None:
            message = "a policy acts on observations, and this problem has none: use task.problem()"
            return no_plan(problem, Status.FAILED, message, source="policy"), state.memory
        action, hidden = self.policy.predict(
            problem.observation,
            state=state.memory,
            episode_start=np.array([state.step == 0]),
            deterministic=self.deterministic,
        )
        given, inputs = np.asarray(action, dtype=np.float64), problem.inputs
        if given.size == problem.nu and inputs is not None and inputs.discrete.all():
            given = given.reshape(problem.nu)  # in the shape of the environment's own actions
        if given.shape != (problem.nu,):
            raise ShapeError(
                f"policy '{self.name}' returned an action of shape {given.shape}, expected "
                f"({problem.nu},)"
            )
        actions = given[None]
        if not np.isfinite(actions).all():
            raise NonFiniteError(f"policy '{self.name}' returned a non-finite action")
        if self.model is not None:
            return finish(self.model, problem, actions, source="policy"), hidden
        clipped = problem.admit(actions)
        plan = Plan(clipped, problem.x0[None], Status.HEURISTIC, float("nan"), source="policy")
        return plan, hidden
