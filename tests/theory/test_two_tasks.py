"""Two tasks: reference values, limits in gamma and in similarity, and the saddle point."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.theory.one_task import solve_one
from sparsectl.theory.order import UNINFORMED, Conjugate, Order
from sparsectl.theory.two_tasks import averages, first_task, potential, prior, solve_two

# (gamma, r0, alpha2): errors on tasks 1 and 2, from a solver of its own.
REFERENCE = {
    (1.0, 0.0, 1.0): (0.150, 0.469),
    (1.0, 0.0, 4.0): (0.376, 0.288),
    (1.0, 0.5, 2.0): (0.189, 0.267),
    (1.0, -0.5, 3.0): (0.342, 0.494),
    (0.1, 0.0, 0.5): (0.335, 0.399),
    (0.1, 0.5, 0.5): (0.262, 0.294),
}


@pytest.fixture(scope="module")
def first():
    return first_task(2.0)


@pytest.mark.parametrize("cell", REFERENCE)
def test_reference_values(first, cell):
    gamma, similarity, alpha = cell
    found = solve_two(alpha, prior(first, gamma, similarity))
    assert found.converged
    assert found.errors == pytest.approx(REFERENCE[cell], abs=0.01)
    assert found.forgetting > 0


def test_the_solution_is_stationary(first):
    given, step = prior(first, 1.0, 0.5), 1e-5
    found = solve_two(1.0, given)
    hats = (found.hats.q0, found.hats.r, found.hats.qd)
    for i in range(3):
        by_order, by_hat = [], []
        for sign in (1, -1):
            moved = found.order.array()
            moved[i] += sign * step
            by_order.append(potential(1.0, given, Order(*moved), found.hats))
            changed = list(hats)
            changed[i] *= 1 + sign * step
            by_hat.append(potential(1.0, given, found.order, Conjugate(*changed)))
        assert (by_order[0] - by_order[1]) / (2 * step) == pytest.approx(0, abs=1e-3)
        assert (by_hat[0] - by_hat[1]) / (2 * step * hats[i]) == pytest.approx(0, abs=1e-5)


def test_without_a_prior_the_second_task_is_a_task_of_its_own(first):
    found, alone = solve_two(0.5, prior(first, 0.0, 0.3), UNINFORMED), solve_one(0.5)
    assert found.order.array() == pytest.approx(alone.order.array(), abs=1e-7)
    assert found.errors[1] == pytest.approx(alone.error, abs=1e-7)
    # What is left of task 1 is what both teachers share.
    assert found.overlaps[0] == pytest.approx(0.3 * alone.overlap, abs=1e-7)


def test_a_strong_prior_stays_with_the_first_task(first):
    errors = [solve_two(1.0, prior(first, gamma, 0.0)).errors for gamma in (1.0, 4.0, 16.0)]
    assert errors[0][0] > errors[1][0] > errors[2][0]
    assert errors[2] == pytest.approx((first.error, 0.5), abs=0.025)
    kept = solve_two(0.0, prior(first, 16.0, 0.0))
    assert kept.order.qd == pytest.approx(first.order.qd, abs=7e-3)


def test_the_same_teacher_again_is_learnt_better(first):
    found = solve_two(1.0, prior(first, 1.0, 1.0))
    assert found.errors[0] == found.errors[1]
    assert found.errors[0] < 0.7 * first.error
    turned = solve_two(1.0, prior(first, 1.0, -1.0))
    assert turned.errors[0] == pytest.approx(1 - turned.errors[1], abs=1e-12)


def test_the_law_of_the_prior_is_the_first_tasks_posterior(first):
    given = prior(first, 1.0, 0.0)
    m = np.tanh(given.theta)
    assert given.shares @ m == pytest.approx(first.order.r, abs=1e-8)
    assert given.shares @ m**2 == pytest.approx(first.order.qd, abs=1e-8)
    assert given.shares @ np.sign(m) == pytest.approx(first.overlap, abs=1e-8)


def test_averages_are_those_of_the_divergence_itself(first):
    """Against the definition: a triple sum over B, x and m_1 with the divergence in the weight."""
    given, hats = prior(first, 1.0, 0.5), Conjugate(40.0, 6.0, 25.0)
    got, overlaps, _ = averages(hats, given)
    m = np.tanh(np.linspace(-12, 12, 601))
    width = (1 - m**2) * (24 / 600)
    x = np.linspace(-6, 6, 49)
    gauss = np.exp(-0.5 * x * x) / np.exp(-0.5 * x * x).sum()
    used = given.shares > 1e-7
    theta, shares = given.theta[used], given.shares[used] / given.shares[used].sum()
    total = np.zeros(5)
    for b in (1, -1):
        share = 0.5 * (1 + b * 0.5)
        for m1, p in zip(np.tanh(theta), shares, strict=True):
            kl = 0.5 * (1 + m) * np.log((1 + m) / (1 + m1))
            kl += 0.5 * (1 - m) * np.log((1 - m) / (1 - m1))
            h = (hats.qd - 0.5 * hats.q0) * m**2 + b * hats.r * m - first.gibbs.beta * kl
            h = h + np.sqrt(hats.q0) * x[:, None] * m
            w = np.exp(h - h.max(1, keepdims=True)) * width
            w /= w.sum(1, keepdims=True)
            mean, sign = w @ m, w @ np.sign(m)
            parts = (mean**2, b * mean, w @ m**2, sign, b * sign)
            total += share * p * np.array([gauss @ v for v in parts])
    assert [*got.array(), *overlaps] == pytest.approx(total, abs=2e-4)
