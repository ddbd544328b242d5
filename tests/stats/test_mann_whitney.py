from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy import stats as scipy_stats

from cartscope import stats
from cartscope._errors import InputError

ALTERNATIVES = ("two-sided", "greater", "less")


def enumerated(x, y, alternative) -> tuple[float, float]:
    """U by counting pairs, p by recounting U for every split of the pooled values."""

    def u_of(first, second) -> float:
        return sum((a > b) + 0.5 * (a == b) for a in first for b in second)

    pooled = [*x, *y]
    everyone = set(range(len(pooled)))
    null = []
    for chosen in combinations(range(len(pooled)), len(x)):
        rest = everyone - set(chosen)
        null.append(u_of([pooled[i] for i in chosen], [pooled[i] for i in rest]))
    null = np.array(null)
    u, mean = u_of(x, y), len(x) * len(y) / 2
    extreme = {
        "two-sided": np.abs(null - mean) >= abs(u - mean),
        "greater": null >= u,
        "less": null <= u,
    }[alternative]
    return u, extreme.mean()


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("n_x", "n_y"), [(1, 1), (3, 5), (5, 3), (4, 4), (2, 7), (6, 1)])
def test_exact_equals_full_enumeration(rng, n_x, n_y, alternative):
    for levels in (2, 4, 100):
        x, y = rng.integers(0, levels, n_x), rng.integers(0, levels, n_y)
        u, p = enumerated(x.tolist(), y.tolist(), alternative)
        result = stats.mann_whitney(x, y, alternative=alternative)
        assert result.method == "exact"
        assert result.u == u
        assert result.p_value == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    ("column", "method", "rows"),
    [
        ("p_wilcox_exact", "exact", 24),
        ("p_coin_exact", "exact", 96),
        ("p_exact_rank_tests", "exact", 96),
        ("p_wilcox_asymptotic", "asymptotic", 96),
    ],
)
def test_agrees_with_r(r_answers, column, method, rows):
    compared = 0
    for row in r_answers("mann_whitney"):
        if np.isnan(row[column]):  # wilcox.test has no exact answer under ties
            continue
        result = stats.mann_whitney(
            row["x"], row["y"], alternative=row["alternative"], method=method
        )
        assert result.u == row["u"]
        assert result.p_value == pytest.approx(row[column], rel=1e-10)
        compared += 1
    assert compared == rows


def test_scipy_exact_is_wrong_under_ties():
    # scipy's "exact" takes the null of untied ranks: 0.257; the 210 splits say 34/210
    x, y = [0, 2, 3, 5], [0, 0, 0, 0, 0, 4]
    untied_null = scipy_stats.mannwhitneyu(x, y, method="exact").pvalue
    assert untied_null == pytest.approx(0.257, abs=5e-4)
    assert stats.mann_whitney(x, y).p_value == pytest.approx(34 / 210, rel=1e-12)
    assert enumerated(x, y, "two-sided")[1] == pytest.approx(34 / 210, rel=1e-12)
    # and the asymptotic p that R falls back to is a third answer, 0.149 as measured
    rough = stats.mann_whitney(x, y, method="asymptotic").p_value
    assert rough == pytest.approx(0.1495, abs=1e-4)


def test_scipy_auto_turns_asymptotic_above_8_where_r_stays_exact_below_50(rng):
    x, y = rng.normal(0.8, 1, 10), rng.normal(0, 1, 9)
    assert scipy_stats.mannwhitneyu(x, y).pvalue != pytest.approx(
        scipy_stats.mannwhitneyu(x, y, method="exact").pvalue, rel=1e-3
    )
    result = stats.mann_whitney(x, y)
    assert result.method == "exact"
    assert result.p_value == pytest.approx(
        scipy_stats.mannwhitneyu(x, y, method="exact").pvalue, rel=1e-12
    )
    assert stats.mann_whitney(rng.normal(size=49), rng.normal(size=49)).method == "exact"
    assert stats.mann_whitney(rng.normal(size=50), rng.normal(size=3)).method == "asymptotic"
    assert stats.mann_whitney(x, y, exact_below=10).method == "asymptotic"


