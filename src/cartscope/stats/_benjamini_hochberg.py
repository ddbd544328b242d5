from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope._errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def benjamini_hochberg(p: ArrayLike, *, family: ArrayLike | None = None) -> np.ndarray:
    """Adjust p-values for the false discovery rate, as R's ``p.adjust(method="BH")``.

    Parameters
    ----------
    p
        p-values of any shape. NaN is no test: it stays NaN and doesn't count in the family.
    family
        Labels of the shape of ``p``; each label is a family of its own. Without it all of ``p`` is
        one family.

    Returns
    -------
    q-values, in the shape of ``p``.

    Raises
    ------
    InputError
        If a value lies outside 0 to 1 or ``family`` has another shape.

    References
    ----------
    Benjamini and Hochberg 1995, :doi:`10.1111/j.2517-6161.1995.tb02031.x`.

    Examples
    --------
    >>> from cartscope.stats import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.04, float("nan"), 0.03]).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    try:
        values = np.asarray(p, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"p must hold numbers, but is {type(p).__name__}: {error}."
        raise InputError(msg) from error
    outside = (values < 0) | (values > 1)
    if outside.any():
        msg = f"p holds {values[outside].flat[0]:g}; p-values lie between 0 and 1."
        raise InputError(msg)
    flat = values.ravel()
    q = np.full(flat.size, np.nan)
    if family is None:
        _adjust(flat, q, np.flatnonzero(~np.isnan(flat)))
        return q.reshape(values.shape)
    labels = np.asarray(family)
    if labels.shape != values.shape:
        msg = f"family has shape {labels.shape}, p {values.shape}; give one label per p-value."
        raise InputError(msg)
    _, code = np.unique(labels.ravel().astype(str), return_inverse=True)
    for one in range(int(code.max()) + 1 if code.size else 0):
        _adjust(flat, q, np.flatnonzero((code == one) & ~np.isnan(flat)))
    return q.reshape(values.shape)


def _adjust(p: np.ndarray, q: np.ndarray, members: np.ndarray) -> None:
    n = members.size
    order = members[np.argsort(p[members], kind="stable")]
    raw = p[order] * (n / np.arange(1, n + 1))
    q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
