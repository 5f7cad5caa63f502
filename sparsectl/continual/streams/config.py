"""Settings of streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from sparsectl.checks import whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class PermutedDigits:
    """Digits of 8 x 8 pixels (scikit-learn); each task shows them in another order of pixels."""

    kind: ClassVar[str] = "permuted_digits"
    tasks: int = 10
    """Number of orders."""
    identity_first: bool = False
    """The first task's pixels are as they were."""
    test_fraction: float = 0.2
    """Of the images, the same ones in all tasks."""

    def __post_init__(self) -> None:
        whole(self, self.kind, "[1, inf)", "tasks")
        within(self, self.kind, "(0, 1)", "test_fraction")


@dataclass(frozen=True)
class SplitDigits:
    """Digits of 8 x 8 pixels (scikit-learn); each task has digits of its own."""

    kind: ClassVar[str] = "split_digits"
    classes: int = 2
    """Digits in a task: 1, 2 or 5."""
    labels: Literal["class", "within"] = "class"
    """`class`: the network must tell all digits apart (class-incremental); `within`: only those
    of a task, 0 to classes - 1, with the same outputs for all tasks (domain-incremental)."""
    shuffle: bool = False
    """Which digits go together, and when, depends on the seed."""
    test_fraction: float = 0.2
    """Of the images."""

    def __post_init__(self) -> None:
        whole(self, self.kind, "[1, inf)", "classes")
        within(self, self.kind, "(0, 1)", "test_fraction")


@dataclass(frozen=True)
class IdxStream:
    """Images and labels in IDX files (MNIST, Fashion-MNIST and the like), plain or gzipped."""

    folders: tuple[Path, ...]
    """Each holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, with or without .gz."""
    mode: Literal["permuted", "split", "sequence"] = "permuted"
    """`permuted`, `split`: as with digits, of the one folder; `sequence`: each folder is a task."""
    tasks: int = 10
    """`permuted`: number of orders of pixels."""
    identity_first: bool = False
    """`permuted`: the first task's pixels are as they were."""
    classes: int = 2
    """`split`: classes in a task."""
    labels: Literal["class", "within"] = "class"
    """`split`: see `SplitDigits`."""
    shuffle: bool = False
    """`split`: which classes go together, and when, depends on the seed."""
    train: int | None = None
    """Only that many of the first training images."""
    test: int | None = None
    """Only that many of the first test images."""
    kind: ClassVar[str] = "idx"

    def __post_init__(self) -> None:
        if not self.folders:
            raise ConfigError("idx: folders is empty, expected at least one folder of IDX files")
        if self.mode != "sequence" and len(self.folders) > 1:
            raise ConfigError(
                f"idx: {len(self.folders)} folders are given, but mode '{self.mode}' takes one: "
                "set mode to 'sequence' to learn one after another"
            )
        whole(self, self.kind, "[1, inf)", "tasks", "classes", "train", "test")
