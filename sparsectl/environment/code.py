"""The files that an environment of the user's own is written in."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium

from sparsectl.environment.named import named
from sparsectl.environment.sources import sources
from sparsectl.files import same_folder


def code(env_id: str, kwargs: Mapping[str, Any] | None = None) -> str | None:
    """Digest of what an environment does, as far as files say: results depend on them as they do
    on arguments.

    They are those of its class (or of the function that makes it), of classes that this derives
    from, of the module that the id names, what these import of the user's own (see `sources`), and
    files that arguments name.

    Returns:
        16 hexadecimal digits, whatever the files are called; None where no file counts.
    """
    given = {Path(v) for v in (kwargs or {}).values() if isinstance(v, str) and Path(v).is_file()}
    files = given | sources(_modules(env_id))
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16] if found else None


def _modules(env_id: str) -> Iterator[Path]:
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
        if module is None or module.__name__.split(".")[0] not in ("sparsectl", "__main__"):
            yield path
