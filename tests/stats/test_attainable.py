from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from cartscope import stats
from cartscope._errors import InputError


@pytest.mark.parametrize(
    ("n_x", "n_y", "p", "digits"),
    [(6, 4, 0.0095, 4), (5, 5, 0.0079, 4), (5, 4, 0.016, 3), (10, 6, 0.00025, 5), (4, 3, 0.057, 3)],
)
def test_smallest_p_of_the_studys_group_sizes(n_x, n_y, p, digits):
    floor = stats.smallest_p(n_x, n_y)
    assert round(floor, digits) == p
    assert floor == stats.smallest_p(n_y, n_x)
    apart = stats.mann_whitney(np.arange(n_x) + 100.0, np.arange(n_y))
    assert apart.p_value == pytest.approx(floor, rel=1e-12)
    assert stats.smallest_p(n_x, n_y, pooled=np.arange(n_x + n_y)) == pytest.approx(floor)


def test_one_sided_floor_is_half():
    assert stats.smallest_p(4, 3, alternative="less") == pytest.approx(1 / 35)
    assert stats.smallest_p(1, 1) == 1.0
    assert stats.smallest_p(1, 1, alternative="greater") == 0.5


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_ties_raise_the_floor_to_the_smallest_p_of_any_split(alternative):
    pooled = [0, 0, 0, 0, 0, 1, 1]
    best = min(
        stats.mann_whitney(order[:3], order[3:], alternative=alternative).p_value
        for order in set(permutations(pooled))
    )
    floor = stats.smallest_p(3, 4, alternative=alternative, pooled=pooled)
    assert floor == pytest.approx(best, rel=1e-12)
    assert floor > stats.smallest_p(3, 4, alternative=alternative)
    assert stats.smallest_p(3, 4, alternative=alternative, pooled=[1.0] * 7) == 1.0


def test_smallest_q_is_what_benjamini_hochberg_gives():
    floor = stats.smallest_p(6, 4)
    for hits in (1, 3, 10, 40):
        p = np.full(40, 1.0)
        p[:hits] = floor
        q = stats.benjamini_hochberg(p)
        assert stats.smallest_q(floor, 40, n_at_floor=hits) == pytest.approx(q[0], rel=1e-12)


def test_floor_at_6_v_4_needs_a_tenth_of_the_family_for_q_below_a_tenth():
    floor = stats.smallest_p(6, 4)
    assert stats.n_at_floor_needed(floor, 1000, alpha=0.1) == 96
    needed = stats.n_at_floor_needed(floor, 1000, alpha=0.1)
    assert stats.smallest_q(floor, 1000, n_at_floor=needed) < 0.1
    assert stats.smallest_q(floor, 1000, n_at_floor=needed - 1) >= 0.1
    assert stats.n_at_floor_needed(stats.smallest_p(4, 3), 10, alpha=0.05) is None
    assert stats.n_at_floor_needed(0.001, 1) == 1


@pytest.mark.parametrize(("floor", "tests", "alpha"), [(0.01, 5, 0.05), (0.02, 10, 0.2)])
def test_needed_number_is_strictly_below_alpha(floor, tests, alpha):
    needed = stats.n_at_floor_needed(floor, tests, alpha=alpha)
    assert stats.smallest_q(floor, tests, n_at_floor=needed) < alpha


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.smallest_p(0, 3), "n_x is 0"),
        (lambda: stats.smallest_p(2, 2.5), "n_y is 2.5"),
        (lambda: stats.smallest_p(2, 3, alternative="both"), "alternative is 'both'"),
        (lambda: stats.smallest_p(2, 3, pooled=[1.0] * 4), r"give the n_x \+ n_y = 5 values"),
        (lambda: stats.smallest_p(1, 1, pooled=[1.0, np.nan]), "pooled holds 1 NaN"),
        (lambda: stats.smallest_q(1.5, 10), "min_p is 1.5"),
        (lambda: stats.smallest_q(0.1, 0), "family_size is 0"),
        (lambda: stats.smallest_q(0.1, 3, n_at_floor=4), "more than the family of 3"),
        (lambda: stats.n_at_floor_needed(0.1, 3, alpha=1), "alpha is 1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("values", [range(10), [0, 0, 0, 0, 1, 2, 3, 4, 5, 6], [0, 1] * 5])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.2])
def test_attainable_level_is_how_often_all_relabellings_reject(values, alternative, alpha):
    values = np.array(values, dtype=float)
    p = []
    for labels in stats.relabel(list("aaaabbbbbb")).labels:
        x, y = values[labels == "a"], values[labels == "b"]
        p.append(stats.mann_whitney(x, y, alternative=alternative).p_value)
    found = stats.attainable_level(4, 6, alpha=alpha, alternative=alternative, pooled=values)
    assert found == pytest.approx(np.mean(np.array(p) < alpha), abs=1e-12)


def test_attainable_level_refuses_other_numbers_of_values():
    with pytest.raises(InputError, match=r"give the n_x \+ n_y = 5 values"):
        stats.attainable_level(2, 3, pooled=[1.0, 2.0])
