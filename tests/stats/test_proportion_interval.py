from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from cartscope import stats
from cartscope._errors import InputError


def test_agrees_with_r(r_answers):
    rows = r_answers("proportion")
    assert len(rows) == 16
    for row in rows:
        result = stats.proportion_interval(row["k"], row["n"], confidence=row["confidence"])
        assert result.low == pytest.approx(row["low"], rel=1e-10, abs=1e-15)
        assert result.high == pytest.approx(row["high"], rel=1e-10)


def test_limits_by_the_definition():
    result = stats.proportion_interval(8, 15, confidence=0.9)
    assert binom.sf(7, 15, result.low) == pytest.approx(0.05)
    assert binom.cdf(8, 15, result.high) == pytest.approx(0.05)


def test_coverage_is_at_least_as_stated():
    k = np.arange(13)
    result = stats.proportion_interval(k, 12)
    for share in np.linspace(0.01, 0.99, 50):
        covered = (result.low <= share) & (share <= result.high)
        assert binom.pmf(k[covered], 12, share).sum() >= 0.95


def test_shapes_and_edges():
    result = stats.proportion_interval([[0], [2]], [0, 2, 4][1:])
    assert result.estimate.tolist() == [[0.0, 0.0], [1.0, 0.5]]
    nothing = stats.proportion_interval(0, 0)
    assert np.isnan(nothing.estimate)
    assert nothing[1:] == (0.0, 1.0)
    assert stats.proportion_interval(3, 3).high == 1.0
    assert stats.proportion_interval(0, 3).low == 0.0


@pytest.mark.parametrize(
    ("k", "n", "options", "message"),
    [
        (5, 4, {}, "k = 5 of n = 4 is no count"),
        (-1, 4, {}, "k = -1 of n = 4"),
        (1.5, 4, {}, "k = 1.5"),
        (1, np.nan, {}, "n = nan"),
        (1, np.inf, {}, "n holds an infinity"),
        (1, 4, {"confidence": 95}, "confidence is 95; it must lie between 0 and 1"),
    ],
)
def test_refusals(k, n, options, message):
    with pytest.raises(InputError, match=message):
        stats.proportion_interval(k, n, **options)
