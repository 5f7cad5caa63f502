"""General solvers behind one call: `MIPModel` -> `RawSolution`."""
