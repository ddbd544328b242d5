from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from cartscope import stats
from cartscope._errors import InputError


def test_agrees_with_r(r_answers):
    rows = r_answers("adjust")
    p, q = np.array([r["p"] for r in rows]), np.array([r["q"] for r in rows])
    assert np.isnan(p).sum() == 2
    np.testing.assert_allclose(stats.benjamini_hochberg(p), q, rtol=1e-12)


def test_by_the_definition(rng):
    p = rng.random(40).round(2)
    by_hand = [min(1.0, *(r * p.size / (p <= r).sum() for r in p[p >= one])) for one in p]
    np.testing.assert_allclose(stats.benjamini_hochberg(p), by_hand, rtol=1e-12)
    np.testing.assert_allclose(stats.benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)


def test_nan_is_no_member_of_the_family(rng):
    p = rng.random((4, 5))
    holes = rng.random((4, 5)) < 0.3
    holed = np.where(holes, np.nan, p)
    q = stats.benjamini_hochberg(holed)
    assert q.shape == (4, 5)
    np.testing.assert_array_equal(np.isnan(q), holes)
    np.testing.assert_array_equal(q[~holes], stats.benjamini_hochberg(p[~holes]))
    assert np.array_equal(np.isnan(holed), holes)


def test_families_are_adjusted_apart(rng):
    p, family = rng.random(30), np.array(["a", "b", "c"] * 10)
    p[3] = np.nan
    q = stats.benjamini_hochberg(p, family=family)
    for one in "abc":
        np.testing.assert_array_equal(q[family == one], stats.benjamini_hochberg(p[family == one]))


def test_order_does_not_matter(rng):
    p = rng.random(50).round(1)
    order = rng.permutation(50)
    np.testing.assert_array_equal(
        stats.benjamini_hochberg(p[order]), stats.benjamini_hochberg(p)[order]
    )


def test_edges():
    assert stats.benjamini_hochberg([]).shape == (0,)
    assert stats.benjamini_hochberg([], family=[]).shape == (0,)
    assert stats.benjamini_hochberg(0.2) == 0.2
    assert np.isnan(stats.benjamini_hochberg([np.nan])).all()
    assert stats.benjamini_hochberg([0.0, 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("p", "options", "message"),
    [
        ([0.1, 1.2], {}, "p holds 1.2; p-values lie between 0 and 1"),
        ([-0.1], {}, "p holds -0.1"),
        ([np.inf], {}, "p holds inf"),
        (["low"], {}, "p must hold numbers"),
        ([0.1, 0.2], {"family": ["a"]}, "give one label per p-value"),
    ],
)
def test_refusals(p, options, message):
    with pytest.raises(InputError, match=message):
        stats.benjamini_hochberg(p, **options)
