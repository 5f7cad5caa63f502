"""Handwritten digits of 8 x 8 pixels that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from sparsectl import seeding
from sparsectl.continual.streams.arrays import Images
from sparsectl.errors import MissingExtra


def digits(test_fraction: float) -> Images:
    """1797 digits (Alpaydin and Kaynak 1998), 64 pixels in [0, 1].

    Training and test images do not depend on any seed, so no test image is ever learnt from.

    Args:
        test_fraction: share of test images.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra(
            "streams of digits need scikit-learn: pip install 'sparsectl[continual]'"
        ) from error
    found = load_digits()
    pixels = (found.data / 16.0).astype(np.float32)
    labels = found.target.astype(np.int64)
    order = seeding.generator(0, "digits").permutation(len(labels))
    held = min(max(1, round(test_fraction * len(labels))), len(labels) - 1)
    test, train = np.sort(order[:held]), np.sort(order[held:])
    return Images(pixels[train], labels[train], pixels[test], labels[test], 10)
