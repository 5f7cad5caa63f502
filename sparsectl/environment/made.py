"""Gymnasium environments by id."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium

from sparsectl import rendering
from sparsectl.environment import actions, observations
from sparsectl.environment.checked import Checked
from sparsectl.environment.delay import Delay
from sparsectl.environment.history import History
from sparsectl.environment.named import named
from sparsectl.errors import ConfigError, MissingExtra
from sparsectl.files import same_folder


def make(
    env_id: str, kwargs: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Checked:
    """Environment whose observation is a flat Box and whose action is a Box of shape (nu,).

    Dict and Tuple observations of Boxes, and Boxes of more than one axis, are flattened in the
    order of their space, whatever the order of an observation's keys; so are actions. Entries of
    a Dict that are no Boxes are left out. Whole
    numbers are rounded to, see `levels`. See `Checked` for what is made sure of at each step.

    Args:
        env_id: see `named`.
        kwargs: arguments of the environment's constructor; `max_episode_steps` is Gymnasium's,
            `reset_options` are the options of every reset, `delay` is how many steps `actions`
            or `observations` are late, see `Delay`, and `history` how many earlier ones are seen,
            see `History`.
        render_mode: e.g. `"rgb_array"`.

    Raises:
        ConfigError: unknown id, arguments the environment refuses, or spaces that cannot be
            planned in.
        MissingExtra: the environment needs a package that is not installed.
    """
    arguments = dict(kwargs or {})
    options = arguments.pop("reset_options", None)
    # One that is no mapping is an argument of the environment's own.
    late, past = (
        arguments.pop(name) if isinstance(arguments.get(name), Mapping) else None
        for name in ("delay", "history")
    )
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"environment '{env_id}': reset_options is {options!r}, expected names")
    if render_mode is not None:
        arguments["render_mode"] = render_mode
    name = named(env_id)
    told = rendering.settle()
    if told:
        warnings.warn(told, stacklevel=2)
    try:
        with same_folder():
            env = gymnasium.make(name, **arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtra(f"environment '{env_id}' needs another package: {error}") from error
    except ImportError as error:
        cause = error.__cause__ or error
        raise MissingExtra(
            f"environment '{env_id}' cannot be imported: {cause}; its module must be installed, "
            "beside the YAML file or in the working directory"
        ) from error
    except gymnasium.error.Error as error:
        raise ConfigError(f"environment '{env_id}': {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"environment '{env_id}' refuses the arguments {arguments}: {error}"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"environment '{env_id}' cannot be made: {type(error).__name__}: {error}"
        ) from error
    try:
        flat = actions.flat(observations.flat(env, env_id), env_id)
        flat = flat if late is None else Delay(flat, late)
        flat = flat if past is None else History(flat, past)
        seen = observations.boxes(env.observation_space) or env.observation_space
        return Checked(flat, seen, env.action_space, options)
    except ConfigError:
        env.close()
        raise


def step_limit(
    env_id: str,
    env_kwargs: Mapping[str, Any] | None,
    steps: int | None,
    option: str = "evaluate.steps",
) -> int:
    """The length of an episode: as asked for with an option, else the environment's own.

    Raises:
        ConfigError: it has none.
    """
    if steps is not None:
        return steps
    with make(env_id, env_kwargs) as env:
        limit = env.spec.max_episode_steps if env.spec is not None else None
    if limit is None:
        raise ConfigError(f"environment '{env_id}' has no step limit: give {option}")
    return limit