def test_one_call_equals_many(rng):
    x, y = rng.poisson(2, (10, 300)).astype(float), rng.poisson(1, (6, 300)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    y[rng.random(y.shape) < 0.1] = np.nan
    for alternative in ALTERNATIVES:
        together = stats.mann_whitney(x, y, alternative=alternative)
        for i in range(x.shape[1]):
            alone = stats.mann_whitney(x[:, i], y[:, i], alternative=alternative)
            kept = stats.mann_whitney(
                x[~np.isnan(x[:, i]), i], y[~np.isnan(y[:, i]), i], alternative=alternative
            )
            assert alone == kept == tuple(part[i] for part in together)


def test_blocks_do_not_change_the_result(rng, monkeypatch):
    x, y = rng.poisson(2, (5, 100)), rng.poisson(1, (6, 100))
    whole = stats.mann_whitney(x, y)
    monkeypatch.setattr("cartscope.stats._mann_whitney.BLOCK", 70)
    blocked = stats.mann_whitney(x, y)
    for one, other in zip(whole, blocked, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["exact", "asymptotic"])
def test_invariances(rng, method):
    x, y = rng.poisson(3, (7, 200)).astype(float), rng.poisson(2, (5, 200)).astype(float)
    base = stats.mann_whitney(x, y, method=method)
    swapped = stats.mann_whitney(y, x, method=method)
    np.testing.assert_allclose(swapped.u, 35 - base.u, atol=0)
    np.testing.assert_allclose(swapped.p_value, base.p_value, rtol=1e-12)
    monotone = stats.mann_whitney(np.exp(x), np.exp(y), method=method)
    np.testing.assert_array_equal(monotone.p_value, base.p_value)
    shuffled = stats.mann_whitney(rng.permutation(x, axis=0), y, method=method)
    np.testing.assert_array_equal(shuffled.p_value, base.p_value)
    up = stats.mann_whitney(x, y, method=method, alternative="greater")
    down = stats.mann_whitney(y, x, method=method, alternative="less")
    np.testing.assert_allclose(up.p_value, down.p_value, rtol=1e-12)


def test_p_is_valid_under_the_null_with_ties(rng):
    x, y = rng.poisson(0.7, (4, 20_000)), rng.poisson(0.7, (6, 20_000))
    p = stats.mann_whitney(x, y).p_value
    for alpha in (0.01, 0.05, 0.2):
        assert (p <= alpha).mean() <= alpha + 3 * np.sqrt(alpha / 20_000)


def test_exact_and_asymptotic_meet_in_large_samples(rng):
    x, y = rng.poisson(4, 49), rng.poisson(5, 49)
    exact = stats.mann_whitney(x, y, method="exact").p_value
    assert exact == pytest.approx(stats.mann_whitney(x, y, method="asymptotic").p_value, rel=0.05)


def test_100_000_exact_tests_of_10_v_6_take_seconds(rng):
    x, y = rng.poisson(3, (10, 100_000)), rng.poisson(3, (6, 100_000))
    start = time.process_time()
    result = stats.mann_whitney(x, y)
    assert time.process_time() - start < 10
    assert (result.method == "exact").all()


def test_nan_policies():
    x, y = [1.0, np.nan, 3.0, 4.0], [0.0, 0.5]
    omitted = stats.mann_whitney(x, y)
    assert omitted == stats.mann_whitney([1.0, 3.0, 4.0], y)
    assert omitted[3:] == (3, 2)
    spread = stats.mann_whitney(x, y, nan_policy="propagate")
    assert np.isnan(spread.u)
    assert np.isnan(spread.p_value)
    assert spread.method == "none"
    with pytest.raises(InputError, match="x holds 1 NaN; drop them"):
        stats.mann_whitney(x, y, nan_policy="raise")
    with pytest.raises(InputError, match="y holds 1 NaN"):
        stats.mann_whitney(y, x, nan_policy="raise")


def test_group_emptied_by_nan_is_not_tested_and_leaves_the_others_alone():
    x = np.array([[np.nan, 3.0], [np.nan, 4.0]])
    y = np.array([[1.0, 1.0], [2.0, 2.0]])
    result = stats.mann_whitney(x, y)
    assert result.method.tolist() == ["none", "exact"]
    assert np.isnan(result.u[0])
    assert np.isnan(result.p_value[0])
    assert result.n_x.tolist() == [0, 2]
    assert result.p_value[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize("method", ["exact", "asymptotic"])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_all_tied_gives_p_1(method, alternative):
    result = stats.mann_whitney([2.0] * 6, [2.0] * 4, method=method, alternative=alternative)
    assert (result.u, result.p_value) == (12.0, 1.0)


def test_one_value_each():
    assert stats.mann_whitney([2.0], [1.0]) == (1.0, 1.0, "exact", 1, 1)


def test_infinities_rank_beyond_every_number():
    high, low = [np.inf, np.inf, 5.0], [-np.inf, 0.0, 1.0]
    assert stats.mann_whitney(high, low) == stats.mann_whitney([9, 9, 5], [-9, 0, 1])


def test_negative_zero_ties_with_zero():
    assert stats.mann_whitney([-0.0, 1.0], [0.0, 0.0]) == stats.mann_whitney([0, 1], [0, 0])


def test_input_is_left_alone_and_may_be_pandas(rng):
    x, y = pd.DataFrame(rng.normal(size=(6, 3))), pd.DataFrame(rng.normal(size=(4, 3)))
    before = x.copy(), y.copy()
    result = stats.mann_whitney(x, y)
    np.testing.assert_array_equal(result.p_value, stats.mann_whitney(x.values, y.values).p_value)
    pd.testing.assert_frame_equal(x, before[0])
    pd.testing.assert_frame_equal(y, before[1])
    assert stats.mann_whitney(x[0], y[0]).p_value == result.p_value[0]


def test_no_tests_at_all_gives_empty_arrays():
    result = stats.mann_whitney(np.empty((3, 0)), np.empty((4, 0)))
    assert all(part.shape == (0,) for part in result)


def test_result_cannot_be_changed():
    with pytest.raises(AttributeError, match="can't set"):
        stats.mann_whitney([1.0], [2.0]).p_value = 0.0


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([], [1.0], {}, "x is empty"),
        ([1.0], np.empty((0, 4)), {}, "y is empty"),
        (["a"], [1.0], {}, "x must hold numbers"),
        (sparse.eye(3), [1.0], {}, "x must hold numbers in a dense array"),
        (np.ones((2, 2, 2)), [1.0], {}, r"x has shape \(2, 2, 2\)"),
        (np.ones((3, 2)), np.ones((3, 4)), {}, "same number of tests"),
        (np.ones((3, 2)), np.ones(3), {}, "same number of tests"),
        ([1.0], [2.0], {"alternative": "two.sided"}, "Did you mean 'two-sided'"),
        ([1.0], [2.0], {"method": "permutation"}, "method is 'permutation'"),
        ([1.0], [2.0], {"nan_policy": "drop"}, "nan_policy is 'drop'"),
        (np.arange(900), np.arange(900), {"method": "exact"}, "use method='auto' or 'asymptotic'"),
    ],
)
def test_refusals(x, y, options, message):
    with pytest.raises(InputError, match=message):
        stats.mann_whitney(x, y, **options)
