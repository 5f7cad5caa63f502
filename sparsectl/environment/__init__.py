"""Gymnasium environments by id, with flat Box observations and a one-dimensional action box.

Spaces of whole numbers are such a box too, of which `levels` says what entries may be.
"""

from sparsectl.environment.actions import FlattenAction, is_bounded, levels, limits, native, whole
from sparsectl.environment.checked import Checked, control_step, scalar
from sparsectl.environment.code import code
from sparsectl.environment.entries import Entries
from sparsectl.environment.info import error, success
from sparsectl.environment.made import make, step_limit
from sparsectl.environment.named import same_id
from sparsectl.environment.observations import alike, boxes
