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
SHIFT = ["shift", "shift_low", "shift_high"]
EFFECT = ["effect", "effect_low", "effect_high"]
MIN_ROWS = 3  # two means and a variance


@dataclass(frozen=True)
class CompositionTest:
    """A way to compare fractions.

    ``function(counts, totals, in_group)`` takes patients x parts, patients, patients, and returns
    a row per part: n_group, n_reference, median_group, median_reference (fractions), u, p_value,
    min_p, shift, shift_low, shift_high (fractions), and stat, effect, effect_low, effect_high on
    the scale of the test.
    """

    name: str
    describe: str
    function: Function


def _mann_whitney(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    table = _fraction_columns(counts, totals, in_group)
    table["stat"] = table["u"]
    table[EFFECT] = table[SHIFT].to_numpy()
    return table


def _clr(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    logs = np.log(counts + 0.5)
    ratios = logs - logs.sum(axis=1, keepdims=True) / max(counts.shape[1], 1)
    table = _fraction_columns(counts, totals, in_group)
    tested = rank_columns(ratios, in_group)
    table[["u", "p_value", "min_p"]] = tested[["u", "p_value", "min_p"]]
    table["stat"] = table["u"]
    table[EFFECT] = shift_columns(ratios, in_group).to_numpy()
    return table


def _propeller(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    logits = np.log((counts + 0.5) / (totals[:, None] - counts + 0.5))
    n_x, n_y = int(in_group.sum()), int((~in_group).sum())
    table = _fraction_columns(counts, totals, in_group)
    table[["u", "p_value", "min_p", "stat", *EFFECT]] = np.nan
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
    table[EFFECT] = np.stack([difference, difference - reach, difference + reach], axis=1)
    return table


def _fraction_columns(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    """Medians and shift are those of the fractions, whatever the scale of the test."""
    fractions = counts / totals[:, None]
    return rank_columns(fractions, in_group).join(shift_columns(fractions, in_group))


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
