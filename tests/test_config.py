"""Strict YAML to dataclasses and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sparsectl import config, strict_yaml
from sparsectl.errors import ConfigError
from sparsectl.task import ActionConfig


@dataclass(frozen=True)
class Inner:
    weight: float = 1.0
    norm: Literal["l1", "linf"] = "l1"

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(f"weight is {self.weight}, expected >= 0")


@dataclass(frozen=True)
class Outer:
    name: str
    steps: int = 3
    flag: bool = False
    ratio: float = 0.5
    size: int | Literal["auto"] = "auto"
    limit: float | list[float] = 1.0
    maybe: int | None = None
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)
    inners: list[Inner] = field(default_factory=list)
    named: dict[str, str | Inner] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path("runs")


def build(**data: Any) -> Outer:
    return config.from_dict(Outer, {"name": "n", **data}, "x.yaml")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


def test_defaults_hold_where_nothing_is_given():
    assert build() == Outer("n")


def test_nested_values_are_built():
    got = build(
        inner={"weight": 2, "norm": "linf"},
        inners=[{"weight": 3.0}],
        named={"a": "0:2", "b": {"weight": 1.5}},
        many=[1, 2],
        folder="there",
        limit=[1, 2.5],
        size=4,
    )
    assert got.inner == Inner(2.0, "linf")
    assert isinstance(got.inner.weight, float)
    assert got.inners == [Inner(3.0)]
    assert got.named == {"a": "0:2", "b": Inner(1.5)}
    assert (got.many, got.folder, got.limit, got.size) == ((1, 2), Path("there"), [1.0, 2.5], 4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"stepz": 1}, ["unknown key 'stepz'", "did you mean 'steps'"]),
        ({"inner": {"nrm": "l1"}}, ["inner", "unknown key 'nrm'", "did you mean 'norm'"]),
        ({"inner": {"norm": "l11"}}, ["inner.norm", "'l11'", "did you mean 'l1'"]),
        ({"inner": {"weight": -1}}, ["inner", "weight is -1.0", ">= 0"]),
        ({"inners": [{}, {"weight": "x"}]}, ["inners[1].weight", "expected float", "'x'"]),
        ({"inner": 3}, ["inner", "expected a mapping of Inner", "3 (int)"]),
        ({"steps": 1.5}, ["steps", "expected int", "1.5 (float)"]),
        ({"steps": True}, ["steps", "expected int", "True (bool)"]),
        ({"ratio": True}, ["ratio", "expected float", "True (bool)"]),
        ({"ratio": "1e-3"}, ["ratio", "expected float", "'1e-3' (str)"]),
        ({"ratio": float("nan")}, ["ratio", "nan"]),
        ({"flag": "yes"}, ["flag", "expected bool", "'yes'"]),
        ({"name": 3}, ["name", "expected str"]),
        ({"pair": [1.0]}, ["pair", "expected 2 values, got 1"]),
        ({"pair": 1.0}, ["pair", "expected a list"]),
        ({"many": ["a"]}, ["many[0]", "expected int"]),
        ({"named": {"b": {"weigth": 1}}}, ["named.b", "unknown key 'weigth'"]),
        ({"named": {"b": 1}}, ["named.b", "expected str"]),
        ({"named": [1]}, ["named", "expected a mapping"]),
        ({"size": "atuo"}, ["size", "'atuo'", "auto"]),
        ({"maybe": "x"}, ["maybe", "expected int"]),
        ({"name": None}, ["name", "expected str", "None"]),
    ],
)
def test_errors_say_what_where_and_the_nearest_name(data, words):
    with pytest.raises(ConfigError) as caught:
        build(**data)
    message = str(caught.value)
    assert message.startswith("x.yaml: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_numbers_of_numpy_are_numbers():
    action = {"levels": np.float32([-1, 0.5]), "low": np.float32(-1), "blocks": [np.int64(2)]}
    found = config.from_dict(ActionConfig, {**action, "integer": np.bool_(False)})
    assert found == ActionConfig(levels=[-1.0, 0.5], low=-1.0, blocks=[2], integer=False)


def test_missing_key_is_named_with_its_type():
    with pytest.raises(ConfigError, match=r"x.yaml: missing key 'name' \(str\)"):
        config.from_dict(Outer, {}, "x.yaml")


def test_missing_file_names_the_nearest_file(tmp_path):
    write(tmp_path, "a: 1")
    with pytest.raises(ConfigError, match=r"no config file at .*y.yaml.*did you mean 'x.yaml'"):
        config.load_yaml(tmp_path / "y.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "expected a mapping at the top, got list"),
        ("a: 1\nb: 2\na: 3", "key 'a' is given twice"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("{[1]: 2}", "not valid YAML"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        config.load_yaml(write(tmp_path, text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load_yaml(path)


def test_empty_file_is_an_empty_mapping(tmp_path):
    assert config.load_yaml(write(tmp_path, "# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2:26", "2:26"),
        ("1:30", "1:30"),
        ("1e-3", 1e-3),
        ("-2.5E+2", -250.0),
        (".5", 0.5),
        ("3", 3),
        ("-7", -7),
        (".inf", float("inf")),
        ("no", "no"),
        ("true", True),
        ("null", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("0.2", 0.2),
        ("1.", 1.0),
    ],
)
def test_scalars_are_read_as_in_yaml_1_2(tmp_path, text, value):
    got = config.load_yaml(write(tmp_path, f"a: {text}"))["a"]
    assert got == value
    assert type(got) is type(value)


def test_anchors_and_merge_keys_work(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}"
    assert config.load_yaml(write(tmp_path, text))["b"] == {"x": 1, "y": 3}


texts = st.text(max_size=12).filter(lambda s: s.isprintable())
floats = st.floats(allow_nan=False)
inners = st.builds(Inner, st.floats(0, 1e6), st.sampled_from(["l1", "linf"]))
outers = st.builds(
    Outer,
    texts,
    st.integers(),
    st.booleans(),
    floats,
    st.integers() | st.just("auto"),
    floats | st.lists(floats, max_size=3),
    st.none() | st.integers(),
    st.tuples(floats, floats),
    st.lists(st.integers(), max_size=3).map(tuple),
    inners,
    st.lists(inners, max_size=3),
    st.dictionaries(texts, texts | inners, max_size=3),
    st.dictionaries(texts, st.integers() | texts | floats | st.booleans() | st.none(), max_size=3),
)


@given(outers)
def test_yaml_round_trip_is_the_identity(outer):
    data = yaml.load(config.dump_yaml(outer), Loader=strict_yaml.Loader)
    assert config.from_dict(Outer, data) == outer


@pytest.mark.parametrize("text", ["0E0", "1e5", "2:26", "no", "0x1F", "~", ".5", "007", "<<"])
def test_text_that_looks_like_something_else_stays_text(text):
    data = yaml.load(config.dump_yaml({"name": text, text: 1}), Loader=strict_yaml.Loader)
    assert data == {"name": text, text: 1}
