"""Transitions: recording, Minari in and out, splits by episode, normalisation."""

from sparsectl.data.collect import CollectConfig, Policy, collect
from sparsectl.data.delay import Latency, latency
from sparsectl.data.episodes import Episodes, joined, split, split_indices
from sparsectl.data.minari_io import dataset_id, list_datasets, load_minari, save_minari
from sparsectl.data.normalizer import Normalizer
from sparsectl.data.policy import RandomPolicy

__all__ = [
    "CollectConfig",
    "Episodes",
    "Latency",
    "Normalizer",
    "Policy",
    "RandomPolicy",
    "collect",
    "dataset_id",
    "joined",
    "latency",
    "list_datasets",
    "load_minari",
    "save_minari",
    "split",
    "split_indices",
]
