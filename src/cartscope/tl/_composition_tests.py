"""Tests of a composition between patients: small records holding a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import digamma, polygamma
from scipy.stats import t as student

from cartscope.tl._patient_test import rank_columns, shift_columns

Function = Callable[[np.ndarray, np.ndarray, np.ndarray], pd.DataFrame]
MIN_ROWS = 3  # two means and a variance


@dataclass(frozen=True)
class CompositionTest:
    """A way to compare fractions.

    ``function(counts, totals, in_group)`` takes patients x parts, patients, patients, and returns
    a row per part: n_group, n_reference, median_group, median_reference (fractions), u, p_value,
    min_p, stat, effect, ci_low, ci_high.
    """

    name: str
    describe: str
    function: Function


def _mann_whitney(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    fractions = counts / totals[:, None]
    table = rank_columns(fractions, in_group).join(shift_columns(fractions, in_group))
    table["stat"] = table["u"]
    return table


def _clr(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    logs = np.log(counts + 0.5)
    ratios = logs - logs.sum(axis=1, keepdims=True) / max(counts.shape[1], 1)
    table = rank_columns(ratios, in_group).join(shift_columns(ratios, in_group))
    table["stat"] = table["u"]
    return _with_fractions(table, counts / totals[:, None], in_group)


def _propeller(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    logits = np.log((counts + 0.5) / (totals[:, None] - counts + 0.5))
    n_x, n_y = int(in_group.sum()), int((~in_group).sum())
    table = _with_fractions(
        rank_columns(counts / totals[:, None], in_group), counts / totals[:, None], in_group
    )
    table[["u", "p_value", "min_p"]] = np.nan
    table[["stat", "effect", "ci_low", "ci_high"]] = np.nan
    if min(n_x, n_y) == 0 or n_x + n_y < MIN_ROWS:
        return table
    x, y = logits[in_group], logits[~in_group]
    difference = x.mean(axis=0) - y.mean(axis=0)
    freedom = n_x + n_y - 2
    within = ((x - x.mean(axis=0)) ** 2).sum(axis=0) + ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    variances, more = moderated_variances(within / freedom, freedom)
    error = np.sqrt(variances * (1 / n_x + 1 / n_y))
    # the prior cannot know more than all parts together
    total = min(freedom + more, freedom * counts.shape[1])
    table["stat"] = difference / error
    table["p_value"] = 2 * student.sf(np.abs(table["stat"]), total)
    reach = student.ppf(0.975, total) * error
    table["effect"], table["ci_low"], table["ci_high"] = (
        difference,
        difference - reach,
        difference + reach,
    )
    return table


def _with_fractions(
    table: pd.DataFrame, fractions: np.ndarray, in_group: np.ndarray
) -> pd.DataFrame:
    """Medians are shown as fractions, whatever the scale of the test."""
    for column, group in (("median_group", in_group), ("median_reference", ~in_group)):
        if group.any():
            table[column] = np.median(fractions[group], axis=0)
    return table


def moderated_variances(variances: np.ndarray, freedom: int) -> tuple[np.ndarray, float]:
    """Shrink variances towards a common value, as far as their spread suggests.

    The prior (a scaled inverse chi-square) is fitted by the mean and the variance of the log
    variances.

    Parameters
    ----------
    variances
        One per test, each with the same degrees of freedom.
    freedom
        Those degrees of freedom.

    Returns
    -------
    The shrunken variances, and the degrees of freedom that the prior adds (infinite where the
    variances differ no more than chance makes them).

    References
    ----------
    Smyth 2004, doi 10.2202/1544-6115.1027.

    Examples
    --------
    >>> import numpy as np
    >>> moderated_variances(np.array([1.0, 1.0, 1.0]), 4)[1]
    inf
    """
    usual = np.median(variances)
    if usual == 0:
        return np.full_like(variances, np.nan), 0.0
    if variances.size == 1:
        return variances, 0.0
    logs = np.log(np.maximum(variances, 1e-5 * usual))
    centered = logs - digamma(freedom / 2) + np.log(freedom / 2)
    excess = centered.var(ddof=1) - float(polygamma(1, freedom / 2))
    if excess <= 0:
        return np.full_like(variances, np.exp(centered.mean())), np.inf
    more = 2 * _inverse_trigamma(excess)
    prior = np.exp(centered.mean() + digamma(more / 2) - np.log(more / 2))
    return (more * prior + freedom * variances) / (more + freedom), more


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = value by Newton's method on 1 / trigamma, which is nearly straight."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x


COMPOSITION_TESTS: Final[dict[str, CompositionTest]] = {
    test.name: test
    for test in (
        CompositionTest(
            "mann_whitney",
            "exact two-sided U test of the fractions; effect: Hodges-Lehmann shift of the fraction",
            _mann_whitney,
        ),
        CompositionTest(
            "clr",
            "exact two-sided U test of centered log ratios, half a cell added to each part "
            "(Aitchison 1982, doi 10.1111/j.2517-6161.1982.tb01195.x); effect: Hodges-Lehmann "
            "shift, natural log",
            _clr,
        ),
        CompositionTest(
            "propeller",
            "moderated t test of empirical logits, variances shrunk over the parts (after Phipson "
            "et al. 2022, doi 10.1093/bioinformatics/btac582); effect: difference of mean logits",
            _propeller,
        ),
    )
}
