"""Run a trained policy (anything with Stable-Baselines3's `predict`) as a controller."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsectl import checkpoint
from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.control.plans import finish, no_plan
from sparsectl.environment.sources import sources
from sparsectl.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteError,
    ShapeError,
    nearest,
    prefixed,
)
from sparsectl.offers import OFFERS
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
    """A policy that was trained, or one of one's own."""

    starts_mip, looks_ahead, policies = False, False, ("path",)

    path: str
    """Folder of a policy's checkpoint (of `sparsectl policy train`, `policy convert` or `swim
    train`), or `module:name` of a function of the observation, shape (observation_size,), that
    returns the action, shape (action_size,), or of an object with Stable-Baselines3's `predict`,
    or of a class of such. The module is installed, beside the YAML file or in the working
    directory."""
    deterministic: bool = True
    """For `predict`: no exploration."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("path is empty, expected a policy's folder or `module:name`")
        if not is_folder(self.path):
            self._found()

    def build(self, setup: Setup) -> PolicyController:
        """See `ControllerConfig.build`.

        Raises:
            CheckpointError: the folder is missing, damaged or holds something else.
            ConfigError: the policy is for other observations or actions.
        """
        policy = trained(self.path, setup.task) if is_folder(self.path) else self._own()
        return PolicyController(
            setup.name, setup.task, policy, setup.program, deterministic=self.deterministic
        )

    def outside(self) -> str | None:
        """Digest of the texts of the module and of what it imports of the user's own."""
        if is_folder(self.path):  # what it holds counts as that of other checkpoints does
            return None
        spec = importlib.util.find_spec(self.path.partition(":")[0])
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            return None
        texts = [path.read_bytes() for path in sorted(sources([Path(spec.origin)]))]
        return hashlib.sha256(b"".join(texts)).hexdigest()[:16]

    def _own(self) -> Policy:
        found = self._found()
        return as_policy(found() if isinstance(found, type) else found)

    def _found(self) -> Any:
        module, _, name = self.path.partition(":")
        if not (module and name):
            raise ConfigError(
                f"path is '{self.path}', where no folder is; as code, expected `module:name`"
            )
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


def as_policy(given: Any) -> Any:
    """What has `predict` as it is; a function of the observation with one.

    Raises:
        ConfigError: neither.
    """
    if hasattr(given, "predict") and not isinstance(given, type):
        return given
    if isinstance(given, type) or not callable(given):
        raise ConfigError(
            f"{given!r} is given as a controller or policy: expected an object with `predict` (a "
            "Controller, a policy of Stable-Baselines3) or a function of the observation that "
            "returns the action"
        )
    return _Function(given)


def is_folder(path: str) -> bool:
    """Whether a policy's path names a folder, not code: it exists, or has no colon."""
    return ":" not in path or Path(path).exists()


def trained(path: str, task: Task) -> Policy:
    """The policy of a checkpoint folder, with Stable-Baselines3's `predict`.

    Raises:
        CheckpointError: the folder is missing, damaged or holds something else.
        ConfigError: the policy is for other observations or actions.
    """
    where = Path(path)
    if not where.exists():
        near = [str(p.parent) for p in where.parent.glob("*/meta.json")]
        raise CheckpointError(
            f"path: '{path}' is no folder, and no `module:name` either" + nearest(path, near)
        )
    if where.is_file():
        raise CheckpointError(
            f"path: '{path}' is a file, expected the folder of a policy; a zip of "
            "Stable-Baselines3 becomes one by `sparsectl policy convert`"
        )
    with prefixed("path", CheckpointError):
        policy, sizes, meta = _opened(path)
    expected = task.map.observation_size, task.nu
    if sizes != expected:
        made = f"; it was trained on '{meta['env_id']}'" if meta.get("env_id") else ""
        kwargs = f" with {meta['env_kwargs']}" if made and meta.get("env_kwargs") else ""
        raise ConfigError(
            f"the policy in '{path}' takes observations of {sizes[0]} numbers and gives actions of "
            f"{sizes[1]}, the environment has {expected[0]} and {expected[1]}{made}{kwargs}: name "
            "a policy that was trained on this environment"
        )
    return policy


def _opened(path: str) -> tuple[Policy, tuple[int, int], dict[str, Any]]:
    """A policy, the sizes of its observations and actions, and its meta data."""
    from sparsectl.policies import checkpoint as networks
    from sparsectl.policies.network import NetworkPolicy

    if checkpoint.load_tensors(path).meta.get("kind") == "policy":
        found: tuple[Policy, tuple[int, int], dict[str, Any]] = OFFERS["motor policies"]()(path)
        return found
    network, meta = networks.load(path)
    return NetworkPolicy(network), (network.observation_size, network.nu), meta


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
        self.policy, self.program, self.deterministic = as_policy(policy), program, deterministic

    def solve(self, problem: Problem, state: ControllerState, **_: Any) -> tuple[Plan, Any]:
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
        if self.program is not None:
            return finish(self.program, problem, actions, source="policy"), hidden
        clipped = problem.admit(actions)
        plan = Plan(clipped, problem.x0[None], Status.HEURISTIC, float("nan"), source="policy")
        return plan, hidden
