"""Puts the plugins that are asked for into SCIP."""

from __future__ import annotations

from collections.abc import Sequence

import pyscipopt

from sparsectl.errors import ConfigError
from sparsectl.mip.model import MIPModel
from sparsectl.mip.plugins.base import Link, Source
from sparsectl.mip.plugins.branching import NeuronBranching
from sparsectl.mip.plugins.options import SCIPOptions
from sparsectl.mip.plugins.propagator import Sweep
from sparsectl.mip.plugins.rollout import Rollout


def install(
    scip: pyscipopt.Model,
    model: MIPModel,
    variables: Sequence[pyscipopt.Variable],
    options: SCIPOptions,
    source: Source | None,
) -> Link | None:
    """Include the plugins; returns what they share, None when there are none.

    Raises:
        ConfigError: a plugin without the program behind the model.
    """
    if options.rollout_every <= 0 and options.sweep_depth < 0 and options.branch_depth < 0:
        return None
    if source is None:
        raise ConfigError(
            "SCIP plugins (rollout_every, sweep_depth, branch_depth) were asked for without the "
            "program behind the model: give `source`, or plan through `sparsectl.mip.solve`"
        )
    link = Link(model, variables, source)
    if options.rollout_every > 0:
        Rollout(link).include(scip, options.rollout_every)
    if options.sweep_depth >= 0:
        Sweep(link, options.sweep_depth, options.sweep_every).include(scip)
    if options.branch_depth >= 0:
        NeuronBranching(link, options.branch_depth, options.branch_trials).include(scip)
    return link
