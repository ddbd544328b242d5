from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from cartscope import stats
from cartscope._errors import InputError

STRATA = (list("aaabbcd"), list("aabbb"))  # c and d hold one group only


def _weighted_rank_sums(values, group):
    """The statistic written down once more, for :func:`cartscope.stats.permute`."""
    strata = np.array(STRATA[0] + STRATA[1])
    total = np.zeros(values.shape[1])
    for name in np.unique(strata):
        here = strata == name
        ranks = rankdata(values[here], axis=0) - (here.sum() + 1) / 2
        total += (ranks * group[here, None]).sum(axis=0) / (here.sum() + 1)
    return total


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("tied", [True, False])
def test_p_is_the_share_of_relabellings_within_strata(tied, alternative):
    rng = np.random.default_rng(4)
    values = rng.integers(0, 4, (12, 20)).astype(float) if tied else rng.normal(size=(12, 20))
    group = np.repeat([1.0, 0.0], [7, 5])
    every = stats.permute(
        values,
        group,
        _weighted_rank_sums,
        strata=STRATA[0] + STRATA[1],
        alternative=alternative,
        n_permutations=10**6,
    )
    assert every.exact
    found = stats.van_elteren(values[:7], values[7:], strata=STRATA, alternative=alternative)
    np.testing.assert_allclose(found.p_value, every.p_value, rtol=1e-9)
    assert set(found.method) == {"exact"}
    assert set(found.n_x) == set(found.n_y) == {5}
    assert set(found.n_strata) == {2}
    assert set(found.pairs) == {3 * 2 + 2 * 3}


def test_one_stratum_is_the_mann_whitney_test():
    rng = np.random.default_rng(1)
    for values in (rng.integers(0, 5, (10, 30)).astype(float), rng.normal(size=(10, 30))):
        x, y = values[:6], values[6:]
        whole = stats.mann_whitney(x, y)
        found = stats.van_elteren(x, y, strata=(["s"] * 6, ["s"] * 4))
        np.testing.assert_allclose(found.p_value, whole.p_value, rtol=1e-12)
        np.testing.assert_array_equal(found.u, whole.u)
        np.testing.assert_allclose(found.superiority, whole.u / 24)
        floors = [stats.smallest_p(6, 4, pooled=column) for column in values.T]
        np.testing.assert_allclose(found.min_p, floors, rtol=1e-12)


def test_a_stratum_of_one_group_lends_nothing():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=10), rng.normal(size=6)
    alone = stats.mann_whitney(x, y)
    far = np.append(y, [100.0, 101, 102, 103])  # another study, all of them in the reference
    found = stats.van_elteren(x, far, strata=(["old"] * 10, ["old"] * 6 + ["new"] * 4))
    assert found.p_value == pytest.approx(alone.p_value, rel=1e-12)
    assert (found.n_x, found.n_y, found.n_strata) == (10, 6, 1)
    assert stats.mann_whitney(x, far).p_value < found.p_value


def test_differences_between_strata_change_nothing():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 8)), rng.normal(size=(6, 8))
    labels = np.repeat(["a", "b"], 3)
    moved = np.where(labels == "b", 50.0, 0.0)[:, None]
    before = stats.van_elteren(x, y, strata=(labels, labels))
    after = stats.van_elteren(x + moved, y + moved, strata=(labels, labels))
    np.testing.assert_array_equal(before.p_value, after.p_value)
    shift = stats.hodges_lehmann(x, y, strata=(labels, labels))
    again = stats.hodges_lehmann(x + moved, y + moved, strata=(labels, labels))
    np.testing.assert_allclose(shift.estimate, again.estimate, atol=1e-9)
    np.testing.assert_allclose(shift.low, again.low, atol=1e-9)


