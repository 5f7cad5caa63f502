"""Episodes as Minari datasets (HDF5), readable by plain `minari`."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import parse_env_id

from sparsectl import environment
from sparsectl.data.episodes import COLUMNS, Episodes
from sparsectl.data.origin import check_actions, check_origin
from sparsectl.data.stored_spaces import flat, numbers, stored_spaces
from sparsectl.errors import DataError, MissingExtra, nearest
from sparsectl.files import FileError, check_space, workplace, write_atomic
from sparsectl.parallel.base import describe, environment_variables

_VARIABLE = "MINARI_DATASETS_PATH"
_LOCK = threading.Lock()


def dataset_id(env_id: str, policy: str) -> str:
    """Id by convention: `("sparsectl/Rope-v0", "contact")` -> `"sparsectl/rope/contact-v0"`."""
    namespace, name, version = parse_env_id(env_id.rpartition(":")[2])
    task = re.sub(r"[^\w-]", "_", name.lower())
    return f"{namespace or 'gymnasium'}/{task}/{policy}-v{version or 0}"


def root_folder(root: str | Path | None = None) -> Path:
    """Where datasets live: `root`, else MINARI_DATASETS_PATH, else `~/.minari/datasets`.

    Raises:
        DataError: none of them is given, and the user has no home.
    """
    if root is not None:
        return Path(root).absolute()
    given = os.environ.get(_VARIABLE)
    if given:
        return Path(given).absolute()
    try:
        return Path.home() / ".minari" / "datasets"
    except RuntimeError:
        raise DataError(
            "no folder of datasets: this user has no home; set the environment variable "
            f"{_VARIABLE}"
        ) from None


def list_datasets(root: str | Path | None = None) -> list[str]:
    """Ids of the local datasets, sorted."""
    folder = root_folder(root)
    found = (p.parents[1].relative_to(folder) for p in folder.glob("**/data/metadata.json"))
    return sorted(p.as_posix() for p in found if not any(part[0] == "." for part in p.parts))


def save_minari(
    episodes: Episodes,
    dataset_id: str,
    root: str | Path | None = None,
    overwrite: bool = False,
    *,
    policy: str = "",
) -> Path:
    """Write a dataset with the environment's spec, so that `recover_environment()` works.

    The dataset is written beside its place and moved there when it is complete.

    Args:
        episodes: recorded episodes with their `env_id`.
        dataset_id: Minari id, e.g. `sparsectl/rope/contact-v0`.
        root: folder of all datasets, see `root_folder`.
        overwrite: replace a dataset of the same id.
        policy: stored as the algorithm's name.

    Raises:
        DataError: malformed id, a dataset that exists, or an unwritable folder.
    """
    folder = root_folder(root)
    target = folder / _checked(dataset_id)
    if target.exists() and not overwrite:
        raise DataError(
            f"dataset '{dataset_id}' exists in '{folder}' and is not overwritten: choose another "
            "id or version, or ask for overwriting"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder, _size(episodes))  # HDF5 takes the process down on a full disk
        with workplace(folder) as temporary:
            _create(episodes, dataset_id, temporary, policy)
            for parent in reversed(Path(dataset_id).parents[:-1]):
                metadata = folder / parent / "namespace_metadata.json"
                if not metadata.exists():
                    write_atomic(metadata, "{}")
            if target.exists():
                os.rename(target, temporary / "replaced")
            os.rename(temporary / dataset_id, target)
    except (OSError, FileError) as error:
        raise DataError(f"cannot write dataset '{dataset_id}' in '{folder}': {error}") from error
    return target


def _size(episodes: Episodes) -> int:
    """At most what the dataset's files take [bytes]: HDF5 pads chunks and describes each array."""
    content = sum(array.nbytes for name in COLUMNS for array in getattr(episodes, name))
    return content + content // 4 + 20_000 * len(episodes) + 64_000


def _create(episodes: Episodes, dataset_id: str, root: Path, policy: str) -> None:
    import minari
    from minari.data_collector import EpisodeBuffer

    with (
        environment.make(episodes.env_id, episodes.env_kwargs) as env,
        _LOCK,
        environment_variables({_VARIABLE: str(root)}),  # Minari knows its folder by no other way
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)  # "`author` is set to None" and such
        actions, space = episodes.actions, env.action_space
        if environment.levels(env) is not None:
            space = env.inner_action
            actions = [environment.native(rows, space) for rows in actions]
        buffers = [
            EpisodeBuffer(
                id=i,
                seed=int(episodes.seeds[i]) if episodes.seeds[i] >= 0 else None,
                observations=episodes.observations[i],
                actions=actions[i],
                rewards=episodes.rewards[i],
                terminations=episodes.terminations[i],
                truncations=episodes.truncations[i],
            )
            for i in range(len(episodes))
        ]
        minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            env=_label(env),
            observation_space=env.observation_space,
            action_space=space,
            algorithm_name=policy or None,
            data_format="hdf5",
        )


