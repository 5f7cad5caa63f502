"""Returns of a policy on other bodies, in other fluids, with lost senses and cut parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.body import body_of
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.lesions import lesion
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps, open_env
from sparsectl.circuits.rollout.returns import returns
from sparsectl.errors import ConfigError
from sparsectl.policies.rl.curve import evaluation_seeds
from sparsectl.report import statistics


@dataclass(frozen=True)
class Trial:
    """One condition.

    Attributes:
        kwargs: arguments of the environment that differ from those of training.
    """

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    lesions: tuple[str, ...] = ()


def run(
    policy: MotorPolicy,
    spec: EnvSpec,
    trials: Iterable[Trial],
    *,
    episodes: int = 10,
    steps: int | None = None,
    workers: int = 1,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Returns of one policy under several conditions, from the same starts as in training.

    A circuit is moved to a body with other joints; other policies cannot be.

    Args:
        steps: episode length; None: the environment's own.
        workers: threads of the physics.

    Returns:
        Rows with trial, episodes, diverged, return_iqm with its 95 % interval (return_low,
        return_high), return_mean, return_min and return_max (None where all diverged).

    Raises:
        ConfigError: a network on another body, lesions of a network, or an unknown part.
    """
    rows = []
    for trial in trials:
        where = EnvSpec(spec.id, {**spec.kwargs, **trial.kwargs})
        moved, length = fitted(policy, where, trial.lesions), episode_steps(where, steps)
        vector = flatten(moved).detach().numpy()[None]
        played = returns(moved, vector, where, evaluation_seeds(episodes), length, workers)[0]
        rows.append({"trial": trial.name, **summary(played)})
        if on_row is not None:
            on_row(rows[-1])
    return rows


def summary(values: np.ndarray) -> dict[str, Any]:
    """Statistics of returns (E,), NaN for episodes that diverged."""
    good = values[np.isfinite(values)]
    names = [f"return_{name}" for name in ("iqm", "low", "high", "mean", "min", "max")]
    row: dict[str, Any] = {"episodes": len(values), "diverged": len(values) - len(good)}
    if not len(good):
        return row | dict.fromkeys(names)
    told, others = statistics.bootstrap([good]), (good.mean(), good.min(), good.max())
    shown = (told.value, told.low, told.high, *map(float, others))
    return row | dict(zip(names, shown, strict=True))


def standard(
    links: Sequence[int] = (),
    viscosities: Sequence[float] = (),
    lesions: Sequence[str] = (),
    lost: Sequence[int] = (),
    noise: Sequence[float] = (),
) -> list[Trial]:
    """As trained, then every given condition on its own.

    Args:
        viscosities: of the fluid [Pa s].
        lesions: parts of the circuit, see `lesions.lesion`.
        lost: joints whose angle reads 0.
        noise: standard deviations of the joint angles [rad].
    """
    return [
        Trial("as trained"),
        *(Trial(f"{n} links", {"links": n}) for n in links),
        *(Trial(f"viscosity {v:g}", {"viscosity": v}) for v in viscosities),
        *(Trial(f"without {name}", lesions=(name,)) for name in lesions),
        *(Trial(f"sensor {j} lost", {"lost_sensors": [j]}) for j in lost),
        *(Trial(f"sensor noise {sd:g} rad", {"sensor_noise": sd}) for sd in noise),
    ]


def fitted(policy: MotorPolicy, spec: EnvSpec, lesions: tuple[str, ...]) -> MotorPolicy:
    """The policy on the body of an environment, without the parts that are cut.

    Raises:
        ConfigError: see `run`.
    """
    with open_env(spec) as env:
        offered = getattr(env.unwrapped, "joint_limit", None)
        body = body_of(env) if offered is not None else policy.body
    if body.joints != policy.body.joints:
        if not isinstance(policy, Circuit):
            raise ConfigError(
                f"a network for {policy.body.joints} joints cannot move a body with {body.joints}: "
                "only circuits carry over to other bodies"
            )
        policy = policy.with_joints(body)
    if not lesions:
        return policy
    if not isinstance(policy, Circuit):
        raise ConfigError(f"lesion '{lesions[0]}': only circuits have parts to cut")
    return lesion(policy, lesions)