def test_missing_values_leave_their_own_test_only():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    labels = list("aaabb")
    y[3:, 1] = np.nan  # stratum b has no reference left
    x[:, 2] = np.nan
    found = stats.van_elteren(x, y, strata=(labels, labels))
    assert found.n_strata.tolist() == [2, 1, 0]
    assert found.p_value[1] == pytest.approx(stats.mann_whitney(x[:3, 1], y[:3, 1]).p_value)
    assert found.method[2] == "none"
    assert np.isnan([found.p_value[2], found.u[2], found.min_p[2]]).all()
    shift = stats.hodges_lehmann(x, y, strata=(labels, labels))
    assert np.isnan(shift.estimate[2])
    assert shift.method[2] == "none"


def test_the_level_is_the_one_that_strata_can_have():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(6, 40_000)), rng.normal(size=(8, 40_000))
    strata = (["a"] * 4 + ["b"] * 2, ["a"] * 6 + ["b"] * 2)
    rate = float((stats.van_elteren(x, y, strata=strata).p_value < 0.05).mean())
    level = stats.attainable_level([4, 2], [6, 2])
    bounds = stats.proportion_interval(round(rate * 40_000), 40_000, confidence=0.999)
    assert bounds.low <= level <= bounds.high
    assert stats.smallest_p([4, 2], [6, 2]) == pytest.approx(2 / (210 * 6))
    assert stats.smallest_p([4, 0], [0, 6]) == 1.0
    assert stats.attainable_level([4, 0], [0, 6]) == 0.0
    assert stats.attainable_level([4], [6]) == pytest.approx(stats.attainable_level(4, 6))


def test_min_p_is_the_smallest_p_of_any_relabelling():
    values = np.array([0.0, 0, 1, 0, 0, 0, 2, 2, 1])
    strata = np.array(list("aaaaabbbb"))
    x = np.array([0, 1, 5])  # two of a, one of b
    smallest = 1.0
    found = None
    for labels in stats.relabel(np.isin(np.arange(9), x), strata=strata).labels:
        found = stats.van_elteren(
            values[labels], values[~labels], strata=(strata[labels], strata[~labels])
        )
        smallest = min(smallest, found.p_value)
    assert found.min_p == pytest.approx(smallest, rel=1e-12)


def test_the_interval_holds_the_shifts_that_are_not_rejected():
    rng = np.random.default_rng(7)
    labels = (list("aaaabb"), list("aaaaabbb"))
    for _ in range(5):
        x, y = rng.normal(1, 1, 6), rng.normal(size=8)
        found = stats.hodges_lehmann(x, y, strata=labels)
        assert 0.95 <= found.confidence < 1
        pairs = np.array(labels[0])[:, None] == np.array(labels[1])[None, :]
        steps = np.sort((x[:, None] - y[None, :])[pairs])
        for shift in (steps[:-1] + steps[1:]) / 2:  # between steps there are no ties
            p = stats.van_elteren(x - shift, y, strata=labels).p_value
            assert (p > 0.05 + 1e-9) == (found.low <= shift <= found.high)


def test_the_estimate_is_the_plain_one_in_a_single_stratum():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(4, 4))
    plain = stats.hodges_lehmann(x, y)
    found = stats.hodges_lehmann(x, y, strata=(["s"] * 6, ["s"] * 4))
    for name in ("estimate", "low", "high", "confidence"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name))


def test_many_patients_turn_asymptotic_and_agree_with_the_exact_test():
    rng = np.random.default_rng(9)
    x, y = rng.integers(0, 30, (30, 50)).astype(float), rng.integers(0, 30, (34, 50)).astype(float)
    strata = (["a"] * 20 + ["b"] * 10, ["a"] * 14 + ["b"] * 20)
    exact = stats.van_elteren(x, y, strata=strata)
    rough = stats.van_elteren(x, y, strata=strata, exact_below=10)
    assert set(exact.method) == {"exact"}
    assert set(rough.method) == {"asymptotic"}
    np.testing.assert_allclose(rough.p_value, exact.p_value, atol=0.01)
    assert (rough.min_p < 1e-6).all()
    shift, about = (stats.hodges_lehmann(x, y, strata=strata, exact_below=n) for n in (50, 10))
    np.testing.assert_allclose(shift.low, about.low, atol=1.0)
    tied = stats.van_elteren([1.0, 1], [1.0, 1], strata=(["a", "a"],) * 2, method="asymptotic")
    assert tied.p_value == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strata": (["a"], ["a", "a"])}, "strata of x has 1 labels; give one for each of 2"),
        ({"strata": (["a", None], ["a", "a"])}, r"strata of x is missing at positions \[1\]"),
        ({"strata": (["a"] * 2, ["a"] * 2), "alternative": "more"}, "alternative"),
        ({"strata": (["a"] * 2, ["a"] * 2), "method": "guess"}, "method"),
    ],
)
def test_what_cannot_be_used_is_named(options, message):
    with pytest.raises(InputError, match=message):
        stats.van_elteren([1.0, 2], [3.0, 4], **options)


