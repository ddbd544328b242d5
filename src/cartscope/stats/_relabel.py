from __future__ import annotations

import math
from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cartscope._errors import InputError
from cartscope._rng import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike


class Relabeled(NamedTuple):
    """Result of :func:`relabel`.

    ``labels`` yields arrays (patients,), once; ``exact`` says whether they are all distinct
    relabellings, the given one among them; ``n`` is how many there are.
    """

    labels: Iterator[np.ndarray]
    exact: bool
    n: int


def relabel(
    groups: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    n_permutations: int = 10_000,
    random_state: int = 0,
) -> Relabeled:
    """Give patients' group labels in other orders, all of them where there are few enough.

    Parameters
    ----------
    groups
        (patients,) labels of two or more groups.
    strata
        (patients,) labels; groups are permuted within each stratum only.
    n_permutations
        Relabellings to enumerate at most, or to draw.
    random_state
        Seed; each draw has a stream of its own, so results don't depend on order.

    Returns
    -------
    labels, exact, n. Drawn relabellings may repeat one another and the given one.

    Raises
    ------
    InputError
        If lengths differ, a label is missing, or strata leave a single relabelling.

    Examples
    --------
    >>> from cartscope.stats import relabel
    >>> found = relabel(["high", "low", "low"])
    >>> found.exact, [labels.tolist().index("high") for labels in found.labels]
    (True, [0, 1, 2])
    """
    if n_permutations < 1:
        msg = f"n_permutations is {n_permutations}; at least one relabelling is needed."
        raise InputError(msg)
    labels = np.asarray(groups)
    kinds, code = _codes(labels, labels.shape[:1], name="groups")
    if kinds.size < 2:  # noqa: PLR2004
        msg = f"groups holds the single label {kinds.tolist()}; a comparison needs two or more."
        raise InputError(msg)
    if strata is None:
        blocks = [np.arange(code.size)]
    else:
        levels, level = _codes(np.asarray(strata), labels.shape[:1], name="strata")
        blocks = [np.flatnonzero(level == i) for i in range(levels.size)]
    total = math.prod(_n_arrangements(code[block]) for block in blocks)
    if total == 1:
        msg = "groups don't vary within any stratum: there is nothing to permute; coarsen strata."
        raise InputError(msg)
    exact = total <= n_permutations
    if exact:
        codes = _every(code, blocks)
    else:
        codes = _draws(code, blocks, n=n_permutations, random_state=random_state)
    return Relabeled((kinds[one] for one in codes), exact, total if exact else n_permutations)


def _codes(
    labels: np.ndarray, shape: tuple[int, ...], *, name: str
) -> tuple[np.ndarray, np.ndarray]:
    if labels.shape != shape or not shape:
        msg = f"{name} has shape {labels.shape}; give one label for each of {shape} patients."
        raise InputError(msg)
    plain = labels.tolist()
    missing = [i for i, one in enumerate(plain) if is_missing(one)]
    if missing:
        msg = f"{name} is missing for patients at positions {missing}; drop them first."
        raise InputError(msg)
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        msg = f"{name} mixes kinds of labels that can't be sorted: {error}; give one kind."
        raise InputError(msg) from error


def is_missing(label: object) -> bool:
    """Say whether a label is None, NaN or NA.

    Parameters
    ----------
    label
        Of a patient.
    """
    try:
        return label is None or bool(label != label)  # noqa: PLR0124 - only NaN differs from itself
    except TypeError:  # pandas' NA has no truth
        return True


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
