"""What to achieve: observation to state, cost, constraints, and the problem of one decision."""

from sparsectl.task.action import ActionConfig
from sparsectl.task.config import TaskConfig
from sparsectl.task.constraints import Constraints, ConstraintsConfig
from sparsectl.task.cost import Cost, CostConfig, TermConfig
from sparsectl.task.inputs import Inputs
from sparsectl.task.made import step_cost
from sparsectl.task.margins import Margins
from sparsectl.task.observation import EntriesConfig, ObservationConfig, StateMap
from sparsectl.task.problem import Problem
from sparsectl.task.task import Task

__all__ = [
    "ActionConfig",
    "Constraints",
    "ConstraintsConfig",
    "Cost",
    "CostConfig",
    "EntriesConfig",
    "Inputs",
    "Margins",
    "ObservationConfig",
    "Problem",
    "StateMap",
    "Task",
    "TaskConfig",
    "TermConfig",
    "step_cost",
]
