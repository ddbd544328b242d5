"""Midranks and tie patterns of many small tests at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ranked(NamedTuple):
    """Doubled midranks of many tests; doubled because midranks are halves, and integers are exact.

    ``ranks`` (tests, n) in the order of the values, 0 where NaN; ``starts`` (tests, n) says of the
    sorted values which begin a new group of ties; ``n`` (tests,) counts those that are not NaN.
    """

    ranks: np.ndarray
    starts: np.ndarray
    n: np.ndarray


def rank_rows(values: np.ndarray) -> Ranked:
    """Rank each row; NaN is left out, infinities are the largest and smallest values.

    Parameters
    ----------
    values
        (tests, n).
    """
    tests, size = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    present = ~np.isnan(ordered)
    starts = np.ones((tests, size), dtype=bool)
    # compared, not subtracted: inf - inf would be NaN
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    position = np.arange(size)
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    ends = np.ones((tests, size), dtype=bool)
    ends[:, :-1] = starts[:, 1:]
    last = np.where(ends, position, size - 1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty((tests, size), dtype=np.int64)
    np.put_along_axis(ranks, order, np.where(present, first + last + 2, 0), axis=1)
    return Ranked(ranks, starts & present, present.sum(axis=1))


def tie_sizes(starts: np.ndarray, n: int) -> np.ndarray:
    """Return the sizes of the groups of ties of one test, from the smallest value up.

    Parameters
    ----------
    starts
        (n,) one row of ``Ranked.starts``.
    n
        Values that are not NaN.
    """
    return np.diff(np.append(np.flatnonzero(starts[:n]), n))


def tie_term(starts: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the sum of t^3 - t over the groups of ties of each test.

    Parameters
    ----------
    starts
        (tests, n).
    n
        (tests,) values that are not NaN.
    """
    size = starts.shape[1]
    position = np.arange(size)
    present = position < n[:, None]
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    place = (position - first + 1).astype(np.float64)
    # the i-th member of a group adds i^3 - i less what its i-1 predecessors added
    return np.where(present, 3 * place * (place - 1), 0.0).sum(axis=1)
