"""Packed-bit inference against torch's float32 products, in CPU time of one thread.

    python -m scripts.continual.packed [--out scripts/results/packed.csv]

`layer n`: signs of n inputs to n outputs, packing of the activations included. `network`: whole
networks of sign neurons, with real inputs (the first layer is then a float32 product in both)
and with inputs of +-1. The least of several repeats counts.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts import study
from scripts.study import RESULTS
from sparsectl.continual import packed
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.files import csv_text, write_atomic

SIZES = (64, 256, 512, 1024, 2048, 4096)
BATCHES = (1, 16, 64, 256)
NETWORKS = ((23, (256, 256), 17), (784, (512, 512), 10), (784, (2048, 2048), 10))
REPEATS, LEAST = 5, 0.01


def microseconds(call: Callable[[], Any]) -> float:
    """CPU time of a call: least of `REPEATS` means over at least `LEAST` seconds."""
    call()
    best = np.inf
    for _ in range(REPEATS):
        start, count = time.process_time(), 0
        while (spent := time.process_time() - start) < LEAST or not count:
            call()
            count += 1
        best = min(best, spent / count)
    return best * 1e6


def row(name: str, batch: int, plain: float, bits: float, sizes: tuple[int, int]) -> dict[str, Any]:
    return {
        "what": name, "batch": batch, "float32_us": round(plain, 1), "packed_us": round(bits, 1),
        "speedup": round(plain / bits, 2), "float32_bytes": sizes[0], "packed_bytes": sizes[1],
    }  # fmt: skip


def packed_layer(x: np.ndarray, bits: np.ndarray, n: int) -> np.ndarray:
    return packed.dot(packed.pack(x), bits, n)


def float_network(weights: list[torch.Tensor], a: torch.Tensor) -> torch.Tensor:
    """As `Layers`, but without what its gradients need and without scales that change no sign."""
    for W in weights[:-1]:
        a = torch.where(a @ W.T >= 0, 1.0, -1.0)
    return a @ weights[-1].T * weights[-1].shape[1] ** -0.5


def layers(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for n in SIZES:
        W = rng.choice(np.array([-1, 1], np.float32), (n, n))
        dense, bits = torch.from_numpy(W), np.ascontiguousarray(packed.pack(W).T)
        for batch in BATCHES:
            x = rng.choice(np.array([-1, 1], np.float32), (batch, n))
            a = torch.from_numpy(x)
            assert (packed.dot(packed.pack(x), bits, n) == (a @ dense.T).numpy()).all()
            plain = microseconds(partial(torch.matmul, a, dense.T))
            quick = microseconds(partial(packed_layer, x, bits, n))
            yield row(f"layer {n}", batch, plain, quick, (W.nbytes, bits.nbytes))


def networks(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for n_in, hidden, n_out in NETWORKS:
        shape = Layers(NetworkConfig(hidden, "sign"), n_in, n_out)
        weights = [rng.choice(np.array([-1, 1], np.float32), s) for s in shape.shapes]
        dense = [torch.from_numpy(W) for W in weights]
        for binary in (False, True):
            network = packed.PackedNetwork(shape, weights, binary)
            size = sum(W.nbytes for W in weights), network.nbytes
            for batch in BATCHES:
                x = rng.choice(np.array([-1, 1], np.float32), (batch, n_in))
                a = torch.from_numpy(x)
                assert np.allclose(network(x), float_network(dense, a).numpy(), atol=1e-5)
                plain = microseconds(partial(float_network, dense, a))
                quick = microseconds(partial(network, x))
                name = "-".join(map(str, (n_in, *hidden, n_out)))
                yield row(
                    f"network {name}, {'signs' if binary else 'real inputs'}",
                    batch, plain, quick, size,
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "packed.csv"


def main(argv: list[str] | None = None) -> int:
    """Measure and write the table."""
    options = study.parse(Options, __doc__, argv)
    rng, rows = np.random.default_rng(0), []
    with torch.inference_mode():
        for found in itertools.chain(layers(rng), networks(rng)):
            rows.append(found)
            print(study.short(found), flush=True)
    write_atomic(options.out, csv_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
