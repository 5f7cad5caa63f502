"""Play a trained policy on other bodies and in other fluids, with lost senses and cut parts.

Circuits carry over to any number of links without training; networks do not. Prints a table and
writes eval.csv next to the policy; with --clip a clip of the first episode of every condition.

Example: sparsectl swim eval runs/swim/0 --links 4 8 14 --lesions oscillator --clip
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl.cli import text
from sparsectl.config import from_dict, load_yaml
from sparsectl.errors import ConfigError
from sparsectl.files import FileError, csv_text, write_atomic


@dataclass(frozen=True, kw_only=True)
class Options:
    """Conditions, each on its own, after one as trained."""

    run: Path
    """Folder of one seed's run, as `swim train` names it."""
    links: tuple[int, ...] = ()
    """Numbers of links."""
    viscosity: tuple[float, ...] = ()
    """Viscosities of the fluid [Pa s]."""
    lesions: tuple[str, ...] = ()
    """Parts of the circuit, for example oscillator, proprioception, proprioceptor:2, module:0."""
    lost: tuple[int, ...] = ()
    """Joints whose angle reads 0, by number from the head."""
    noise: tuple[float, ...] = ()
    """Standard deviations of noise on the joint angles [rad]."""
    episodes: int = 10
    """Episodes of every condition."""
    clip: bool = False
    """Also write a clip (animated WebP) of every condition."""
    force: bool = False
    """Replace results that are there."""


def main(argv: list[str]) -> int:
    """Parse, play, print."""
    options = text.options(Options, argv, "swim eval", __doc__, first="run")

    from sparsectl.circuits.experiment import SwimExperiment
    from sparsectl.circuits.policy import checkpoint
    from sparsectl.circuits.rollout import trials

    if not (options.run / "config.yaml").is_file():
        raise ConfigError(
            f"no finished run in '{options.run}': give the folder of one seed, for example "
            "runs/swim/0, after `sparsectl swim train`"
        )
    out = options.run / "eval.csv"
    if out.exists() and not options.force:
        raise FileError(f"'{out}' exists: --force replaces it")
    experiment = from_dict(
        SwimExperiment, load_yaml(options.run / "config.yaml"), str(options.run / "config.yaml")
    )
    policy, _ = checkpoint.load(options.run / "policy")
    conditions = trials.standard(
        options.links, options.viscosity, options.lesions, options.lost, options.noise
    )
    rows = trials.run(
        policy,
        experiment.env,
        conditions,
        episodes=options.episodes,
        on_row=lambda row: print(f"{row['trial']}: {_told(row)}", file=sys.stderr),
    )
    write_atomic(out, csv_text(rows))
    print(out)
    if options.clip:
        _clips(policy, experiment.env, conditions, options.run)
    return 0


def _clips(policy: Any, spec: Any, conditions: list, folder: Path) -> None:
    from sparsectl.circuits.rollout.filming import film

    for trial in conditions:
        name = "".join(c if c.isalnum() or c in ".-" else "_" for c in trial.name)
        print(write_atomic(folder / f"clip_{name}.webp", film(policy, spec, trial)))


def _told(row: dict[str, Any]) -> str:
    if row["return_iqm"] is None:
        return "all episodes diverged"
    lost = f", {row['diverged']} diverged" if row["diverged"] else ""
    return f"{row['return_iqm']:.1f} ({row['return_low']:.1f} to {row['return_high']:.1f}){lost}"
