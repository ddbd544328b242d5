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

Who = tuple[np.ndarray, np.ndarray | None]  # which patients are in the group, and their strata
Function = Callable[[np.ndarray, np.ndarray, Who], pd.DataFrame]
SHIFT = ["shift", "shift_low", "shift_high"]
EFFECT = ["effect", "effect_low", "effect_high"]


@dataclass(frozen=True)
class CompositionTest:
    """A way to compare fractions.

    ``function(counts, totals, (in_group, strata))`` takes patients x parts, patients, patients,
    patients or None, and returns a row per part: what :func:`rank_columns` gives of the fractions
    (u, p_value and min_p those of the test), shift, shift_low, shift_high (fractions), and stat,
    effect, effect_low, effect_high on the scale of the test. Patients are compared within strata;
    in a moderated t those with nobody to be compared with still tell of the variance.
    """

    name: str
    describe: str
    function: Function


def _mann_whitney(counts: np.ndarray, totals: np.ndarray, who: Who) -> pd.DataFrame:
    table = _fraction_columns(counts, totals, who)
    table["stat"] = table["u"]
    table[EFFECT] = table[SHIFT].to_numpy()
    return table


def _clr(counts: np.ndarray, totals: np.ndarray, who: Who) -> pd.DataFrame:
    logs = np.log(counts + 0.5)
    ratios = logs - logs.sum(axis=1, keepdims=True) / max(counts.shape[1], 1)
    table = _fraction_columns(counts, totals, who)
    tested = rank_columns(ratios, *who)
    columns = ["u", "superiority", "p_value", "min_p"]
    table[columns] = tested[columns]
    table["stat"] = table["u"]
    table[EFFECT] = shift_columns(ratios, *who).to_numpy()
    return table


def _propeller(counts: np.ndarray, totals: np.ndarray, who: Who) -> pd.DataFrame:
    logits = np.log((counts + 0.5) / (totals[:, None] - counts + 0.5))
    table = _fraction_columns(counts, totals, who)
    table[["u", "superiority", "p_value", "min_p", "stat", *EFFECT]] = np.nan
    in_group, strata = who
    if not len(totals):
        return table
    _, of = np.unique(np.zeros(len(totals)) if strata is None else strata, return_inverse=True)
    means = (of[:, None] == np.arange(of.max() + 1)).astype(float)
    # the group's indicator and the logits less the means of their strata
    indicator = in_group - means @ _mean_of(means, in_group.astype(float))
    freedom = len(totals) - means.shape[1] - 1
    weight = (indicator**2).sum()
    if freedom < 1 or weight == 0:
        return table
    centered = logits - means @ _mean_of(means, logits)
    difference = indicator @ centered / weight
    residual = centered - indicator[:, None] * difference
    variances, more = moderated_variances((residual**2).sum(axis=0) / freedom, freedom)
    error = np.sqrt(variances / weight)
    # the prior cannot know more than all parts together
    total = min(freedom + more, freedom * counts.shape[1])
    table["stat"] = difference / error
    table["p_value"] = 2 * student.sf(np.abs(table["stat"]), total)
    reach = student.ppf(0.975, total) * error
    table[EFFECT] = np.stack([difference, difference - reach, difference + reach], axis=1)
    return table


def _mean_of(means: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of each stratum."""
    return (means.T @ values) / means.sum(axis=0).reshape(-1, *[1] * (values.ndim - 1))


def _fraction_columns(counts: np.ndarray, totals: np.ndarray, who: Who) -> pd.DataFrame:
    """Medians and shift are those of the fractions, whatever the scale of the test."""
    fractions = counts / totals[:, None]
    return rank_columns(fractions, *who).join(shift_columns(fractions, *who))


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
