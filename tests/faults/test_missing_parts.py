"""Solvers that are not installed, or that another part of the process has set up."""

import children
import highspy
import numpy as np
import pytest
import random_problems

from sparsectl.mip import bound_neurons, encode, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.polish import Polisher
from sparsectl.types import Status


def _without(module: str) -> children.Child:
    code = (
        "import sys; sys.modules['MODULE'] = None\n"
        "import numpy as np, random_problems\n"
        "from sparsectl.mip import solve\n"
        "rng = np.random.default_rng(0)\n"
        "program = random_problems.dynamics(rng, 3, 1, (3,))\n"
        "problem = random_problems.problem(rng, 3, 1, 2, 'l1', constrained=False)\n"
        "from sparsectl.errors import SparsectlError\n"
        "try:\n"
        "    solve(program, problem, backend=BACKEND)\n"
        "except SparsectlError as error:\n"
        "    print('said:', error)\n"
    )
    backend = "'scip'" if module == "pyscipopt" else "'highs'"
    code = code.replace("MODULE", module).replace("BACKEND", backend)
    return children.run(children.code, code)


@pytest.mark.parametrize("module", ["pyscipopt", "highspy"])
def test_a_missing_solver_names_the_pip_command(module):
    done = _without(module)
    assert "said:" in done.stdout, done.stderr[-300:]
    assert "pip install" in done.stdout


def test_a_pool_of_threads_of_another_size_does_not_disable_highs():
    """Any other user of HiGHS in the process decides the size; runs with another one fail."""
    program, problem = random_problems.case()
    highspy.Highs.resetGlobalScheduler(True)
    other = highspy.Highs()
    other.setOptionValue("output_flag", False)
    other.setOptionValue("threads", 2)
    other.addVars(1, np.zeros(1), np.ones(1))
    other.run()
    try:
        assert solve(program, problem, backend="highs").status is Status.OPTIMAL
        model = encode(program, problem, bound_neurons(program, problem, "crown"))
        before = np.random.default_rng(0).uniform(-1, 1, (3, 2))
        polished = Polisher(OCP(program, problem), model)(before)
        own = float(problem.cost(program.rollout(problem.x0, before), before))
        assert polished.cost < own - 1e-6
    finally:
        highspy.Highs.resetGlobalScheduler(True)
