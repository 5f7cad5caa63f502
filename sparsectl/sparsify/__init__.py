"""From a dense ReLU model to models with few ReLUs."""

from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.sparsify.family import Family, Member
from sparsectl.sparsify.sparsify import sparsify

__all__ = ["Family", "Member", "SparsifyConfig", "sparsify"]
