"""Record episodes of an environment: by the environment's own collector, or by a policy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from sparsectl import environment, parallel, seeding
from sparsectl.checks import within
from sparsectl.data.episodes import COLUMNS, Episodes, check_finite
from sparsectl.data.policy import RandomPolicy
from sparsectl.errors import ConfigError, DataError

Policy = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(observation, generator of the episode) -> action, as a vector or as the environment's own."""
_CHUNK = 16
_REPEATED = 10
"""Steps of an episode that is recorded twice."""


@dataclass(frozen=True)
class CollectConfig:
    """How much data to record, and how actions are chosen."""

    transitions: int = 20_000
    """Transitions to record at least; the last episode is completed."""
    episode_steps: int = 20
    """Steps after which an episode is cut (truncated), unless it ended before."""
    policy: Literal["auto", "contact", "random"] = "auto"
    """`contact`: the environment's own contact-seeking collector; `random`: random actions;
    `auto`: contact where the environment offers it."""
    correlation: float = 0.0
    """`random` only: correlation of successive actions, 0 (white) to below 1 (slow)."""
    scale: float = 1.0
    """`random` only: fraction of the action box that is used."""

    def __post_init__(self) -> None:
        within(self, "data", "[1, inf)", "transitions", "episode_steps")
        within(self, "data", "[0, 1)", "correlation")
        within(self, "data", "(0, 1]", "scale")


def collect(
    config: CollectConfig,
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    workers: int = 1,
    policy: Policy | None = None,
    progress: Callable[[int], None] | None = None,
    actions: tuple[np.ndarray, np.ndarray] | None = None,
    used: Sequence[int] | None = None,
) -> Episodes:
    """Record episodes. The result does not depend on the number of workers.

    Args:
        seed: every episode resets with its own seed, drawn from this one and stored.
        policy: takes the place of `config.policy`; must be picklable for more than one worker.
        progress: called with the number of transitions recorded so far.
        actions: the box that is planned in: random actions are drawn from it where the
            environment's own box is unbounded. Shapes (nu,).
        used: entries of the observation that must be finite; None: all.

    Raises:
        ConfigError: unknown environment, or a policy the environment does not offer.
        DataError: a non-finite observation or action, or a worker that failed.
    """
    kwargs = dict(env_kwargs or {})
    with environment.make(env_id, kwargs) as env:
        own = getattr(env.unwrapped, "collect_episodes", None)
        if isinstance(kwargs.get("delay"), Mapping):
            own = None  # it knows nothing of latency
        if policy is None and config.policy == "contact" and own is None:
            raise ConfigError(
                f"environment '{env_id}' has no contact-seeking collector: use policy 'random'"
            )
        if policy is None and own is not None and config.policy != "random":
            return _own(own, config, env_id, kwargs, seed, workers)
        chosen = policy or RandomPolicy.of(env, config.correlation, config.scale, planned=actions)
    work = partial(_record_chunk, env_id, kwargs, config.episode_steps, chosen, used)
    recorded = _generic(work, config, env_id, seed, workers, progress)
    if policy is None:
        _tell_what_stays(env_id, kwargs, chosen, recorded[0], used)
    return Episodes.of(recorded, env_id, kwargs, used)


def _own(
    collector: Callable[..., Mapping[str, np.ndarray]],
    config: CollectConfig,
    env_id: str,
    kwargs: dict[str, Any],
    seed: int,
    workers: int,
) -> Episodes:
    count = math.ceil(config.transitions / config.episode_steps)
    arrays = collector(episodes=count, steps=config.episode_steps, seed=seed, workers=workers)
    return Episodes.of(rows_of(arrays), env_id, kwargs, None)


