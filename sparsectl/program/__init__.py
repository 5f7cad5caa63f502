"""The ReLU program: one canonical form for everything that is planned with."""

from sparsectl.program.relu_program import Level, ReluProgram

__all__ = ["Level", "ReluProgram"]
