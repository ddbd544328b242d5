from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import ALTERNATIVES, Alternative
from cartscope.stats._relabel import relabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

# a statistic that ties with the observed one may differ from it in the last bits
SLACK = 1e-10


class Permutation(NamedTuple):
    """Result of :func:`permute`.

    ``observed`` and ``p_value`` are numbers or (features,); ``exact`` says whether every
    relabelling was counted; ``n_relabellings`` is how many were, the observed one among them when
    exact.
    """

    observed: Any
    p_value: Any
    exact: bool
    n_relabellings: int


def permute(
    values: ArrayLike,
    groups: ArrayLike,
    statistic: Callable[[np.ndarray, np.ndarray], Any],
    *,
    strata: ArrayLike | None = None,
    alternative: Alternative = "two-sided",
    n_permutations: int = 10_000,
    random_state: int = 0,
) -> Permutation:
    """Test a statistic by permuting the patients' group labels.

    Where there are at most ``n_permutations`` distinct relabellings each is counted once and p is
    their share at least as extreme as the observed one, which is among them. Otherwise
    ``n_permutations`` are drawn and p = (b + 1) / (m + 1), which is never 0.

    Parameters
    ----------
    values
        (patients,) or (patients, features); handed to the statistic as it is.
    groups
        (patients,) labels of two or more groups.
    statistic
        ``statistic(values, groups)`` gives a number or (features,).
    strata
        (patients,) labels; groups are permuted within each stratum only.
    alternative
        ``"greater"`` counts statistics at or above the observed one, ``"less"`` at or below,
        ``"two-sided"`` at least as far from 0: for statistics that are centered on 0.
    n_permutations
        Relabellings to enumerate at most, or to draw.
    random_state
        Seed; each draw has a stream of its own, so results don't depend on order.

    Returns
    -------
    observed, p_value, exact, n_relabellings. p is NaN where the observed statistic is NaN; a
    relabelling whose statistic is NaN counts as extreme.

    Raises
    ------
    InputError
        If lengths differ, a label is missing, or strata leave a single relabelling.

    References
    ----------
    Phipson and Smyth 2010, :doi:`10.2202/1544-6115.1585`.

    Examples
    --------
    >>> import numpy as np
    >>> from cartscope.stats import permute
    >>> def shift(v, g):
    ...     return v[g == "high"].mean() - v[g == "low"].mean()
    >>> result = permute([4.0, 5.0, 6.0, 1.0, 2.0, 3.0], np.repeat(["high", "low"], 3), shift)
    >>> result.observed, result.p_value, result.exact, result.n_relabellings
    (3.0, 0.1, True, 20)
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    data, labels = np.asarray(values), np.asarray(groups)
    if data.shape[:1] != labels.shape:
        msg = f"groups has shape {labels.shape}; give one label for each of {len(data)} patients."
        raise InputError(msg)
    relabeled = relabel(
        labels, strata=strata, n_permutations=n_permutations, random_state=random_state
    )

    observed = np.asarray(statistic(data, labels), dtype=np.float64)
    exact, count = relabeled.exact, relabeled.n
    extreme = np.zeros(observed.shape, dtype=np.int64)
    for labels_now in relabeled.labels:
        value = np.asarray(statistic(data, labels_now), dtype=np.float64)
        extreme += _as_extreme(value, observed, alternative) | np.isnan(value)
    p = extreme / count if exact else (extreme + 1) / (count + 1)
    p = np.where(np.isnan(observed), np.nan, p)
    if observed.ndim == 0:
        return Permutation(float(observed), float(p), exact, count)
    return Permutation(observed, p, exact, count)


def _as_extreme(value: np.ndarray, observed: np.ndarray, alternative: str) -> np.ndarray:
    slack = SLACK * np.abs(observed)
    if alternative == "greater":
        return value >= observed - slack
    if alternative == "less":
        return value <= observed + slack
    return np.abs(value) >= np.abs(observed) - slack
