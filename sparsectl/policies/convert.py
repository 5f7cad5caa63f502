"""Policies of Stable-Baselines3's zip files as our networks; nothing in them is run.

Weights are read by torch's loader for tensors only, and of the settings the JSON text: what
Stable-Baselines3 has pickled in it is left alone.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.policies.network import Activation, PolicyNetwork, from_arrays
from sparsectl.policies.rl.extra import require

_LARGEST = 2**30
_SHAPES = {
    "PPO or A2C": (r"mlp_extractor\.policy_net\.(\d+)", "action_net", "clip", "tanh"),
    "SAC": (r"actor\.latent_pi\.(\d+)", "actor.mu", "tanh", "relu"),
    "TD3 or DDPG": (r"actor\.mu\.(\d+)", None, "tanh", "relu"),
}
"""Hidden layers, last layer, what bounds actions, and the activation unless the zip says it."""
_UNKNOWN = "expected an MlpPolicy of PPO, A2C, SAC, TD3 or DDPG"


def convert(
    path: str | Path, u_low: np.ndarray, u_high: np.ndarray
) -> tuple[PolicyNetwork, dict[str, Any]]:
    """Read the policy of a zip that Stable-Baselines3's `save` wrote.

    It acts as `predict(deterministic=True)`. A model that was trained behind `VecNormalize` saw
    other observations; their statistics are in a file of their own and are not read.

    Args:
        u_low, u_high: the environment's own action box. Shape (nu,).

    Returns:
        The network, and facts: `made_by` and `env_steps`.

    Raises:
        CheckpointError: no such zip, or one with code where weights belong.
        ConfigError: another policy than a multilayer perceptron, or for other actions.
        MissingExtra: Stable-Baselines3 is not installed.
    """
    require()
    path = Path(path)
    weights, data = _weights(path), _data(path)
    told = data.get("observation_space")
    seen = told if isinstance(told, Mapping) else {}
    if "uint8" in str(seen.get("dtype")) and str(seen.get("_shape")).count(",") == 2:
        raise ConfigError(
            f"'{path}' acts on pictures, which are scaled and turned before its perceptron: "
            f"{_UNKNOWN}, of vectors"
        )
    name, hidden, last, output, activation = _layers(path, weights, data)
    arrays = [(weights[f"{k}.weight"], weights[f"{k}.bias"]) for k in (*hidden, last)]
    nu = len(arrays[-1][1])
    if nu != len(u_low):
        raise ConfigError(f"'{path}' gives actions of {nu} numbers, expected {len(u_low)}")
    _same_box(path, data, u_low, u_high)
    network = from_arrays(arrays, u_low, u_high, activation, output)
    return network, {"made_by": f"{name} of Stable-Baselines3", "env_steps": _steps(data)}


def _weights(path: Path) -> dict[str, np.ndarray]:
    from stable_baselines3.common.save_util import load_from_zip_file

    if not path.is_file():
        raise CheckpointError(f"no zip of Stable-Baselines3 at '{path}'")
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {i.filename: i.file_size for i in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"'{path}' is no zip: {error}") from error
    if "policy.pth" not in sizes or sum(sizes.values()) > _LARGEST:
        raise CheckpointError(
            f"'{path}' holds {', '.join(sorted(sizes)) or 'nothing'}, of {sum(sizes.values())} "
            f"bytes: expected a policy.pth and at most {_LARGEST} bytes"
        )
    try:
        # The settings, which hold pickled objects, stay closed; tensors are read as nothing else.
        with warnings.catch_warnings(action="ignore"):
            _, groups, _ = load_from_zip_file(path, load_data=False, device="cpu")
        tensors: Mapping[str, Any] = groups["policy"]  # type: ignore[assignment]
        return {k: v.numpy().astype(np.float64) for k, v in tensors.items()}
    except Exception as error:
        cause = error.__context__ or error  # without advice on how to load it all the same
        told = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise CheckpointError(
            f"'{path}' is refused: its weights are not tensors alone, and nothing else is read, as "
            f"it might be code ({told})"
        ) from error


def _data(path: Path) -> dict[str, Any]:
    """The settings as plain JSON; pickled entries in it are text here."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read("data")) if "data" in archive.namelist() else {}
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"'{path}': its settings are not valid JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _layers(
    path: Path, weights: Mapping[str, np.ndarray], data: Mapping[str, Any]
) -> tuple[str, list[str], str, Any, Activation]:
    """Algorithm, names of hidden layers and of the last, output and activation."""
    if any("features_extractor" in k or ".shared_net" in k for k in weights):
        raise ConfigError(f"'{path}' has layers before its perceptron: {_UNKNOWN}")
    if data.get("use_sde"):
        raise ConfigError(f"'{path}' explores by a state-dependent matrix (use_sde): {_UNKNOWN}")
    for name, (pattern, last, output, default) in _SHAPES.items():
        found = {m[0]: int(m[1]) for k in weights if (m := re.match(pattern + r"(?=\.weight$)", k))}
        layers = sorted(found, key=found.__getitem__)
        if last is None and layers:
            last = layers.pop()
        if last is None or f"{last}.weight" not in weights:
            continue
        return name, layers, last, output, _activation(path, data, default)
    raise ConfigError(f"'{path}' holds no policy that is known here: {_UNKNOWN}")


def _activation(path: Path, data: Mapping[str, Any], default: str) -> Activation:
    kwargs = data.get("policy_kwargs")
    told = str(kwargs.get("activation_fn", "")) if isinstance(kwargs, Mapping) else ""
    if isinstance(kwargs, Mapping) and kwargs.get("squash_output"):
        raise ConfigError(f"'{path}' has squash_output: {_UNKNOWN}")
    name = told.rpartition(".")[2].rstrip("'>").lower() or default
    if name not in ("relu", "tanh"):
        raise ConfigError(f"'{path}' has activation {told}, expected ReLU or Tanh")
    return "relu" if name == "relu" else "tanh"


def _same_box(path: Path, data: Mapping[str, Any], low: np.ndarray, high: np.ndarray) -> None:
    """Refuse a policy for another action space, where the zip tells its limits."""
    space = data.get("action_space")
    if not isinstance(space, Mapping):
        return
    if "Box" not in str(space.get(":type:", "Box")):
        raise ConfigError(f"'{path}' has actions of {space[':type:']}, expected a Box")
    for name, own in (("low", low), ("high", high)):
        told = re.findall(r"[-+]?\d[\d.e+-]*", str(space.get(name)))
        limits = [float(t) for t in told]
        if len(limits) == len(own) and not np.allclose(own, limits, rtol=1e-5):
            raise ConfigError(
                f"'{path}' has actions with {name} {limits}, the environment has {own.tolist()}: "
                "name the config of the environment that it was trained on"
            )


def _steps(data: Mapping[str, Any]) -> int | None:
    steps = data.get("num_timesteps")
    return steps if isinstance(steps, int) else None
