from __future__ import annotations

import numpy as np
import pytest

from cartscope import stats
from cartscope._errors import InputError


def test_agrees_with_r(r_answers):
    rows = r_answers("hodges_lehmann")
    assert len(rows) == 13
    for row in rows:
        result = stats.hodges_lehmann(row["x"], row["y"], confidence=row["confidence"])
        assert result.method == "exact"
        np.testing.assert_allclose(
            result[:3], (row["estimate"], row["low"], row["high"]), rtol=1e-12, atol=1e-12
        )


def test_interval_holds_the_shifts_that_the_test_does_not_reject(rng):
    x, y = rng.normal(1, 1, 6), rng.normal(0, 1, 5)
    result = stats.hodges_lehmann(x, y)
    for edge, inward in ((result.low, 1), (result.high, -1)):
        assert stats.mann_whitney(x - edge - inward * 1e-9, y).p_value > 0.05
        assert stats.mann_whitney(x - edge + inward * 1e-9, y).p_value <= 0.05
    assert result.estimate == pytest.approx(np.median(np.subtract.outer(x, y)))


@pytest.mark.parametrize("rounded", [False, True])
def test_coverage_is_at_least_as_stated_with_and_without_ties(rng, rounded):
    x, y = rng.normal(0, 1, (6, 4000)) * 2, rng.normal(0, 1, (4, 4000)) * 2
    if rounded:
        x, y = x.round(), y.round()
    result = stats.hodges_lehmann(x + 3, y)
    covered = ((result.low <= 3) & (result.high >= 3)).mean()
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert (result.confidence >= 0.95).all()
    if not rounded:
        assert covered == pytest.approx(result.confidence[0], abs=0.012)


def test_shift_and_swap(rng):
    x, y = rng.normal(size=(7, 20)), rng.normal(size=(9, 20))
    base, moved = stats.hodges_lehmann(x, y), stats.hodges_lehmann(x + 2, y)
    np.testing.assert_allclose(moved.estimate, base.estimate + 2)
    np.testing.assert_allclose(moved.low, base.low + 2)
    turned = stats.hodges_lehmann(y, x)
    np.testing.assert_allclose(turned.estimate, -base.estimate)
    np.testing.assert_allclose(turned.high, -base.low)


def test_one_call_equals_many_with_nan(rng, monkeypatch):
    x, y = rng.normal(size=(7, 40)), rng.normal(size=(5, 40))
    x[rng.random(x.shape) < 0.2] = np.nan
    y[:, 3] = np.nan
    together = stats.hodges_lehmann(x, y)
    assert together.method[3] == "none"
    assert np.isnan([together.estimate[3], together.low[3], together.confidence[3]]).all()
    for i in (0, 1, 2, 4, 5):
        alone = stats.hodges_lehmann(x[~np.isnan(x[:, i]), i], y[:, i])
        assert alone == tuple(part[i] for part in together)
    monkeypatch.setattr("cartscope.stats._hodges_lehmann.BLOCK", 100)
    for one, other in zip(stats.hodges_lehmann(x, y), together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_groups_too_small_for_the_confidence_give_an_infinite_interval():
    result = stats.hodges_lehmann([3.0, 4.0, 5.0], [1.0, 2.0])
    assert result.estimate == 2.5
    assert (result.low, result.high, result.confidence) == (-np.inf, np.inf, 1.0)


def test_large_groups_are_close_to_exact(rng):
    x, y = rng.normal(0.5, 1, 60), rng.normal(0, 1, 55)
    rough = stats.hodges_lehmann(x, y)
    exact = stats.hodges_lehmann(x, y, exact_below=100)
    assert (rough.method, exact.method) == ("asymptotic", "exact")
    assert rough.estimate == exact.estimate
    ordered = np.sort(np.subtract.outer(x, y), axis=None)
    for one, other in ((rough.low, exact.low), (rough.high, exact.high)):
        assert abs(np.searchsorted(ordered, one) - np.searchsorted(ordered, other)) <= 1


def test_confidence_that_is_just_attained_counts_as_attained():
    result = stats.hodges_lehmann([4.0, 6.0, 9.0], [1.0, 2.0, 3.5], confidence=0.9)
    assert (result.low, result.high) == (0.5, 8.0)
    assert result.confidence == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([], [1.0], {}, "x is empty"),
        ([1.0, np.inf], [1.0], {}, "holds an infinity"),
        (np.ones((2, 3)), np.ones((2, 2)), {}, "same number of tests"),
        ([1.0], [2.0], {"confidence": 95}, "confidence is 95"),
    ],
)
def test_refusals(x, y, options, message):
    with pytest.raises(InputError, match=message):
        stats.hodges_lehmann(x, y, **options)
