"""Streams of dynamics: one body or world after another, and what they do with actions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from sparsectl.checks import whole, within
from sparsectl.continual.stream import Layout, Scaling, Stream, StreamTask
from sparsectl.continual.streams.past import complete, past
from sparsectl.continual.streams.places import differences, entries
from sparsectl.continual.streams.recording import recorded, slug
from sparsectl.data import CollectConfig, Episodes, Normalizer, split_indices
from sparsectl.errors import ConfigError, DataError, one_of


@dataclass(frozen=True)
class DynamicsStream:
    """Predict the change of state in one step, of one body of an environment after another."""

    name: str
    """Of the stream, and of the folder of its data."""
    env: str
    """Gymnasium id."""
    bodies: dict[str, dict[str, Any]]
    """Tasks in their order: name and arguments of the environment."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment in all tasks."""
    state: str | None = None
    """Entries of the observation that are the state, such as `0:10`; all where it is not given."""
    places: dict[str, str] = field(default_factory=dict)
    """Where a body's state entries stand in the padded state, such as `0:3, 5:17`; in front where
    a body is not named. The others are 0. Actions stand in front."""
    relative: dict[str, str] = field(default_factory=dict)
    """Entries of the padded state that the network reads as differences from others, such as
    `0:8: 8:10`: points relative to a finger, again and again if there are fewer of the latter."""
    within: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Only transitions whose state is within bounds at these entries, such as `1: [-1.5, 1.5]` to
    leave out a body that has fallen over."""
    data: CollectConfig = field(
        default_factory=lambda: CollectConfig(transitions=20_000, episode_steps=100)
    )
    """Recorded of each body."""
    data_seed: int = 0
    """Of the recording: all seeds of an experiment learn from the same data."""
    test_fraction: float = 0.2
    """Of the episodes."""
    history: int = 0
    """Transitions before the present one that the network reads too, their changes of state and
    actions, for every learner alike: bodies that one observation cannot tell apart differ in
    them."""
    repeats: int = 1
    """How often the whole sequence comes, with the same data."""
    kind: ClassVar[str] = "dynamics"

    def __post_init__(self) -> None:
        if not self.bodies:
            raise ConfigError("dynamics: bodies is empty, expected at least one name: arguments")
        whole(self, "dynamics", "[1, inf)", "repeats")
        whole(self, "dynamics", "[0, inf)", "history")
        within(self, "dynamics", "(0, 1)", "test_fraction")
        slugs = [slug(name) for name in self.bodies]
        for a in self.bodies:
            if slugs.count(slug(a)) > 1:
                raise ConfigError(f"dynamics: the name '{a}' is too like that of another body")
        for body, text in self.places.items():
            one_of(body, self.bodies, "dynamics: places: no body")
            entries(text, f"dynamics: places of '{body}'")
        if self.state is not None:
            entries(self.state, "dynamics: state")
        differences(self.relative)
        for text, (low, high) in self.within.items():
            entries(text, "dynamics: within")
            if not low < high:
                raise ConfigError(f"dynamics: within: {text}: [{low}, {high}] is not a range")


def dynamics(config: DynamicsStream, folder: str | Path | None = None) -> Stream:
    """The stream that settings describe.

    Args:
        folder: of the run: recordings are kept in its `data`; None: they are not kept.

    Raises:
        DataError, ConfigError: see `recording.recorded`; entries that do not fit.
    """
    parts = []
    used = None if config.state is None else entries(config.state, "dynamics: state")
    for name, own in config.bodies.items():
        kwargs = {**config.kwargs, **own}
        found = recorded(
            config.name, name, config.env, kwargs, config.data, config.data_seed, folder, used
        )
        if found.dropped:
            warnings.warn(
                f"{config.name}: {found.dropped} episodes of '{name}' diverged and were dropped",
                stacklevel=2,
            )
        parts.append((name, kwargs, found.episodes))
    layouts = _layouts(config, [(name, episodes) for name, _, episodes in parts])
    nx, nu = _width(layouts, "place"), _width(layouts, "action_place")
    arrays = [_arrays(e, layouts[name], (nx, nu), config, name) for name, _, e in parts]
    scaling = _scaling(arrays[0][0][:, : nx + nu], arrays[0][1])
    tasks = [
        StreamTask(
            name,
            *_scaled(scaling, *own),
            env_id=config.env,
            env_kwargs=kwargs,
            layout=layouts[name],
        )
        for (name, kwargs, _), own in zip(parts, arrays, strict=True)
    ]
    return Stream(config.name, "regression", _repeated(tasks, config.repeats), nx, scaling)


def _layouts(
    config: DynamicsStream, recordings: Sequence[tuple[str, Episodes]]
) -> dict[str, Layout]:
    layouts = {}
    for name, episodes in recordings:
        size = episodes.observation_size
        state = tuple(range(size))
        if config.state is not None:
            state = entries(config.state, "dynamics: state")
        if max(state) >= size:
            raise ConfigError(
                f"dynamics: state names entry {max(state)}, but observations of '{name}' have "
                f"{size} entries"
            )
        for text in config.within:
            if max(entries(text, "dynamics: within")) >= len(state):
                raise ConfigError(f"dynamics: within: {text}: the state has {len(state)} entries")
        layouts[name] = Layout(
            state,
            _place(config.places, name, len(state)),
            tuple(range(episodes.action_size)),
            differences(config.relative),
        )
    nx = _width(layouts, "place")
    if any(max(pair) >= nx for layout in layouts.values() for pair in layout.minus):
        raise ConfigError(f"dynamics: relative {config.relative}: the state has {nx} entries")
    return layouts


def _place(places: Mapping[str, str], name: str, count: int) -> tuple[int, ...]:
    if name not in places:
        return tuple(range(count))
    found = entries(places[name], f"dynamics: places of '{name}'")
    if len(found) != count:
        raise ConfigError(
            f"dynamics: places of '{name}' names {len(found)} entries, expected {count}"
        )
    return found


def _width(layouts: Mapping[str, Layout], key: str) -> int:
    return 1 + max(max(getattr(layout, key)) for layout in layouts.values())


def _arrays(
    episodes: Episodes, layout: Layout, sizes: tuple[int, int], config: DynamicsStream, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Padded [x; u; history] and x' - x of training and test episodes, physical units."""
    parts: list[np.ndarray] = []
    # the same division for every seed of an experiment: no test episode is ever learnt from
    for chosen in split_indices(len(episodes), config.test_fraction, 0):
        rows = [_of_episode(episodes, i, layout, sizes, config) for i in chosen]
        inputs, changes = (np.concatenate(column) for column in zip(*rows, strict=True))
        if not len(inputs):
            raise DataError(
                f"dynamics: no transition of '{name}' is within {config.within} with a history "
                f"of {config.history}: widen the bounds or shorten the history"
            )
        parts += [inputs, changes]
    inputs, changes, test_inputs, test_changes = parts
    return inputs, changes, test_inputs, test_changes


