"""Strict YAML to frozen dataclasses.

Unknown keys and wrong types are errors that name the file, the place and the nearest valid
name. Nothing is evaluated, imported or defaulted behind the user's back.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sparsectl.errors import ConfigError, nearest, one_of, prefixed
from sparsectl.files import readable_errors
from sparsectl.strict_yaml import Dumper, Loader

T = TypeVar("T")


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Mapping at the top of a YAML file.

    Raises:
        ConfigError: a file that is missing or cannot be read, invalid YAML, or something else than
            a mapping at the top.
    """
    path = Path(path)
    if not path.is_file():
        others = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise ConfigError(f"no config file at '{path}'" + nearest(path.name, others))
    try:
        with readable_errors(path, "read", ConfigError):
            data = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping at the top, got {type(data).__name__}")
    return data


def from_dict(cls: type[T], data: Mapping[str, Any], where: str = "config") -> T:
    """Build a (nested) frozen dataclass from a plain mapping.

    Args:
        where: prefix of error messages, e.g. the file name.

    Raises:
        ConfigError: unknown key, wrong type, or a value that the class itself refuses.
    """
    return _dataclass(cls, data, where)


def to_dict(config: Any, *, kinds: bool = False) -> Any:
    """Plain, YAML-writable form of a config dataclass: the inverse of `from_dict`.

    Args:
        config: dataclass, or what one may hold.
        kinds: also the `kind` of classes that are chosen by it and do not have it as a field.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = dataclasses.fields(config)
        values = {_key(f): to_dict(getattr(config, f.name), kinds=kinds) for f in fields}
        kind = getattr(config, "kind", None) if kinds else None
        return {"kind": kind, **values} if isinstance(kind, str) else values
    if isinstance(config, Mapping):
        return {str(k): to_dict(v, kinds=kinds) for k, v in config.items()}
    if isinstance(config, tuple | list):
        return [to_dict(v, kinds=kinds) for v in config]
    return str(config) if isinstance(config, Path) else config


def dump_yaml(config: Any) -> str:
    """YAML text of a config dataclass, keys in field order."""
    return yaml.dump(
        to_dict(config), Dumper=Dumper, sort_keys=False, default_flow_style=None, width=100
    )


def parse(text: str) -> Any:
    """One value as YAML files have it, e.g. `0.1`, `[1, 2]` or `{kind: field}`.

    Raises:
        ConfigError: not YAML.
    """
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"'{text}' is no YAML value: {' '.join(str(error).split())}") from None


def put(data: dict[str, Any], name: str, value: Any) -> None:
    """Replace one value of nested mappings by dotted name, list entries by number.

    Raises:
        ConfigError: the name leads through a value, or to an entry that a list does not have.
    """
    *parents, last = name.split(".")
    place: Any = data
    for key in parents:
        place = _entry(place, key, name) if isinstance(place, list) else place.setdefault(key, {})
        if not isinstance(place, dict | list):
            raise ConfigError(f"override '{name}': '{key}' is a value, not a section")
    if isinstance(place, list):
        _entry(place, last, name)
        place[int(last)] = value
    else:
        place[last] = value


def _entry(values: list, key: str, name: str) -> Any:
    if not (key.isdigit() and int(key) < len(values)):
        raise ConfigError(
            f"override '{name}': no entry '{key}'" + nearest(key, map(str, range(len(values))))
        )
    return values[int(key)]


def _dataclass(cls: type[T], data: Any, where: str) -> T:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a mapping of {cls.__name__}, got {_show(data)}")
    hints = _hints(cls)  # type: ignore[arg-type]
    fields = {_key(f): f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in data:
        one_of(key, fields, f"{where}: unknown key")
    for name, f in fields.items():
        if _required(f) and name not in data:
            raise ConfigError(f"{where}: missing key '{name}' ({_type_name(hints[f.name])})")
    values = {
        fields[k].name: _value(
            hints[fields[k].name], v, f"{where}: {k}" if ": " not in where else f"{where}.{k}"
        )
        for k, v in data.items()
    }
    with prefixed(where, ConfigError):
        return cls(**values)


_hints = functools.cache(typing.get_type_hints)


def _key(field: dataclasses.Field) -> str:
    """Name in files: `from_` is `from`, which Python keeps for itself."""
    return field.name.rstrip("_")


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if hasattr(value, "tolist"):  # an array or a number of numpy
        value = value.tolist()
    if origin in (typing.Union, types.UnionType):
        return _union(args, value, where)
    if origin is typing.Literal:
        if value in args:
            return value
        raise ConfigError(f"{where}: got {_show(value)}" + nearest(str(value), map(str, args)))
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, where)
    if origin is tuple or origin is list:
        return _sequence(origin, args, value, where)
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping, got {_show(value)}")
        return {str(k): _value(args[1], v, f"{where}.{k}") for k, v in value.items()}
    return _scalar(kind, value, where)


def _union(args: tuple, value: Any, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    kinds = [a for a in args if a is not type(None)]
    if isinstance(value, Mapping) and all(hasattr(k, "kind") for k in kinds):
        return _tagged(kinds, value, where)
    errors = []
    for kind in kinds:
        try:
            return _value(kind, value, where)
        except ConfigError as error:
            errors.append(error)
    # Of several complaints, the one about the alternative that looks like the value says most.
    if isinstance(value, str):
        words = [
            e for k, e in zip(kinds, errors, strict=True) if typing.get_origin(k) is typing.Literal
        ]
        raise words[0] if words else errors[0]
    if isinstance(value, list | tuple):
        reached = [_entries(error, where) for error in errors]
        raise errors[reached.index(max(reached))] if any(reached) else errors[-1]
    raise errors[-1] if isinstance(value, Mapping) else errors[0]


def _entries(error: ConfigError, where: str) -> list[int]:
    """Which entry of a list is complained of: those before it were as expected."""
    place = str(error)[len(where) :].partition(": ")[0]
    return [int(i) for i in re.findall(r"\[(\d+)\]", place)]


def _tagged(kinds: list, value: Mapping, where: str) -> Any:
    """One of several classes by `kind`, each class's own.

    Where the key is missing: the one whose required keys are given, else the first.
    """
    by_name = {k.kind: k for k in kinds}
    needed = {k.kind: {_key(f) for f in dataclasses.fields(k) if _required(f)} for k in kinds}
    default = next((k for k, keys in needed.items() if keys and keys <= {*value}), kinds[0].kind)
    name = value.get("kind", default)
    if name not in by_name:
        raise ConfigError(f"{where}: unknown kind {_show(name)}" + nearest(str(name), by_name))
    chosen, rest = by_name[name], dict(value)
    known = {_key(f) for k in kinds for f in dataclasses.fields(k)} | {"kind"}
    for key in value:
        if "kind" not in value and key not in known:  # it may be what would make it another kind
            raise ConfigError(f"{where}: unknown key '{key}'" + nearest(str(key), known))
    if "kind" not in {f.name for f in dataclasses.fields(chosen)}:
        rest.pop("kind", None)
    return _dataclass(chosen, rest, where)


def _sequence(origin: type, args: tuple, value: Any, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where}: expected a list, got {_show(value)}")
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(value) != len(args):
            raise ConfigError(f"{where}: expected {len(args)} values, got {len(value)}")
        return tuple(
            _value(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True))
        )
    return origin(_value(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, float) and math.isnan(value):
        raise ConfigError(f"{where}: expected a number, got nan")
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: expected {_type_name(kind)}, got {_show(value)}")


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def _show(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"
