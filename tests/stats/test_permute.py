from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from cartscope import stats
from cartscope._errors import InputError


def shift(values, groups):
    return values[groups == "b"].mean(axis=0) - values[groups == "a"].mean(axis=0)


def enumerated(values, groups, strata, alternative="two-sided") -> tuple[float, int]:
    """p over the distinct relabellings found among all orders of the labels."""
    kept = {
        order
        for order in set(permutations(groups))
        if all(
            sorted(np.array(order)[strata == s]) == sorted(groups[strata == s])
            for s in np.unique(strata)
        )
    }
    null = np.array([shift(values, np.array(order)) for order in kept])
    observed = shift(values, groups)
    extreme = {
        "two-sided": np.abs(null) >= abs(observed) - 1e-9,
        "greater": null >= observed - 1e-9,
        "less": null <= observed + 1e-9,
    }[alternative]
    return extreme.mean(), len(kept)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("strata", [[0] * 7, [0, 0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1, 2]])
def test_every_relabelling_within_strata(rng, strata, alternative):
    values, groups, strata = rng.integers(0, 9, 7), np.array(list("aababba")), np.array(strata)
    result = stats.permute(values, groups, shift, strata=strata, alternative=alternative)
    p, n = enumerated(values, groups, strata, alternative)
    assert (result.exact, result.n_relabellings) == (True, n)
    assert result.p_value == pytest.approx(p, rel=1e-12)
    assert result.observed == shift(values, groups)


def test_equals_the_exact_u_test(rng):
    values, groups = rng.integers(0, 5, 10), np.array(["a"] * 4 + ["b"] * 6)

    def u(v, g):
        return stats.mann_whitney(v[g == "b"], v[g == "a"]).u - 12

    result = stats.permute(values, groups, u)
    assert result.n_relabellings == 210
    exact = stats.mann_whitney(values[groups == "b"], values[groups == "a"]).p_value
    assert result.p_value == pytest.approx(exact, rel=1e-12)


def test_three_groups_are_relabelled_each_way_once(rng):
    values, groups = rng.normal(size=6), np.array(list("aabbcc"))
    seen = []

    def spread(v, g):
        seen.append("".join(g))
        return np.ptp([v[g == one].mean() for one in "abc"])

    result = stats.permute(values, groups, spread, alternative="greater")
    assert result.n_relabellings == 90
    assert len(set(seen[1:])) == len(seen[1:]) == 90


def test_sampled_p_counts_the_observed_labels(rng):
    values, groups = np.arange(16.0), np.array(["a"] * 8 + ["b"] * 8)
    result = stats.permute(values, groups, shift, n_permutations=99)
    assert (result.exact, result.n_relabellings) == (False, 99)
    assert result.p_value == pytest.approx(1 / 100)
    noise = rng.normal(size=16)
    exact = stats.permute(noise, groups, shift, n_permutations=20_000)
    assert (exact.exact, exact.n_relabellings) == (True, 12_870)
    sampled = stats.permute(noise, groups, shift, n_permutations=4_000)
    assert sampled.p_value == pytest.approx(exact.p_value, abs=4 * 0.5 / np.sqrt(4_000))


def test_sampling_keeps_strata(rng):
    groups, strata = rng.permutation(np.array(["a", "b"] * 12)), np.repeat([0, 1, 2], 8)
    want = [sorted(groups[strata == s]) for s in range(3)]

    def watch(v, g):
        assert [sorted(g[strata == s]) for s in range(3)] == want
        return shift(v, g)

    stats.permute(rng.normal(size=24), groups, watch, strata=strata, n_permutations=50)


def test_seed_decides_the_draws_and_nothing_else(rng):
    values, groups = rng.normal(size=24), np.array(["a", "b"] * 12)
    once = stats.permute(values, groups, shift, n_permutations=200, random_state=1)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - must be left alone
    assert stats.permute(values, groups, shift, n_permutations=200, random_state=1) == once
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    others = {
        stats.permute(values, groups, shift, n_permutations=200, random_state=s).p_value
        for s in range(5)
    }
    assert len(others) > 1


def test_many_features_at_once(rng):
    values, groups = rng.normal(size=(8, 5)), np.array(list("aaabbbba"))
    values[0, 2] = np.nan
    together = stats.permute(values, groups, shift)
    assert np.isnan(together.p_value[2])
    for i in (0, 1, 3, 4):
        alone = stats.permute(values[:, i], groups, shift)
        assert (alone.observed, alone.p_value) == (together.observed[i], together.p_value[i])


def test_rounding_noise_does_not_break_ties(rng):
    groups = np.array(list("aaabbbb"))
    for whole in rng.integers(0, 12, (20, 7)):
        tenths = stats.permute(whole / 10, groups, shift).p_value
        # 12 times the shift of whole numbers is a whole number
        exact = stats.permute(whole, groups, lambda v, g: np.rint(12 * shift(v, g))).p_value
        assert tenths == exact


def test_relabelling_without_a_statistic_counts_as_extreme():
    def fragile(v, g):
        return np.nan if (g[:2] == "b").all() else 1.0 if g[0] == "a" else 0.0

    result = stats.permute(np.zeros(4), np.array(list("aabb")), fragile, alternative="greater")
    assert result.p_value == pytest.approx(4 / 6)


def test_null_p_values_are_valid(rng):
    groups = np.array(list("aaabbb"))
    p = np.array([stats.permute(rng.normal(size=6), groups, shift).p_value for _ in range(300)])
    assert (p <= 0.1).mean() <= 0.1 + 3 * np.sqrt(0.09 / 300)


def test_labels_may_be_truth_values_or_categories(rng):
    values, plain = rng.normal(size=6), np.array(list("aabbab"))

    def by_truth(v, g):
        return v[g].mean() - v[~g].mean()

    want = stats.permute(values, plain, shift).p_value
    assert stats.permute(values, plain == "b", by_truth).p_value == want
    assert stats.permute(values, pd.Series(plain, dtype="category"), shift).p_value == want


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        (list("aab"), {}, r"groups has shape \(3,\)"),
        (list("aaaa"), {}, "single label"),
        (["a", "b", None, "b"], {}, r"groups is missing for patients at positions \[2\]"),
        (np.array(["a", "b", pd.NA, "b"], dtype=object), {}, r"positions \[2\]"),
        ([0.0, 1.0, np.nan, 1.0], {}, r"positions \[2\]"),
        (np.array(["a", 1, "a", 1], dtype=object), {}, "mixes kinds of labels"),
        (list("aabb"), {"strata": list("xxy")}, "strata has shape"),
        (list("aabb"), {"strata": list("xxyy")}, "nothing to permute"),
        (list("aabb"), {"n_permutations": 0}, "n_permutations is 0"),
        (list("aabb"), {"alternative": "both"}, "alternative is 'both'"),
    ],
)
def test_refusals(groups, options, message):
    with pytest.raises(InputError, match=message):
        stats.permute(np.arange(4.0), groups, shift, **options)
