"""A planner that says what it would have done while a policy acts, and what it will have paid:
labels for imitation and for value networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl import environment, online, parallel, seeding
from sparsectl.control.base import Controller, ControllerState
from sparsectl.errors import DataError
from sparsectl.evaluate.player import Player
from sparsectl.evaluate.unit import controller_of
from sparsectl.policies.imitation import Labelled
from sparsectl.policies.network import NetworkPolicy
from sparsectl.task import Task
from sparsectl.types import Plan


@dataclass(frozen=True)
class Labeller:
    """Plays episodes in which a planner is asked at every step.

    Attributes:
        player: the planner, its model and setting; its budget is the time for a label.
        engine: `process`, `serial` or `ray`.
        workers: episodes at once.
    """

    player: Player
    engine: str = "process"
    workers: int = 1

    def check(self) -> None:
        """Build everything once, so that what is wrong is said before anything is created.

        Raises:
            ConfigError, CheckpointError: from the environment, the controller or the model.
        """
        self.player.build()
        setting = self.player.setting
        where = "imitate.steps"
        environment.step_limit(setting.env_id, setting.env_kwargs, setting.steps, where)

    def __call__(
        self,
        policy: NetworkPolicy | None,
        share: float,
        episodes: Sequence[int],
        seed: int,
        on_episode: Callable[[int, Labelled | str], None],
    ) -> None:
        """See `policies.imitation.Label`. What is labelled does not depend on the workers."""
        key = self.player.key
        units = [_Unit(self.player, key, seed, i, policy=policy, share=share) for i in episodes]

        def told(outcome: parallel.Outcome) -> None:
            on_episode(episodes[outcome.index], outcome.value or str(outcome.error))

        online.run(_play, units, self.engine, self.workers, told)


@dataclass(frozen=True)
class _Unit(online.Unit):
    """One episode of a policy and a planner."""

    policy: NetworkPolicy | None = None
    share: float = 1.0


_LOST = 3
"""Plans in a row that end beyond a limit, after which an episode is no longer played."""


class _Lost(Exception):
    """The planner sees no way back, so what it says teaches nothing."""


class _Mixture:
    """Who acts in one episode, and what the planner said."""

    def __init__(self, unit: _Unit, planner: Controller) -> None:
        self._policy, self._share, self._planner = unit.policy, unit.share, planner
        self._rng = seeding.generator(unit.seed, "mixture", unit.index)
        self._last: np.ndarray | None = None
        self.seen: list[np.ndarray] = []
        self.labels: list[np.ndarray | None] = []
        self.seconds: list[float] = []
        self._hopeless = 0

    def note(self, step: int, observation: np.ndarray, memory: ControllerState, plan: Plan) -> None:
        """Keep what the planner would do. Where a fallback or nobody planned, there is none, nor
        where the plan is furthest beyond a limit at its end: it leads nowhere.

        Raises:
            _Lost: it was so several times in a row.
        """
        own = plan.fallback is None and plan.horizon > 0
        hopeless = own and plan.info.get("violated", {}).get("step") == plan.horizon
        self.seen.append(self._planner.ahead(observation, memory))
        self.labels.append(plan.actions[0] if own and not hopeless else None)
        self.seconds.append(plan.seconds)
        self._hopeless = self._hopeless + 1 if hopeless else 0
        if self._hopeless == _LOST:
            raise _Lost

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The action that is executed. Shape (nu,)."""
        if self._policy is not None and self._rng.random() >= self._share:
            action = self._policy(self.seen[-1])
        self._last = self._planner.task.admit(action, self._last)
        return self._last


def _play(unit: _Unit) -> Labelled:
    started = time.process_time()
    planner = controller_of(unit.player, unit.key)[0]
    acts, task = _Mixture(unit, planner), planner.task
    row: dict[str, Any]
    try:
        row = unit.run(on_decision=acts.note, explore=acts)
    except _Lost:
        row = {"steps": len(acts.seen) - 1, "seconds": acts.seconds, "lost": 1.0}
    kept = [k for k, label in enumerate(acts.labels) if label is not None]
    return Labelled(
        np.array([acts.seen[k] for k in kept]).reshape(len(kept), task.map.observation_size),
        np.array([acts.labels[k] for k in kept]).reshape(len(kept), task.nu),
        steps=row["steps"],
        score={
            **{name: row.get(name) for name in ("return", "final_error", "success")},
            "lost": row.get("lost", 0.0),
        },
        label_seconds=float(sum(row["seconds"])),
        cpu_seconds=time.process_time() - started,
    )


