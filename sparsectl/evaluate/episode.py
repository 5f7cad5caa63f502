"""One closed-loop episode, as one row of plain numbers."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from sparsectl import environment
from sparsectl.checks import whole, within
from sparsectl.control import as_policy
from sparsectl.control.base import Controller, ControllerState
from sparsectl.errors import ConfigError
from sparsectl.evaluate.divergence import Watch, dump
from sparsectl.evaluate.garbage import undisturbed
from sparsectl.evaluate.log import EpisodeLog
from sparsectl.report import clip
from sparsectl.task import step_cost
from sparsectl.types import Plan

OnDecision = Callable[[int, np.ndarray, ControllerState, Plan], None]


def run_episode(
    env_id: str,
    env_kwargs: Mapping[str, Any] | None,
    controller: Any,
    seed: int,
    *,
    steps: int | None = None,
    until_success: bool = False,
    budget: float | None = None,
    controller_seed: int = 0,
    warm_up: bool = False,
    record: list[np.ndarray] | None = None,
    on_decision: OnDecision | None = None,
    course: dict[str, np.ndarray] | None = None,
    explore: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Run a controller in an environment.

    Args:
        controller: a `Controller`, any policy with Stable-Baselines3's `predict`, or a function of
            the observation that returns the action.
        seed: of `env.reset`; equal seeds give equal starts to every controller.
        steps: length of the episode; None: the environment's own limit.
        until_success: end the episode as soon as `info["is_success"]` holds, also at the start.
        budget: wall-clock time per decision [s], to count misses. It is not enforced here:
            wrap the controller in `control.Supervised`.
        warm_up: make one decision that is thrown away first. Its time is `cold_seconds`.
        record: pictures are appended, the first one before the first step.
        on_decision: called with (step, observation, memory before the decision, plan).
        course: filled with what was seen and done: `times` ([s], or steps where the environment
            does not tell how long one is), `observations`, `actions` (as executed) and, where the
            controller plans with something else, `states`; see `trajectories`. Also `rewards`.
        explore: from the controller's action to the one that is executed.

    Returns:
        Columns of `EpisodeLog.row`, and `dt` (length of a step [s], or None), `seed`,
        `cold_seconds`, `message` (why the episode ended early), `dump` (last observations
        and actions of a divergence), `clip_note` (why there are no pictures), `load` (1-minute
        load average per core at the end).
        Outcomes: `finished` (time limit, or solved), `terminated` (by the environment), `diverged`,
        `bad_action` (non-finite or misshaped), `gave_up` (repeated planner failures).

    Raises:
        ConfigError: unknown environment, no limit on the length of the episode, numbers out of
            range, or `info` entries that are not what is expected of them.
    """
    given = SimpleNamespace(seed=seed, controller_seed=controller_seed, steps=steps, budget=budget)
    whole(given, "run_episode", "[0, inf)", "seed", "controller_seed")
    whole(given, "run_episode", "[1, inf)", "steps")
    within(given, "run_episode", "(0, inf)", "budget")
    controller = as_policy(controller)
    env, note = _make(env_id, env_kwargs, steps, pictures=record is not None)
    player = _Player(env, controller, EpisodeLog(budget), record if note is None else None)
    player.note, player.until_success, player.explore = note, until_success, explore
    try:
        player.reset(seed)
        cold = player.cold_decision(controller_seed) if warm_up else None
        with undisturbed():
            outcome, message = player.play(ControllerState(seed=controller_seed), on_decision)
        dt = environment.control_step(env)
        if course is not None:
            course |= player.course(dt)
    finally:
        env.close()
    return {
        "seed": int(seed),
        "dt": dt,
        **player.log.row(outcome),
        "cold_seconds": cold,
        "message": message,
        "dump": dump(outcome, env, player.trail, player.observation),
        "clip_note": player.note,
        "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 3),
    }


