"""Write a trained model or a policy network as an ONNX file, for other languages and runtimes.

A model, also one with few ReLUs, takes `state` and `action` and gives `next_state`, all of shape
(batch, size) and in physical units; a policy takes `observation` and gives `action`, within the
task's box. Either can come back: `model: {from: net.onnx, predicts: next}`.

Example: sparsectl export --model runs/rope/sparse/24 --out rope24.onnx
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from sparsectl import checkpoint, dynamics
from sparsectl.cli import text
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.files import write_atomic


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is written, and where."""

    checkpoint: Annotated[Path, tyro.conf.arg(name="model")]
    """Folder of a trained model, of a run, or of a policy network."""
    out: Path
    """The file; one that is there is not replaced."""
    precision: Literal["float64", "float32"] = "float64"
    """Of the file's weights and values: `float64` is what planners compute with, exactly."""


def main(argv: list[str]) -> int:
    """Parse, convert, and write."""
    options = text.options(Options, argv, "export", __doc__)

    from sparsectl.cli import stages
    from sparsectl.exchange.onnx_read import require

    require()
    if options.out.exists():
        raise ConfigError(f"--out: '{options.out}' is there already: give another name")
    content, told = _content(options)
    write_atomic(options.out, content)
    stages.say(f"export: {options.out}, {told}, {options.precision}")
    return 0


def _content(options: Options) -> tuple[bytes, str]:
    from sparsectl.dynamics.lower import lower
    from sparsectl.exchange import onnx_write
    from sparsectl.policies import checkpoint as policies

    path = options.checkpoint
    path = path / "model" if (path / "model").is_dir() else path
    kind = checkpoint.load_tensors(path).meta.get("kind")
    if kind == "dynamics":
        model, meta = dynamics.load(path)
        if isinstance(model, dynamics.GraphDynamics):
            raise CheckpointError(
                f"'{path}' is a graph network: who is whose neighbour depends on the state, which "
                "a file of layers cannot say; export an MLP"
            )
        program = lower(model)
        notes = _notes(meta) | {"state": ", ".join(model.names), "predicts": "next"}
        sizes = {"state": model.nx, "action": model.nu}
        content = onnx_write.program(
            program, sizes, "next_state", precision=options.precision, notes=notes
        )
        return content, f"[state {model.nx}; action {model.nu}] to next state, {program.m} ReLUs"
    if kind == policies.KIND:
        policy, meta = policies.load(path)
        box = policy.low.numpy(), policy.high.numpy()
        content = onnx_write.network(
            policy.arrays(), policy.config.activation, box, precision=options.precision,
            notes=_notes(meta),
        )  # fmt: skip
        return content, f"observation {policy.observation_size} to action {policy.nu}"
    raise CheckpointError(
        f"'{path}' holds a '{kind}', expected a dynamics model or a {policies.KIND}"
    )


def _notes(meta: dict[str, Any]) -> dict[str, str]:
    known = ("env_id", "env_kwargs", "git_commit", "created")
    return {name: str(meta[name]) for name in known if meta.get(name)}
