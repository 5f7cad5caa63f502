"""The ReLU program: one canonical form for everything that is planned with."""

from sparsectl.program.network import lower_network
from sparsectl.program.relu_program import Decision, Level, Programs, ReluProgram

__all__ = ["Decision", "Level", "Programs", "ReluProgram", "lower_network"]