def _label(env: gymnasium.Env) -> gymnasium.Env:
    """Bare environment with a spec that can be written: an entry point that is a class is named.

    Minari would build an environment of its own from a spec.
    """
    spec = env.spec
    entry = spec.entry_point if spec is not None else None
    if spec is not None and callable(entry):
        name = getattr(entry, "__qualname__", type(entry).__qualname__)
        spec = replace(spec, entry_point=f"{entry.__module__}:{name}")
    label: gymnasium.Env = gymnasium.Env()
    label.spec = spec
    return label


def load_minari(
    dataset_id: str,
    root: str | Path | None = None,
    *,
    env_id: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    used: Sequence[int] | None = None,
) -> Episodes:
    """Read a local dataset of Box, or Dict or Tuple of Box, observations and actions of numbers.

    Entries are in the order of the recorded space; with `env_id`, of that environment's space.
    Episodes without a step are left out with a warning.

    Args:
        root: folder of all datasets, see `root_folder`.
        env_id, env_kwargs: the environment that the data are wanted for; None: of any.
        used: entries of the observation that must be finite; None: all.

    Raises:
        DataError: unknown id, damaged files, spaces that cannot be planned in, episodes that do
            not fit together, or data of another environment (see `origin.check_origin`).
        MissingExtra: a package that reads the dataset's format is not installed.
    """
    from minari import MinariDataset

    folder = root_folder(root)
    path = folder / _checked(dataset_id) / "data"
    if not (path / "metadata.json").is_file():
        known = list_datasets(folder)
        raise DataError(
            f"no dataset '{dataset_id}' in '{folder}'" + nearest(dataset_id, known)
            + f"; `minari download {dataset_id}` fetches one that others published"
        )  # fmt: skip
    observation_space, action_space = stored_spaces(path)
    observation_space = environment.boxes(observation_space) or observation_space
    try:
        dataset = MinariDataset(path)
        recorded = list(dataset.iterate_episodes())
        metadata = list(dataset.storage.get_episode_metadata(dataset.episode_indices))
    except ImportError as error:
        raise MissingExtra(f"dataset '{dataset_id}' cannot be read: {error}") from error
    except (OSError, ValueError, KeyError, AssertionError, TypeError) as error:
        raise DataError(
            f"dataset '{dataset_id}' in '{folder}' is damaged: {describe(error)}"
        ) from error
    if environment.limits(action_space) is None:
        raise DataError(
            f"dataset '{dataset_id}' has action space {action_space}: expected a Box, Discrete, "
            "MultiDiscrete or MultiBinary space"
        )
    spec = dataset.env_spec
    actions = [flat(e.actions, action_space, dataset_id) for e in recorded]
    if env_id is not None:
        with environment.make(env_id, env_kwargs) as env:
            check_origin(dataset_id, spec, (observation_space, action_space), env, env_id)
            if isinstance(observation_space, spaces.Dict | spaces.Tuple):
                observation_space = env.inner_observation
            check_actions(dataset_id, actions, env, env_id)
        late = (env_kwargs or {}).get("delay")
        if isinstance(late, Mapping):
            warnings.warn(
                f"dataset '{dataset_id}' does not say how late its environment was: make sure that "
                f"it was recorded with delay: {dict(late)}",
                stacklevel=2,
            )
    steps = [len(e.rewards) for e in recorded]
    if 0 in steps and any(steps):
        warnings.warn(
            f"dataset '{dataset_id}': {steps.count(0)} of {len(steps)} episodes have no step and "
            "are left out",
            stacklevel=2,
        )
        recorded = [e for e, n in zip(recorded, steps, strict=True) if n]
        metadata = [m for m, n in zip(metadata, steps, strict=True) if n]
    goes_on = sum(bool(np.any(e.terminations[:-1] | e.truncations[:-1])) for e in recorded)
    if goes_on:
        warnings.warn(
            f"dataset '{dataset_id}': {goes_on} of {len(recorded)} episodes go on after a step "
            "that ended them. Where the environment was reset there, the model learns jumps to "
            "other starts: record such episodes apart",
            stacklevel=2,
        )
    return Episodes(
        observations=[flat(e.observations, observation_space, dataset_id) for e in recorded],
        actions=[a for a in actions if len(a)] if any(steps) else actions,
        rewards=[_column(e.rewards, dataset_id) for e in recorded],
        terminations=[_column(e.terminations, dataset_id, bool) for e in recorded],
        truncations=[_column(e.truncations, dataset_id, bool) for e in recorded],
        seeds=np.array([-1 if (s := m.get("seed")) is None else int(s) for m in metadata]),
        env_id=env_id or (spec.id if spec is not None else ""),
        env_kwargs=dict(env_kwargs or {}) if env_id else dict(spec.kwargs) if spec else {},
        dataset_id=dataset_id,
        used=used,
    )


def _column(values: Any, dataset_id: str, dtype: Any = np.float64) -> np.ndarray:
    """One value a step; rewards were recorded as arrays of one entry by some. Shape (T,)."""
    array = numbers(values, dataset_id, dtype)
    return array.reshape(len(array)) if array.size == len(array) else array


def _checked(dataset_id: str) -> str:
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError):
        raise DataError(
            f"'{dataset_id}' is no dataset id: expected namespace/name-vN, for example "
            "'sparsectl/rope/contact-v0'"
        ) from None
    return dataset_id
