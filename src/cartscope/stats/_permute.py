from __future__ import annotations

import math
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.stats._arrays import ALTERNATIVES, Alternative

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    if n_permutations < 1:
        msg = f"n_permutations is {n_permutations}; at least one relabelling is needed."
        raise InputError(msg)
    data, labels = np.asarray(values), np.asarray(groups)
    kinds, code = _codes(labels, data.shape[:1], name="groups")
    if kinds.size < 2:  # noqa: PLR2004
        msg = f"groups holds the single label {kinds.tolist()}; a comparison needs two or more."
        raise InputError(msg)
    if strata is None:
        blocks = [np.arange(code.size)]
    else:
        levels, level = _codes(np.asarray(strata), data.shape[:1], name="strata")
        blocks = [np.flatnonzero(level == i) for i in range(levels.size)]
    total = math.prod(_n_arrangements(code[block]) for block in blocks)
    if total == 1:
        msg = "groups don't vary within any stratum: there is nothing to permute; coarsen strata."
        raise InputError(msg)

    observed = np.asarray(statistic(data, labels), dtype=np.float64)
    exact = total <= n_permutations
    if exact:
        relabellings = _every(code, blocks)
    else:
        relabellings = _draws(code, blocks, n=n_permutations, random_state=random_state)
    extreme = np.zeros(observed.shape, dtype=np.int64)
    for relabelled in relabellings:
        value = np.asarray(statistic(data, kinds[relabelled]), dtype=np.float64)
        extreme += _as_extreme(value, observed, alternative) | np.isnan(value)
    count = total if exact else n_permutations
    p = extreme / count if exact else (extreme + 1) / (count + 1)
    p = np.where(np.isnan(observed), np.nan, p)
    if observed.ndim == 0:
        return Permutation(float(observed), float(p), exact, count)
    return Permutation(observed, p, exact, count)


def _codes(
    labels: np.ndarray, shape: tuple[int, ...], *, name: str
) -> tuple[np.ndarray, np.ndarray]:
    if labels.shape != shape or not shape:
        msg = f"{name} has shape {labels.shape}; give one label for each of {shape} patients."
        raise InputError(msg)
    plain = labels.tolist()
    missing = [i for i, one in enumerate(plain) if _is_missing(one)]
    if missing:
        msg = f"{name} is missing for patients at positions {missing}; drop them first."
        raise InputError(msg)
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        msg = f"{name} mixes kinds of labels that can't be sorted: {error}; give one kind."
        raise InputError(msg) from error


def _is_missing(label: object) -> bool:
    try:
        return label is None or bool(label != label)  # noqa: PLR0124 - only NaN differs from itself
    except TypeError:  # pandas' NA has no truth
        return True


def _as_extreme(value: np.ndarray, observed: np.ndarray, alternative: str) -> np.ndarray:
    slack = SLACK * np.abs(observed)
    if alternative == "greater":
        return value >= observed - slack
    if alternative == "less":
        return value <= observed + slack
    return np.abs(value) >= np.abs(observed) - slack


def _n_arrangements(code: np.ndarray) -> int:
    ways, left = 1, code.size
    for n in np.bincount(code).tolist():
        ways *= math.comb(left, n)
        left -= n
    return ways


def _arrangements(counts: list[tuple[int, int]], size: int) -> Iterator[np.ndarray]:
    """Yield every distinct way to lay ``n`` copies of each code on ``size`` places."""
    (kind, n), rest = counts[0], counts[1:]
    if not rest:
        yield np.full(size, kind)
        return
    for places in combinations(range(size), n):
        free = np.ones(size, dtype=bool)
        free[list(places)] = False
        for inner in _arrangements(rest, size - n):
            out = np.full(size, kind)
            out[free] = inner
            yield out


def _every(code: np.ndarray, blocks: list[np.ndarray]) -> Iterator[np.ndarray]:
    choices = []
    for block in blocks:
        kinds, counts = np.unique(code[block], return_counts=True)
        pairs = list(zip(kinds.tolist(), counts.tolist(), strict=True))
        choices.append(list(_arrangements(pairs, block.size)))
    for combination in product(*choices):
        out = np.empty_like(code)
        for block, arrangement in zip(blocks, combination, strict=True):
            out[block] = arrangement
        yield out


def _draws(
    code: np.ndarray, blocks: list[np.ndarray], *, n: int, random_state: int
) -> Iterator[np.ndarray]:
    for i in range(n):
        rng = stream(random_state, "permute", i)
        out = np.empty_like(code)
        for block in blocks:
            out[block] = rng.permutation(code[block])
        yield out
