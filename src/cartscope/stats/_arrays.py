"""What the tests of this room accept as values, checked in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cartscope._errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Alternative = Literal["two-sided", "greater", "less"]
Method = Literal["auto", "exact", "asymptotic"]
NanPolicy = Literal["omit", "propagate", "raise"]

ALTERNATIVES = ("two-sided", "greater", "less")
METHODS = ("auto", "exact", "asymptotic")
NAN_POLICIES = ("omit", "propagate", "raise")
NOT_TESTED = "none"


def observations(values: ArrayLike, *, name: str) -> np.ndarray:
    """Return ``values`` as float64, (n,) or (n, tests), n at least 1, or raise InputError.

    Parameters
    ----------
    values
        Numbers; a sparse matrix is refused, because ranks of a whole matrix would densify it.
    name
        How the message calls them.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must hold numbers in a dense array, but is {type(values).__name__}: {error}."
        raise InputError(msg) from error
    if array.ndim not in {1, 2}:
        msg = f"{name} has shape {array.shape}; give (observations,) or (observations, tests)."
        raise InputError(msg)
    if array.shape[0] == 0:
        msg = (
            f"{name} is empty: shape {array.shape}; a test needs at least one observation a group."
        )
        raise InputError(msg)
    return array


def refuse_nan(array: np.ndarray, *, name: str) -> None:
    """Raise InputError where ``array`` holds NaN.

    Parameters
    ----------
    array
        Floats.
    name
        How the message calls them.
    """
    n_nan = int(np.isnan(array).sum())
    if n_nan:
        msg = f"{name} holds {n_nan} NaN; drop them first, or pass nan_policy='omit'."
        raise InputError(msg)


def group_size(n: int, *, name: str) -> int:
    """Return ``n`` as int if it is a whole number of at least 1, else raise InputError.

    Parameters
    ----------
    n
        Observations in a group.
    name
        How the message calls it.
    """
    if isinstance(n, bool) or not np.isfinite(n) or n != int(n) or n < 1:
        msg = f"{name} is {n!r}; a group needs a whole number of observations, 1 or more."
        raise InputError(msg)
    return int(n)


def fraction(value: float, *, name: str) -> float:
    """Return ``value`` if it lies strictly between 0 and 1, else raise InputError.

    Parameters
    ----------
    value
        A level, such as 0.05.
    name
        How the message calls it.
    """
    if not 0 < value < 1:
        msg = f"{name} is {value!r}; it must lie between 0 and 1, both excluded."
        raise InputError(msg)
    return float(value)
