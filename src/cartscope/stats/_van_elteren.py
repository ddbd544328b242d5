from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import ALTERNATIVES, METHODS, Alternative, Method, observations
from cartscope.stats._null import doubled_midranks
from cartscope.stats._ranks import rank_rows, tie_sizes
from cartscope.stats._relabel import is_missing
from cartscope.stats._stratified_null import (
    Stratum,
    is_countable,
    stratified_null,
    van_elteren_weights,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class VanElteren(NamedTuple):
    """Result of :func:`van_elteren`: numbers and a word for one test, arrays (tests,) for many.

    ``u`` counts the pairs of one stratum in which x is above y, ties counting one half, ``pairs``
    how many such pairs there are; ``superiority`` is the share in which x is above y, strata
    weighted as in the test. ``n_x`` and ``n_y`` are the observations of the ``n_strata`` strata
    that hold both groups; the others say nothing. ``min_p`` is the smallest p that any assignment
    of these values within strata could give.
    """

    u: Any
    p_value: Any
    method: Any
    n_x: Any
    n_y: Any
    n_strata: Any
    pairs: Any
    superiority: Any
    min_p: Any


def van_elteren(
    x: ArrayLike,
    y: ArrayLike,
    *,
    strata: tuple[ArrayLike, ArrayLike],
    alternative: Alternative = "two-sided",
    method: Method = "auto",
    exact_below: int = 50,
) -> VanElteren:
    """Mann-Whitney U test within strata, exact under ties.

    Values are ranked within each stratum (a study, a batch), so that a difference between strata is
    no difference between groups. The statistic is the sum over strata of the rank sum of x, each
    divided by the size of its stratum plus one (van Elteren's weights). The exact p-value is that
    of its permutation distribution: labels exchanged within strata in every way, midranks as
    observed. With one stratum it is that of :func:`mann_whitney`.

    Parameters
    ----------
    x
        (n_x,) for one test or (n_x, tests). NaN is left out of its own test; infinities are ranked.
    y
        (n_y,) or (n_y, tests).
    strata
        Labels of x (n_x,) and of y (n_y,).
    alternative
        What is tested: x differs from y, is greater, or is less.
    method
        ``"auto"`` is exact where both groups hold fewer than ``exact_below`` observations and the
        distribution can be counted (many strata of different sizes make it large), and asymptotic
        (corrected for ties) elsewhere.
    exact_below
        Group size from which ``"auto"`` turns asymptotic.

    Returns
    -------
    u, p_value, method (``"exact"``, ``"asymptotic"``, or ``"none"`` where no stratum holds both
    groups, with u and p_value NaN), n_x, n_y, n_strata, pairs, superiority, min_p.

    Raises
    ------
    InputError
        If a group is empty, shapes don't match, a stratum is missing, an option is unknown, or
        ``method="exact"`` is out of reach.

    References
    ----------
    van Elteren 1960, Bulletin of the International Statistical Institute 37:351-361; Lehmann 1975,
    Nonparametrics, section 3.3.

    Examples
    --------
    >>> from cartscope.stats import van_elteren
    >>> x, y = [3.0, 4.0, 13.0, 14.0], [1.0, 2.0, 11.0, 12.0]
    >>> labels = ["a", "a", "b", "b"]
    >>> result = van_elteren(x, y, strata=(labels, labels))
    >>> result.u, round(result.p_value, 4), result.n_strata
    (8.0, 0.0556, 2)
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    one_of(method, METHODS, name="method")
    first, second = observations(x, name="x"), observations(y, name="y")
    if first.ndim != second.ndim or first.shape[1:] != second.shape[1:]:
        msg = f"x has shape {first.shape} and y {second.shape}; give the same number of tests."
        raise InputError(msg)
    labels = stratum_codes(strata, sizes=(first.shape[0], second.shape[0]))
    single = first.ndim == 1
    rows = np.concatenate([np.atleast_2d(first.T), np.atleast_2d(second.T)], axis=1)
    from_x = np.arange(rows.shape[1]) < first.shape[0]
    out = _empty(rows.shape[0])
    parts = [_ranked(rows[:, labels == s], from_x[labels == s]) for s in range(labels.max() + 1)]
    for tests in _alike(parts):
        there = [part for part in parts if part.informative[tests[0]]]
        if there:
            pattern = _Pattern(tuple(part.key(tests[0]) for part in there))
            sums = np.stack([part.doubled[tests] for part in there])
            _fill(out, tests, pattern, sums=sums, how=(alternative, method, exact_below))
    if single:
        return VanElteren(*(value[0].item() for value in out.values()))
    return VanElteren(*out.values())


def stratum_codes(strata: tuple[ArrayLike, ArrayLike], *, sizes: tuple[int, int]) -> np.ndarray:
    """Return the stratum of every observation, x first, as numbers from 0.

    Parameters
    ----------
    strata
        Labels of x and of y.
    sizes
        Observations of x and of y.
    """
    labels: list[object] = []
    for name, one, size in zip("xy", strata, sizes, strict=True):
        plain = list(one) if np.ndim(one) else [one]
        if len(plain) != size:
            msg = f"strata of {name} has {len(plain)} labels; give one for each of {size}."
            raise InputError(msg)
        if missing := [i for i, label in enumerate(plain) if is_missing(label)]:
            msg = f"strata of {name} is missing at positions {missing}; drop those observations."
            raise InputError(msg)
        labels += plain
    seen: dict[object, int] = {}  # 1 and 1.0 are one stratum
    return np.array([seen.setdefault(label, len(seen)) for label in labels])


@dataclass(frozen=True)
class _Ranked:
    """One stratum of every test."""

    doubled: np.ndarray  # doubled rank sum of x
    starts: np.ndarray
    n_x: np.ndarray
    n: np.ndarray

    @property
    def informative(self) -> np.ndarray:
        return (self.n_x > 0) & (self.n_x < self.n)

    def key(self, test: int) -> Stratum:
        n = int(self.n[test])
        return tuple(tie_sizes(self.starts[test], n).tolist()), int(self.n_x[test])


def _ranked(rows: np.ndarray, from_x: np.ndarray) -> _Ranked:
    ranked = rank_rows(rows)
    return _Ranked(
        doubled=ranked.ranks[:, from_x].sum(axis=1),
        starts=ranked.starts,
        n_x=(~np.isnan(rows[:, from_x])).sum(axis=1),
        n=ranked.n,
    )


def _alike(parts: list[_Ranked]) -> list[np.ndarray]:
    """Return the tests that share group sizes and pattern of ties in every stratum."""
    sizes = np.stack([n for part in parts for n in (part.n_x, part.n)], axis=1)
    ties = [np.packbits(part.starts, axis=1) for part in parts]
    keys = np.concatenate([sizes.astype(np.int32).view(np.uint8), *ties], axis=1)
    keys = np.ascontiguousarray(keys).view(f"V{keys.shape[1]}").ravel()
    _, kind, times = np.unique(keys, return_inverse=True, return_counts=True)
    return np.split(np.argsort(kind, kind="stable"), np.cumsum(times)[:-1])


def _empty(tests: int) -> dict[str, np.ndarray]:
    return {
        "u": np.full(tests, np.nan),
        "p_value": np.full(tests, np.nan),
        "method": np.full(tests, "none", dtype="<U10"),
        "n_x": np.zeros(tests, dtype=np.int64),
        "n_y": np.zeros(tests, dtype=np.int64),
        "n_strata": np.zeros(tests, dtype=np.int64),
        "pairs": np.zeros(tests, dtype=np.int64),
        "superiority": np.full(tests, np.nan),
        "min_p": np.full(tests, np.nan),
    }


class _Pattern:
    """Sizes, ties and weights that tests share."""

    def __init__(self, key: tuple[Stratum, ...]) -> None:
        self.key = key
        self.n = np.array([sum(ties) for ties, _ in key])
        self.n_x = np.array([n for _, n in key])
        self.weights = van_elteren_weights(self.n)


def _fill(
    out: dict[str, np.ndarray],
    tests: np.ndarray,
    pattern: _Pattern,
    *,
    sums: np.ndarray,
    how: tuple[str, str, int],
) -> None:
    alternative, method, exact_below = how
    n_x, n_y = pattern.n_x, pattern.n - pattern.n_x
    u = sums / 2 - (n_x * (n_x + 1) / 2)[:, None]
    pairs = n_x * n_y
    out["u"][tests] = u.sum(axis=0)
    out["n_x"][tests], out["n_y"][tests] = n_x.sum(), n_y.sum()
    out["n_strata"][tests], out["pairs"][tests] = len(n_x), pairs.sum()
    out["superiority"][tests] = pattern.weights @ u / (pattern.weights @ pairs)
    total = pattern.weights @ sums
    few = max(n_x.sum(), n_y.sum()) < exact_below
    exact = method == "exact" or (method == "auto" and few and is_countable(pattern.key))
    if exact:
        null = stratified_null(pattern.key)
        out["p_value"][tests] = null.p_value(total, alternative)
        out["min_p"][tests] = null.smallest(alternative)
        out["method"][tests] = "exact"
    else:
        out["p_value"][tests] = _asymptotic(total, pattern, alternative)
        ends = np.array([_end(pattern, largest=side) for side in (False, True)])
        out["min_p"][tests] = _asymptotic(ends, pattern, alternative).min()
        out["method"][tests] = "asymptotic"


def _asymptotic(total: np.ndarray, pattern: _Pattern, alternative: str) -> np.ndarray:
    n_x, n = pattern.n_x.astype(float), pattern.n.astype(float)
    ties = np.array([sum(t**3 - t for t in sizes) for sizes, _ in pattern.key], dtype=float)
    variance = n_x * (n - n_x) / 12 * ((n + 1) - ties / np.maximum(n * (n - 1), 1))
    spread = math.sqrt(float((4 * pattern.weights.astype(float) ** 2 * variance).sum()))
    deviation = total - float((pattern.weights * n_x * (n + 1)).sum())
    if spread == 0:
        return np.ones(total.shape)
    z = deviation / spread
    if alternative == "greater":
        return ndtr(-z)
    return ndtr(z) if alternative == "less" else 2 * ndtr(-np.abs(z))


def _end(pattern: _Pattern, *, largest: bool) -> int:
    """Return the smallest or largest weighted sum of doubled rank sums there can be."""
    total = 0
    for (ties, n), weight in zip(pattern.key, pattern.weights.tolist(), strict=True):
        doubled = doubled_midranks(ties)
        total += weight * int((doubled[-n:] if largest else doubled[:n]).sum())
    return total