def _of_episode(
    episodes: Episodes,
    i: int,
    layout: Layout,
    sizes: tuple[int, int],
    config: DynamicsStream,
) -> tuple[np.ndarray, np.ndarray]:
    observations, actions = episodes.observations[i][:, layout.state], episodes.actions[i]
    kept = np.ones(len(observations), bool)
    for text, (low, high) in config.within.items():
        bounded = observations[:, entries(text, "dynamics: within")]
        kept &= ((bounded >= low) & (bounded <= high)).all(-1)
    x, u = np.zeros((len(observations), sizes[0])), np.zeros((len(actions), sizes[1]))
    x[:, layout.place] = observations
    u[:, layout.action_place] = actions
    both = complete(kept[:-1] & kept[1:], config.history)
    seen = x[:-1].copy()
    for i, j in layout.minus:
        seen[:, i] -= x[:-1, j]
    inputs = np.concatenate([seen, u, past(x, u, config.history)], axis=1)
    return inputs[both], np.diff(x, axis=0)[both]


def _scaling(inputs: np.ndarray, changes: np.ndarray) -> Scaling:
    """An entry that does not move in the first task keeps its unit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        a, b = Normalizer.fit(inputs), Normalizer.fit(changes)
    return Scaling(*(torch.as_tensor(v) for v in (a.mean, a.std, b.mean, b.std)))


def _scaled(
    scaling: Scaling, *arrays: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training inputs and changes, and test ones, in network units."""
    a, b, c, d = (torch.as_tensor(v) for v in arrays)
    count = a.shape[1] // len(scaling.input_mean) - 1
    mean, std = scaling.of_inputs(count)
    a, c = (((v - mean) / std).float() for v in (a, c))
    b, d = (((v - scaling.output_mean) / scaling.output_std).float() for v in (b, d))
    return a, b, c, d


def _repeated(tasks: Sequence[StreamTask], repeats: int) -> tuple[StreamTask, ...]:
    again = [
        replace(task, name=f"{task.name} ({k})") for k in range(2, repeats + 1) for task in tasks
    ]
    return (*tasks, *again)
