"""The files that an environment of the user's own is written in."""

from __future__ import annotations

import hashlib
import inspect
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium

from sparsectl.environment.named import named
from sparsectl.files import same_folder

_INSTALLED = [
    Path(gymnasium.__file__).parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
]


def code(env_id: str, kwargs: Mapping[str, Any] | None = None) -> str | None:
    """Digest of what an environment does, as far as files say: results depend on them as they do
    on arguments.

    They are those of its class (or of the function that makes it), of classes that this derives
    from, of the module that the id names, and files that arguments name. Installed packages,
    which have versions, do not count.

    Returns:
        16 hexadecimal digits, whatever the files are called; None where no file counts.
    """
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(env_id, kwargs or {})}
    return hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16] if found else None


def _files(env_id: str, kwargs: Mapping[str, Any]) -> Iterator[Path]:
    yield from (Path(v) for v in kwargs.values() if isinstance(v, str) and Path(v).is_file())
    name = named(env_id)
    spec = gymnasium.registry.get(name.rpartition(":")[2]) if isinstance(name, str) else name
    made_by: Any = None if spec is None else spec.entry_point
    if isinstance(made_by, str):
        with same_folder():
            made_by = gymnasium.envs.registration.load_env_creator(made_by)
    for part in (inspect.getmodule(made_by), *getattr(made_by, "__mro__", (made_by,))):
        try:
            path = Path(inspect.getsourcefile(part) or "")  # type: ignore[arg-type]
        except (TypeError, OSError):
            continue  # built in, or typed at a prompt
        module = inspect.getmodule(part)
        installed = any(path.is_relative_to(folder) for folder in _INSTALLED)
        ours = module is not None and module.__name__.split(".")[0] in ("sparsectl", "__main__")
        if path.is_file() and not installed and not ours:
            yield path
