"""The ReLU program: one canonical form for everything that is planned with."""

from sparsectl.program.network import lower_network
from sparsectl.program.relu_program import Level, ReluProgram
from sparsectl.program.source import Programs

__all__ = ["Level", "Programs", "ReluProgram", "lower_network"]