def rows_of(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Episodes of an environment's own collector, which cuts them all at their last step."""
    rows = []
    for i, seed in enumerate(arrays["seeds"]):
        parts = {name: np.asarray(arrays[name][i]) for name in COLUMNS[:3]}
        steps = len(parts["actions"])
        ends = {"terminations": np.zeros(steps, bool), "truncations": np.arange(steps) == steps - 1}
        rows.append({**parts, **ends, "seed": int(seed)})
    return rows


def _generic(
    work: Callable[[list[int]], list[dict[str, Any]]],
    config: CollectConfig,
    env_id: str,
    seed: int,
    workers: int,
    progress: Callable[[int], None] | None,
) -> list[dict[str, Any]]:
    """Rounds of chunks until there is enough; episodes end early, so the number is not known."""
    recorded: list[dict[str, Any]] = []
    total = 0
    while total < config.transitions:
        length = total / len(recorded) if recorded else config.episode_steps
        needed = math.ceil((config.transitions - total) / length)
        first = len(recorded)
        chunks = [
            [episode_seed(seed, i) for i in range(k, min(k + _CHUNK, first + needed))]
            for k in range(first, first + needed, _CHUNK)
        ]
        engine = "serial" if workers == 1 or len(chunks) == 1 else "process"
        for outcome in parallel.run(work, chunks, engine=engine, workers=workers):
            if outcome.error is not None:
                raise DataError(f"recording in '{env_id}' failed: {outcome.error}")
            recorded += outcome.value
        total = sum(len(r["actions"]) for r in recorded)
        if progress:
            progress(total)
    return recorded


def _tell_what_stays(
    env_id: str,
    kwargs: dict[str, Any],
    policy: Policy,
    first: Mapping[str, Any],
    used: Sequence[int] | None,
) -> None:
    """Warn where the first episode is another one after other episodes.

    What such an environment shows is no function of its state: a model of it is of no use later.
    """
    steps, of = min(_REPEATED, len(first["actions"])), slice(None) if used is None else list(used)

    def repeats(env: environment.Checked) -> bool:
        seen = record_episode(env, policy, steps, first["seed"], used)["observations"]
        before = first["observations"][: len(seen)]
        return np.allclose(seen[:, of], before[:, of], rtol=1e-6, atol=0.0, equal_nan=True)

    with environment.make(env_id, kwargs) as env, environment.make(env_id, kwargs) as fresh:
        record_episode(env, policy, steps, first["seed"] + 1, used)
        if not repeats(env) and repeats(fresh):
            warnings.warn(
                f"environment '{env_id}' carries something over from one episode to the next: "
                f"after another one, the same seed and actions show other observations. Running "
                "statistics (NormalizeObservation) do that, or what a reset leaves as it was; "
                "models of such data err elsewhere, so take it out",
                stacklevel=3,
            )


def episode_seed(seed: int, index: int) -> int:
    """Reset seed of an episode of a recording."""
    return seeding.integer(seed, "collect", index) % 2**31


def _record_chunk(
    env_id: str,
    kwargs: dict[str, Any],
    steps: int,
    policy: Policy,
    used: Sequence[int] | None,
    seeds: list[int],
) -> list[dict[str, Any]]:
    """Worker: one environment, several episodes."""
    with environment.make(env_id, kwargs) as env:
        recorded = [record_episode(env, policy, steps, seed, used) for seed in seeds]
    return recorded


def record_episode(
    env: environment.Checked,
    policy: Policy,
    steps: int,
    seed: int,
    used: Sequence[int] | None = None,
) -> dict[str, Any]:
    """One episode of at most `steps` steps, reset with `seed`.

    Raises:
        DataError: a non-finite action or (of the entries `used`, None: all) observation.
    """
    rng = seeding.generator(seed, "policy")
    if isinstance(policy, RandomPolicy):
        policy = policy.start()
    observation, _ = env.reset(seed=seed)
    where = f"episode with seed {seed}"
    observations = [np.array(observation, np.float64)]
    check_finite(observations[0], where, "observation", 0, used)
    actions, rewards, terminations, truncations = [], [], [], []
    for t in range(steps):
        action = env.row(policy(observations[-1], rng))
        check_finite(action, where, "action", t)
        action = env.inside(action)
        observation, reward, terminated, truncated, _ = env.step(
            action.astype(env.action_space.dtype)
        )
        observations.append(np.array(observation, np.float64))
        check_finite(observations[-1], where, "observation", t + 1, used)
        actions.append(action)
        rewards.append(float(reward))
        terminations.append(bool(terminated))
        truncations.append(bool(truncated) or (t == steps - 1 and not terminated))
        if terminated or truncated:
            break
    return {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "rewards": np.array(rewards),
        "terminations": np.array(terminations),
        "truncations": np.array(truncations),
        "seed": seed,
    }
