"""SCIP plugins that know the program behind a model. None changes what is optimal."""

from sparsectl.mip.plugins.base import Link, PluginFailed, Source
from sparsectl.mip.plugins.branching import NeuronBranching
from sparsectl.mip.plugins.install import install
from sparsectl.mip.plugins.options import SCIPOptions, resolve
from sparsectl.mip.plugins.propagator import Sweep
from sparsectl.mip.plugins.rollout import Rollout

__all__ = [
    "Link",
    "NeuronBranching",
    "PluginFailed",
    "Rollout",
    "SCIPOptions",
    "Source",
    "Sweep",
    "install",
    "resolve",
]
