"""Whether a dataset was recorded in the environment that it is to be used for."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, WrapperSpec

from sparsectl.environment import Checked, alike, levels, limits, same_id, whole
from sparsectl.errors import DataError

_HARMLESS = {
    "Autoreset",
    "ClipReward",
    "FlattenAction",
    "FlattenObservation",
    "HumanRendering",
    "NormalizeReward",
    "OrderEnforcing",
    "PassiveEnvChecker",
    "RecordEpisodeStatistics",
    "RecordVideo",
    "RenderCollection",
    "TimeLimit",
}
"""Wrappers that leave the numbers of observations and actions as they are."""
_PICTURES = {"render_mode", "width", "height", "camera_id", "camera_name"}
"""Arguments of environments that concern pictures only."""


def check_origin(
    dataset_id: str,
    spec: EnvSpec | None,
    recorded: tuple[spaces.Space, spaces.Space],
    env: Checked,
    env_id: str,
) -> None:
    """Refuse data of another environment than the one it is to be used for.

    Id, class, arguments, wrappers and spaces must agree. A warning says what cannot be checked,
    or does not change a transition (the step limit).

    Args:
        spec: recorded one, None where there is none.

    Raises:
        DataError: naming the first difference and what to do.
    """
    ours = env.spec
    found = None
    if spec is None:
        warnings.warn(
            f"dataset '{dataset_id}' does not say which environment it was recorded in: make sure "
            f"that it was '{env_id}' with the same arguments and no wrapper",
            stacklevel=2,
        )
    elif ours is not None:
        found = _difference(spec, ours, env, env_id)
        if found is None and spec.max_episode_steps != ours.max_episode_steps:
            warnings.warn(
                f"dataset '{dataset_id}' was recorded with a step limit of "
                f"{spec.max_episode_steps}, '{env_id}' has {ours.max_episode_steps} here",
                stacklevel=2,
            )
    found = found or _spaces(recorded, env, env_id)
    if found is not None:
        raise DataError(
            f"dataset '{dataset_id}' is not of the configured environment: {found}. Record it "
            "again (`sparsectl collect`), or name under `env` the environment as it was recorded; "
            "one in wrappers needs an id of its own (gymnasium.register)"
        )


def check_actions(
    dataset_id: str, actions: Sequence[np.ndarray], env: Checked, env_id: str
) -> None:
    """Refuse recorded actions that are none of an environment's whole numbers; warn of those
    outside a box, which hardly were what acted.

    Args:
        actions: of every episode. Shape (T, nu).

    Raises:
        DataError: naming the first one.
    """
    if levels(env) is None:
        rows = np.concatenate(actions)
        beyond = abs(rows - env.inside(rows)).max(axis=0, initial=0.0)
        entry = int(np.argmax(beyond))
        if beyond[entry] > 1e-5 * abs(rows[:, entry]).max():
            box: Any = env.action_space
            warnings.warn(
                f"dataset '{dataset_id}' has actions outside the box of '{env_id}': entry {entry} "
                f"is {beyond[entry]:.3g} beyond {box.low[entry]:g} to {box.high[entry]:g}. They "
                "are taken as they are: where the environment clipped them, or they are in "
                "another unit, correct the dataset",
                stacklevel=2,
            )
        return
    for i, rows in enumerate(actions):
        wrong = np.argwhere((env.inside(rows) != rows).any(axis=1))
        if len(wrong):
            step = int(wrong[0, 0])
            raise DataError(
                f"dataset '{dataset_id}', episode {i}: action {step} is {rows[step].tolist()}, "
                f"which is none of {env.inner_action} of '{env_id}'"
            )


def _difference(spec: EnvSpec, ours: EnvSpec, env: gymnasium.Env, env_id: str) -> str | None:
    if not same_id(spec.id, env_id):
        return f"it was recorded in '{spec.id}', the config says '{env_id}'"
    theirs, own = (_class(s.entry_point) for s in (spec, ours))
    if theirs and own and theirs != own:
        return f"its environment is the class {theirs}, that of '{env_id}' is {own}"
    outer, own_outer = (_wrappers(s.additional_wrappers) for s in (spec, ours))
    if outer != own_outer:
        return (
            f"it was recorded through {', '.join(outer) or 'no wrapper'}, '{env_id}' has "
            f"{', '.join(own_outer) or 'no wrapper'}"
        )
    defaults = _defaults(type(env.unwrapped))
    before, now = ({**defaults, **_plain(s.kwargs)} for s in (spec, ours))
    for key in {**before, **now}:
        if key not in _PICTURES and before.get(key) != now.get(key):
            return (
                f"it was recorded with the arguments (env.kwargs) {key}: {before.get(key)!r}, the "
                f"config has {now.get(key)!r}"
            )
    return None


def _class(entry_point: Any) -> str | None:
    """Name of the class; modules are moved and scripts are called __main__."""
    if isinstance(entry_point, str):
        return entry_point.rpartition(":")[2].rpartition(".")[2]
    return getattr(entry_point, "__name__", None)


def _wrappers(found: tuple[WrapperSpec, ...]) -> list[str]:
    texts = []
    for wrapper in found:
        if wrapper.name not in _HARMLESS:
            arguments = _plain(wrapper.kwargs or {})
            inside = ", ".join(f"{k}={v!r}" for k, v in sorted(arguments.items()))
            texts.append(f"{wrapper.name}({inside})")
    return texts


def _defaults(kind: type) -> dict[str, Any]:
    """Defaults of a constructor's arguments: what is left out is what is given as such."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return {}
    return _plain({p.name: p.default for p in parameters if p.default is not p.empty})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As a specification is written: tuples and arrays are lists."""

    def simple(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        return str(value)

    return json.loads(json.dumps(dict(values), default=simple))


def _spaces(recorded: tuple[spaces.Space, spaces.Space], env: Checked, env_id: str) -> str | None:
    observation, action = recorded
    size = spaces.flatdim(observation)
    if size != env.observation_space.shape[0]:  # type: ignore[index]
        return (
            f"its observations have {size} entries, those of '{env_id}' "
            f"{env.observation_space.shape[0]}"  # type: ignore[index]
        )
    inner = env.inner_observation
    if isinstance(observation, spaces.Dict | spaces.Tuple) and not alike(observation, inner):
        return f"its observations are {observation}, those of '{env_id}' {inner}"
    box: Any = env.action_space
    ends = limits(action)
    other = whole(action) is not None and levels(env) is None
    if ends is None or len(ends[0]) != len(box.low) or other:
        return f"its actions are {action}, those of '{env_id}' {env.inner_action}"
    low, high = ends
    if not (np.allclose(low, box.low) and np.allclose(high, box.high)):
        return (
            f"its action box is {low.tolist()} to {high.tolist()}, that of '{env_id}' is "
            f"{box.low.tolist()} to {box.high.tolist()}"
        )
    return None