@dataclass(frozen=True)
class Priced:
    """States, and what the planner pays from there on.

    Attributes:
        inputs: states and then goals, as a value network reads them. Shape (n, nx + goals).
        costs: of its plans. Shape (n,).
    """

    inputs: np.ndarray
    costs: np.ndarray


def prices(
    labeller: Labeller,
    observations: np.ndarray,
    episodes: int,
    exploration: float,
    seed: int,
    on_group: Callable[[], object] = lambda: None,
    *,
    steps: int | None = None,
    actor: Player | None = None,
) -> list[Priced]:
    """What a planner pays from states, in groups: of given states, and of episodes.

    Args:
        labeller: planner, its model and setting; its horizon is how far it looks.
        observations: given states. Shape (n, observation_size).
        episodes: how many are played.
        exploration: see `OnlineConfig`.
        seed: of episodes, planner and noise.
        on_group: called after every group.
        steps: see `ValueConfig`.
        actor: who acts in the episodes; None: the planner itself.

    Raises:
        DataError: no plan of its own anywhere.
    """
    player, key = labeller.player, labeller.player.key
    parts = np.array_split(observations, -(-len(observations) // _GROUP) or 1)
    units = [
        _Given(player, key, seed, i, given=part, steps=steps)
        for i, part in enumerate(parts) if len(part)
    ]  # fmt: skip
    units += [
        _Given(player, key, seed, len(parts) + i, exploration, steps=steps, actor=actor)
        for i in range(episodes)
    ]
    outcomes = online.run(_price, units, labeller.engine, labeller.workers, lambda _: on_group())
    found = [o.value for o in outcomes if o.value is not None and len(o.value.costs)]
    if not found:
        reasons = [o.error for o in outcomes if o.error]
        raise DataError(f"value: no state got a price: {(reasons or ['there were no plans'])[0]}")
    return found


_GROUP = 50
"""Given states in a unit of work."""
_EVERY = 2
"""Steps between the states on a plan's way that get a price."""


@dataclass(frozen=True)
class _Given(online.Unit):
    """States at which a planner plans; None: those of an episode that it or another plays."""

    given: np.ndarray | None = None
    steps: int | None = None
    actor: Player | None = None


def _price(unit: _Given) -> Priced:
    controller, _ = controller_of(unit.player, unit.key)
    seen: list[tuple[np.ndarray, float]] = []
    acts = None if unit.actor is None else _Actor(unit.actor)

    def note(step: int, observation: np.ndarray, _: ControllerState, plan: Plan) -> None:
        if plan.fallback is None and plan.status.has_plan and np.isfinite(plan.cost):
            seen.extend(_on_its_way(controller.task, step, observation, plan, unit.steps))
        if acts is not None:
            acts.see(observation)

    if unit.given is None:
        rng = seeding.generator(unit.seed, "exploration", unit.index)
        noise = online.Exploration(controller.task, unit.exploration, rng)
        unit.run(on_decision=note, explore=noise if acts is None else lambda _: noise(acts.action))
    else:
        for k, observation in enumerate(unit.given):
            state = ControllerState(seed=seeding.integer(unit.seed, "given", unit.index, k))
            note(0, observation, state, controller.plan(observation, state))
    return Priced(np.array([row for row, _ in seen]), np.array([cost for _, cost in seen]))


def _on_its_way(
    task: Task, step: int, observation: np.ndarray, plan: Plan, steps: int | None
) -> Iterator[tuple[np.ndarray, float]]:
    """What a value network reads, and what is paid from there: of the state that a plan begins
    at, or of those on its way of which it still sees so many steps."""
    goals = [np.ravel(value) for value in task.map.goal(observation).values()]
    if steps is None:
        yield np.concatenate([task.map.state(observation), *goals]), plan.cost
        return
    for k in range(0, plan.horizon - steps + 1, _EVERY):
        cost = task.problem(observation, steps, step=step + k, loose=True).cost
        paid = cost(plan.states[k : k + steps + 1], plan.actions[k : k + steps])
        yield np.concatenate([plan.states[k], *goals]), float(paid)


class _Actor:
    """A planner that acts in the place of the one that is asked."""

    def __init__(self, player: Player) -> None:
        self._controller, _ = controller_of(player, player.key)
        self._state: ControllerState | None = None

    def see(self, observation: np.ndarray) -> None:
        """Decide what is done next, `action`."""
        plan, self._state = self._controller.decide(observation, self._state)
        self.action = self._controller.first_action(plan)