def test_shapes_and_sizes_are_named():
    with pytest.raises(InputError, match="give the same number of tests"):
        stats.van_elteren(np.ones((2, 2)), np.ones((2, 3)), strata=(["a"] * 2, ["a"] * 2))
    with pytest.raises(InputError, match="n_x names 1 strata and n_y 2"):
        stats.smallest_p([3], [3, 4])
    with pytest.raises(InputError, match="pooled holds the values of one stratum"):
        stats.attainable_level([3, 2], [3, 4], pooled=[1.0] * 12)
    with pytest.raises(InputError, match=r"more than [0-9,]+ sums; use method='asymptotic'"):
        stats.van_elteren(
            np.arange(400.0),
            np.arange(400.0),
            strata=(np.repeat(list("abcd"), [100, 101, 99, 100]),) * 2,
            method="exact",
        )
    with pytest.raises(InputError, match="n_x is nan; a group needs a whole number"):
        stats.smallest_p([3, float("nan")], [3, 2])


@pytest.mark.parametrize("n", [20, 30, 45])
def test_tails_are_exact_where_chances_are_tiny(n):
    low, high, one = np.arange(n) - 100.0, np.arange(n) + 100.0, (["s"] * n, ["s"] * n)
    for alternative in ("greater", "less", "two-sided"):
        above = stats.van_elteren(high, low, strata=one, alternative=alternative)
        plain = stats.mann_whitney(high, low, alternative=alternative)
        assert above.p_value == pytest.approx(plain.p_value, rel=1e-12)
    up = stats.van_elteren(high, low, strata=one)
    down = stats.van_elteren(low, high, strata=one)
    assert up.p_value == down.p_value == up.min_p > 0


def test_p_values_that_are_fractions_are_rounded_once():
    assert stats.smallest_p([2, 1], [3, 1]) == 0.1
    assert stats.attainable_level([2, 1], [3, 1], alpha=0.1) == 0.0
    assert stats.smallest_p([2, 1], [3, 3]) == 0.05
    assert stats.smallest_p([3], [3]) == 0.1


def test_many_strata_of_different_sizes_turn_asymptotic_by_themselves():
    sizes = [10, 12, 16, 18, 22]
    labels = np.repeat(list("abcde"), [s // 2 for s in sizes])
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=labels.size), rng.normal(size=labels.size)
    found = stats.van_elteren(x, y, strata=(labels, labels))
    assert found.method == "asymptotic"
    assert 0 < found.min_p < 1e-6
    assert stats.hodges_lehmann(x, y, strata=(labels, labels)).method == "asymptotic"
    equal = np.repeat(list("abcde"), 4)  # equal weights meet in the same sums
    assert stats.van_elteren(x[:20], y[:20], strata=(equal, equal)).method == "exact"


def test_labels_are_one_stratum_whatever_their_kind():
    x, y = [3.0, 4.0, 5.0], [1.0, 2.0, 6.0]
    plain = stats.mann_whitney(x, y).p_value
    for labels in (([1, 1, 1], [1.0, 1.0, 1.0]), (pd.array(["a"] * 3, dtype="string"), ["a"] * 3)):
        assert stats.van_elteren(x, y, strata=labels).p_value == pytest.approx(plain)
    with pytest.raises(InputError, match=r"strata of y is missing at positions \[2\]"):
        stats.van_elteren(x, y, strata=([1, 1, 1], pd.array([1, 1, None], dtype="Int64")))
