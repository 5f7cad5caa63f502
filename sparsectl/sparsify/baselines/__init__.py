"""Other ways to a model with few ReLUs, under the same data and training."""

from sparsectl.sparsify.baselines.base import Budget, Member
from sparsectl.sparsify.baselines.frequency import frequency, frequency_path
from sparsectl.sparsify.baselines.magnitude import magnitude, magnitude_path
from sparsectl.sparsify.baselines.one_shot import one_shot
from sparsectl.sparsify.baselines.scratch import Shape, scratch, widths
from sparsectl.sparsify.baselines.snl import SNLConfig, snl

__all__ = [
    "Budget",
    "Member",
    "SNLConfig",
    "Shape",
    "frequency",
    "frequency_path",
    "magnitude",
    "magnitude_path",
    "one_shot",
    "scratch",
    "snl",
    "widths",
]
