from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata

from cartscope import stats
from cartscope._errors import InputError

ALTERNATIVES = ("two-sided", "greater", "less")


def enumerated(d, zeros, alternative) -> float:
    """p by giving the ranked differences each combination of signs."""
    d = np.asarray(d, dtype=float)
    if zeros == "wilcoxon":
        d = d[d != 0]
    ranks = rankdata(np.abs(d))[d != 0]
    d = d[d != 0]
    observed = ranks[d > 0].sum()
    null = np.array([ranks @ signs for signs in product((0, 1), repeat=ranks.size)])
    middle = ranks.sum() / 2
    return {
        "two-sided": np.abs(null - middle) >= abs(observed - middle) - 1e-9,
        "greater": null >= observed - 1e-9,
        "less": null <= observed + 1e-9,
    }[alternative].mean()


@pytest.mark.parametrize("zeros", ["wilcoxon", "pratt"])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_exact_equals_full_enumeration(rng, zeros, alternative):
    for n in (1, 2, 5, 9):
        for levels in (2, 50):
            d = rng.integers(-levels, levels + 3, n)
            if not d.any():
                continue
            result = stats.signed_rank(d, zeros=zeros, alternative=alternative)
            assert result.method == "exact"
            assert result.p_value == pytest.approx(enumerated(d, zeros, alternative), rel=1e-12)


@pytest.mark.parametrize(
    ("column", "options", "rows"),
    [
        ("p_wilcox_exact", {"method": "exact"}, 15),
        ("p_coin_wilcoxon", {"method": "exact"}, 45),
        ("p_coin_pratt", {"method": "exact", "zeros": "pratt"}, 45),
        ("p_wilcox_asymptotic", {"method": "asymptotic"}, 45),
    ],
)
def test_agrees_with_r(r_answers, column, options, rows):
    compared = 0
    for row in r_answers("signed_rank"):
        if np.isnan(row[column]):
            continue
        result = stats.signed_rank(row["d"], alternative=row["alternative"], **options)
        if options.get("zeros") != "pratt":
            assert result.v == row["v"]
        assert result.p_value == pytest.approx(row[column], rel=1e-10)
        compared += 1
    assert compared == rows


def test_pairs_are_differences(rng):
    x, y = rng.integers(0, 9, (8, 50)), rng.integers(0, 7, (8, 50))
    paired, single = stats.signed_rank(x, y), stats.signed_rank(x - y)
    for one, other in zip(paired, single, strict=True):
        np.testing.assert_array_equal(one, other)
    turned = stats.signed_rank(y, x)
    np.testing.assert_allclose(turned.p_value, paired.p_value, rtol=1e-12)
    np.testing.assert_allclose(turned.v + paired.v, paired.n * (paired.n + 1) / 2)


@pytest.mark.parametrize("zeros", ["wilcoxon", "pratt"])
def test_one_call_equals_many(rng, zeros):
    d = rng.integers(-3, 5, (9, 200)).astype(float)
    d[rng.random(d.shape) < 0.1] = np.nan
    together = stats.signed_rank(d, zeros=zeros)
    for i in range(d.shape[1]):
        column = d[:, i]
        alone = stats.signed_rank(column[~np.isnan(column)], zeros=zeros)
        assert alone == tuple(part[i] for part in together)


def test_auto_counts_the_differences_that_are_not_zero(rng):
    d = rng.normal(size=60)
    assert stats.signed_rank(d).method == "asymptotic"
    d[:11] = 0
    result = stats.signed_rank(d)
    assert (result.method, result.n) == ("exact", 49)
    assert stats.signed_rank(d, method="asymptotic").p_value == pytest.approx(
        result.p_value, rel=0.05
    )


@pytest.mark.parametrize("method", ["exact", "asymptotic"])
@pytest.mark.parametrize("zeros", ["wilcoxon", "pratt"])
def test_only_zeros_give_p_1(method, zeros):
    assert stats.signed_rank([0.0, 0.0], method=method, zeros=zeros)[:2] == (0.0, 1.0)


def test_nan_policies():
    d = [1.0, np.nan, 2.0, 3.0]
    assert stats.signed_rank(d) == stats.signed_rank([1.0, 2.0, 3.0])
    assert stats.signed_rank(d, nan_policy="propagate").method == "none"
    assert np.isnan(stats.signed_rank(d, nan_policy="propagate").v)
    with pytest.raises(InputError, match="x - y holds 1 NaN"):
        stats.signed_rank(d, [0.0] * 4, nan_policy="raise")
    with pytest.raises(InputError, match=r"^x holds 1 NaN"):
        stats.signed_rank(d, nan_policy="raise")
    nothing = stats.signed_rank([np.nan])
    assert nothing.method == "none"
    assert np.isnan(nothing.p_value)


def test_infinite_differences_are_the_largest():
    assert stats.signed_rank([np.inf, -1.0, 2.0]) == stats.signed_rank([9.0, -1.0, 2.0])


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([], None, {}, "x is empty"),
        ([1.0, 2.0], [1.0], {}, "pairs need the same shape"),
        ([np.inf], [np.inf], {}, "same infinity in one pair"),
        ([1.0], None, {"zeros": "drop"}, "zeros is 'drop'"),
        ([1.0], None, {"alternative": "up"}, "alternative is 'up'"),
        ([1.0], None, {"method": "fast"}, "method is 'fast'"),
        ([1.0], None, {"nan_policy": "skip"}, "nan_policy is 'skip'"),
        (np.arange(1, 1200), None, {"method": "exact"}, "1199 signed ranks is out of range"),
    ],
)
def test_refusals(x, y, options, message):
    with pytest.raises(InputError, match=message):
        stats.signed_rank(x, y, **options)