class _Player:
    """The loop's variables: environment, controller, notes and the present observation."""

    def __init__(
        self, env: environment.Checked, controller: Any, log: EpisodeLog, record: list | None
    ) -> None:
        self.env, self.controller, self.log, self.record = env, controller, log, record
        self.note: str | None = None
        self.until_success = self.told = False
        self.explore: Callable[[np.ndarray], np.ndarray] | None = None
        self.trail: list[tuple[np.ndarray, np.ndarray]] = []
        self.executed: list[np.ndarray] = []

    def reset(self, seed: int) -> None:
        observation, info = self.env.reset(seed=seed)
        self.env.action_space.seed(int(seed))  # NumPy's integers are refused
        self.observation = np.array(observation, dtype=np.float64)
        self.watch = Watch(self.env, self._used)
        self._outcome(info, self.watch.reason(self.observation))
        self._picture()

    def cold_decision(self, seed: int) -> float | None:
        if self.watch.reason(self.observation) is not None:
            return None
        started = time.perf_counter()
        self._decide(ControllerState(seed=seed) if self._plans else None)
        return round(time.perf_counter() - started, 9)

    def play(
        self, state: ControllerState, on_decision: OnDecision | None
    ) -> tuple[str, str | None]:
        memory: Any = state if self._plans else None
        reason = self.watch.reason(self.observation)
        if reason is not None:
            return "diverged", reason
        if self.until_success and self.log.successes[-1]:
            return "finished", None
        while True:
            started = time.perf_counter()
            action, plan, after = self._decide(memory)
            self.log.decision(plan, time.perf_counter() - started)
            if plan is not None and on_decision is not None:
                on_decision(len(self.log.rewards), self.observation, memory, plan)
            memory = after
            if plan is not None and plan.info.get("terminate"):
                return "gave_up", f"{after.failures} planner failures in a row"
            if self.explore is not None:
                action = self.explore(action)
            reason = self._refusal(action)
            if reason is not None:
                return "bad_action", reason
            ended = self._step(action)
            if ended is not None:
                return ended
            if self._plans:
                memory = replace(memory, executed=np.array(self.executed[-1], np.float64))

    def _decide(self, memory: Any) -> tuple[np.ndarray, Plan | None, Any]:
        if self._plans:
            plan, after = self.controller.decide(self.observation, memory)
            action = self.controller.first_action(plan)
            return np.array(action, dtype=np.float64), plan, after
        start = np.array([not self.log.rewards])
        seen = self.env.seen_by(self.controller, self.observation)
        action, after = self.controller.predict(
            seen, memory, episode_start=start, deterministic=True
        )
        return self.env.row(action), None, after

    def _refusal(self, action: np.ndarray) -> str | None:
        self.trail.append((self.observation, action))
        if action.shape != self.env.action_space.shape:
            expected = self.env.action_space.shape
            return f"the action has shape {action.shape}, expected {expected}"
        if not np.isfinite(action).all():
            return "the action is not finite"
        return None

    def _step(self, action: np.ndarray) -> tuple[str, str | None] | None:
        inside = self.env.inside(action)
        self.log.clipped += bool((np.abs(inside - action) > 1e-6).any())
        executed = inside.astype(self.env.action_space.dtype)
        self.executed.append(executed)
        before = self.observation
        observation, reward, terminated, truncated, info = self.env.step(executed)
        self.observation = np.array(observation, dtype=np.float64)
        reason = self.watch.reason(self.observation, float(reward))
        self.log.rewards.append(float(reward))
        self._outcome(info, reason)
        self._made(before, executed)
        if reason is not None:
            return "diverged", reason
        self._picture()
        if terminated:
            return "terminated", None
        solved = self.until_success and bool(self.log.successes[-1])
        return ("finished", None) if truncated or solved else None

    @property
    def _plans(self) -> bool:
        return isinstance(self.controller, Controller)

    @property
    def _used(self) -> list[int] | None:
        """Entries of the observation that must be finite; None: all."""
        return self.controller.task.map.used if self._plans else None

    def _outcome(self, info: dict[str, Any], reason: str | None) -> None:
        if reason is not None:  # what is told of a diverged state means nothing
            self.log.outcome(None, None)
        else:
            self.log.outcome(environment.success(info, self.env.name), self._error(info))

    def _error(self, info: dict[str, Any]) -> float | None:
        """`info["error"]`; where the environment never tells it, the task's terminal cost of the
        present state, which is in another unit."""
        error = environment.error(info, self.env.name)
        if error is not None:
            if not self.told:
                self.log.errors = [math.nan] * len(self.log.errors)
            self.told = True
            return error
        if self.told or not self._plans:
            return None
        return self.controller.task.distance(self.observation, len(self.log.rewards))

    def _made(self, before: np.ndarray, action: np.ndarray) -> None:
        """What the last step cost, and how far it violates the constraints, if there are any."""
        if not (self._plans and np.isfinite(self.observation[self._used]).all()):
            return
        task, step, after = self.controller.task, len(self.log.rewards) - 1, self.observation
        self.log.made.append(step_cost(task, before, np.array(action, np.float64), after, step))
        self.log.hard.add(*task.visited(before, after, step))
        if task.has_prices:
            self.log.priced.add(*task.visited(before, after, step, priced=True))

    def _picture(self) -> None:
        if self.record is None:
            return
        try:
            frame = self.env.render()
            if frame is None:
                raise RuntimeError("the environment has no render_mode 'rgb_array'")
            self.record.append(np.asarray(frame, dtype=np.uint8))
        except Exception as error:  # No display must not cost the episode.
            self.record, self.note = None, f"no clip: {_line(error)}"

    def course(self, dt: float | None) -> dict[str, np.ndarray]:
        """What was seen and done; times in steps where `dt` [s] is None."""
        seen = [o for o, _ in self.trail[: len(self.executed)]] + [self.observation]
        observations, nu = np.stack(seen), int(np.prod(self.env.action_space.shape or (1,)))
        found = {
            "times": np.arange(len(seen)) * (1.0 if dt is None else dt),
            "observations": observations,
            "actions": np.asarray(self.executed, dtype=np.float64).reshape(-1, nu),
            "rewards": np.asarray(self.log.rewards, dtype=np.float64),
        }
        if self._plans:
            # The last observation may be one of a simulation that has diverged.
            read = self.controller.task.map.used
            whole = np.isfinite(observations[:, read]).all(axis=1)
            states = np.full((len(seen), self.controller.task.nx), np.nan)
            states[whole] = self.controller.task.map.state(observations[whole])
            if states.shape != observations.shape or not np.array_equal(
                states, observations, equal_nan=True
            ):
                found["states"] = states
        return found


def _make(
    env_id: str, kwargs: Mapping[str, Any] | None, steps: int | None, pictures: bool
) -> tuple[environment.Checked, str | None]:
    """Environment with a step limit, and why it cannot make pictures."""
    arguments, note, env = dict(kwargs or {}), None, None
    if steps is not None:
        arguments["max_episode_steps"] = steps
    if pictures:
        reason = clip.refusal(env_id, arguments)
        if reason is None:
            env = environment.make(env_id, arguments, render_mode="rgb_array")
        else:
            note = f"no clip: {reason}"
    env = env or environment.make(env_id, arguments)
    if steps is None and (env.spec is None or env.spec.max_episode_steps is None):
        env.close()
        raise ConfigError(f"environment '{env_id}' has no step limit: give evaluate.steps")
    return env, note


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
