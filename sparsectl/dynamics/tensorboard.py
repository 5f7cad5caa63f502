"""Training's checks as a TensorBoard log, where one is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sparsectl.errors import MissingExtra


def require() -> None:
    """Refuse early where TensorBoard is not installed.

    Raises:
        MissingExtra: naming the pip command.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra(
            "train.tensorboard needs the tensorboard extra: pip install 'sparsectl[tensorboard]' "
            "(or leave it out)"
        )


@contextmanager
def log(folder: Path | None, step: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Function that logs the numbers of a check, under their names, at its `step`.

    Args:
        folder: of the log; None: there is none.
        step: last step that counts of what an interrupted run left there.

    Raises:
        MissingExtra: see `require`.
    """
    if folder is None:
        yield lambda _: None
        return
    require()
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=step + 1) as writer:

        def check(row: Mapping[str, float]) -> None:
            for name, value in row.items():
                if name not in ("member", "step"):
                    writer.add_scalar(f"train/{name}", value, int(row["step"]))
            writer.flush()

        yield check
