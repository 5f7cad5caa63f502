"""YAML that is read as it looks, and written so that it is read as it was."""

from __future__ import annotations

import re
import typing

import yaml


class Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's plain numbers and booleans, refusing a key given twice.

    YAML 1.1 reads `2:26` as the base-60 number 146, `1e-3` as a string and `no` as False, and
    keeps the last of two equal keys silently.
    """

    yaml_implicit_resolvers: typing.ClassVar[dict] = {}  # type: ignore[misc]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first)
    )


class Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes what `Loader` alone would not read as text, like `0E0`."""

    yaml_implicit_resolvers: typing.ClassVar[dict] = {  # type: ignore[misc]
        first: Loader.yaml_implicit_resolvers.get(first, [])
        + yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])
        for first in {
            *Loader.yaml_implicit_resolvers,
            *yaml.SafeDumper.yaml_implicit_resolvers,
        }
    }
