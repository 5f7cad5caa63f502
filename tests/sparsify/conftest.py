"""Data of the sparsifiers' tests."""

import pytest
import toys

from sparsectl.data import Episodes


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    return toys.pusher()
