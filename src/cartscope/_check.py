"""Validators; each raises with the bad value, where it is and what would have been valid."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from scipy import sparse

from cartscope import _keys as k
from cartscope._errors import InputError, MissingKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from anndata import AnnData

T = TypeVar("T")
Slot = Literal["obs", "var", "layers", "obsm", "obsp", "uns"]


def require(adata: AnnData, slot: Slot, key: str, *, made_by: str) -> None:
    """Raise MissingKeyError unless ``adata.<slot>[key]`` exists.

    Parameters
    ----------
    adata
        Object to look in.
    slot
        Attribute to look in.
    key
        Name expected there.
    made_by
        Public function that writes it, named in the message.
    """
    have = list(getattr(adata, slot).keys())
    if key not in have:
        near = get_close_matches(key, [str(name) for name in have], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"adata.{slot}[{key!r}] is missing; run {made_by} first.{hint} Present: {have}."
        raise MissingKeyError(msg)


def require_columns(table: pd.DataFrame, columns: Iterable[str], *, name: str) -> None:
    """Raise InputError unless ``table`` has every column.

    Parameters
    ----------
    table
        Table to look in.
    columns
        Names expected.
    name
        How the message calls the table, with its path if it has one.
    """
    missing = [c for c in columns if c not in table.columns]
    if missing:
        msg = f"{name}: missing column(s) {missing}; it has {list(table.columns)}."
        raise InputError(msg)


def one_of(value: T, options: Sequence[T], *, name: str) -> T:
    """Return ``value`` if it is one of ``options``, else raise InputError.

    Parameters
    ----------
    value
        What was given.
    options
        What is valid.
    name
        How the message calls the value.
    """
    if value not in options:
        near = get_close_matches(str(value), [str(o) for o in options], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"{name} is {value!r}, but must be one of {list(options)}.{hint}"
        raise InputError(msg)
    return value


def require_counts(matrix: np.ndarray | sparse.spmatrix | sparse.sparray, *, name: str) -> None:
    """Raise InputError unless every stored value is a non-negative integer, of any dtype.

    Parameters
    ----------
    matrix
        Cells x genes, dense or sparse.
    name
        How the message calls the matrix.
    """
    values = matrix.data if sparse.issparse(matrix) else np.ravel(np.asarray(matrix))
    if values.dtype.kind in "ub":
        return
    block = 1 << 22  # a few MB at a time: the check must not double the memory of a big matrix
    for start in range(0, values.size, block):
        part = values[start : start + block]
        bad = ~np.isfinite(part) | (part < 0) | (part != np.rint(part))
        if bad.any():
            first = part[bad][0]
            kind = "negative" if first < 0 else "not an integer"
            msg = (
                f"{name} must hold raw counts, but holds {first!r}, which is {kind}; "
                "give the unnormalised count matrix."
            )
            raise InputError(msg)


def raw_counts(adata: AnnData) -> np.ndarray | sparse.csr_matrix:
    """Return ``layers["counts"]``, else ``X``, after checking that it holds raw counts.

    Parameters
    ----------
    adata
        Cells x genes.

    Returns
    -------
    The matrix itself, not a copy.
    """
    if k.layers.counts in adata.layers:
        matrix, name = adata.layers[k.layers.counts], f"adata.layers[{k.layers.counts!r}]"
    else:
        matrix, name = adata.X, "adata.X"
    if matrix is None:
        msg = f"adata has neither layers[{k.layers.counts!r}] nor X; give raw counts in one."
        raise InputError(msg)
    require_counts(matrix, name=name)
    return matrix
