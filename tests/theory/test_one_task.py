"""One task: reference values, limits, and the saddle point of the free energy."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.theory import curves
from sparsectl.theory.curves import CurveConfig
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.one_task import potential, solve_one
from sparsectl.theory.order import INFORMED, UNINFORMED, Conjugate, Order

# alpha: q0, r1, qd, error, from a solver of its own on dense grids with |x| <= 7.
REFERENCE = {
    0.5: (0.5396, 0.3790, 0.6798, 0.3554),
    1.0: (0.8556, 0.6294, 0.9058, 0.2719),
    1.8: (0.9704, 0.9849, 0.9707, 0.0048),
    2.0: (0.9781, 0.9889, 0.9783, 0.0018),
}


@pytest.fixture(scope="module")
def exact():
    return {alpha: solve_one(alpha) for alpha in (0.5, 1.0)}


@pytest.mark.parametrize("alpha", REFERENCE)
def test_reference_values_are_met_on_their_grid(alpha):
    found = solve_one(alpha, Gibbs(cutoff=7.0), INFORMED if alpha > 1.5 else Order(0.1, 0.05, 0.4))
    assert found.converged
    order = found.order
    assert (order.q0, order.r, order.qd, found.error) == pytest.approx(REFERENCE[alpha], abs=1e-3)


def test_exact_integrals_agree_where_the_cutoff_does_not_matter(exact):
    order = exact[0.5].order
    got = (order.q0, order.r, order.qd, exact[0.5].error)
    assert got == pytest.approx(REFERENCE[0.5], abs=1e-4)
    assert exact[1.0].error == pytest.approx(0.2828, abs=1e-4)  # and not 0.2719


def test_the_solution_is_stationary_in_overlaps_and_conjugates(exact):
    task, step = exact[1.0], 1e-4
    order, hats = task.order.array(), (task.hats.q0, task.hats.r, task.hats.qd)
    for i in range(3):
        by_order, by_hat = [], []
        for sign in (1, -1):
            moved = order.copy()
            moved[i] += sign * step
            by_order.append(potential(1.0, task.gibbs, Order(*moved), task.hats))
            changed = list(hats)
            changed[i] *= 1 + sign * step
            by_hat.append(potential(1.0, task.gibbs, task.order, Conjugate(*changed)))
        assert (by_order[0] - by_order[1]) / (2 * step) == pytest.approx(0, abs=1e-3)
        assert (by_hat[0] - by_hat[1]) / (2 * step * hats[i]) == pytest.approx(0, abs=1e-6)


def test_the_entropy_is_that_of_the_potential():
    """d(-beta f)/d(beta) = -loss along solutions, so that entropy = potential + beta loss."""
    low, mid, high = (solve_one(0.5, Gibbs(beta=b)) for b in (4.99, 5.0, 5.01))
    assert (high.potential - low.potential) / 0.02 == pytest.approx(-mid.loss, rel=1e-5)
    assert mid.entropy == mid.potential + 5 * mid.loss


def test_few_examples_leave_the_flat_measure_in_their_order():
    alpha, flat = 1e-4, Order(1e-9, 0.0, 1 / 3)
    found = solve_one(alpha)
    assert found.order.qd == pytest.approx(1 / 3, abs=1e-3)
    # First order in alpha: a field r_hat moves a uniform mean by a third of it.
    assert found.order.r == pytest.approx(found.hats.r / 3, rel=1e-2)
    hats = Conjugate(0.0, 0.0, 0.0)
    assert potential(0.0, Gibbs(), flat, hats) == pytest.approx(np.log(2), abs=1e-12)


def test_no_temperature_no_learning():
    found = solve_one(1.0, Gibbs(beta=1e-4))
    assert found.error == pytest.approx(0.5, abs=1e-3)
    assert found.order.qd == pytest.approx(1 / 3, abs=1e-3)


def test_two_starts_find_both_branches_where_there_are_two():
    found = [solve_one(1.6, start=start, tolerance=1e-7) for start in (UNINFORMED, INFORMED)]
    assert [round(f.error, 3) for f in found] == [0.227, 0.017]
    assert found[0].potential > found[1].potential  # the jump is still to come
    assert all(f.converged for f in found)


def test_the_curve_follows_solutions_and_goes_on_from_its_last_point():
    config = CurveConfig(start=0.3, end=0.8)
    whole = curves.curve(config=config)
    again = curves.curve(config=config, done=whole[:3])
    assert [p.x for p in again] == [p.x for p in whole]
    last = whole[-1].task
    assert solve_one(last.alpha).error == pytest.approx(last.error, abs=1e-6)
    assert curves.jump([{**p.task.row(), "folds": p.folds} for p in whole]) is None


def test_the_upper_branch_ends_in_a_fold_near_one_and_a_half():
    """Traced downwards from alpha 1.55 next to the teacher, around the fold."""
    start = solve_one(1.55, start=INFORMED)
    x = [*start.order.free(), 1.55]
    first = curves.point(Gibbs(), x, 0, [0, 0, 0, -1], 0.05)
    points = curves.curve(config=CurveConfig(end=1.56, steps=26), done=[first])
    folded = [p for p in points if p.folds]
    assert min(p.task.alpha for p in points) == pytest.approx(1.499, abs=2e-3)
    assert folded
    assert folded[-1].task.error > start.error
