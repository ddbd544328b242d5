"""Statistics of values per patient under many labellings of the patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k

if TYPE_CHECKING:
    from anndata import AnnData


def mean_differences(values: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return the group's mean less the reference's under many labellings.

    Parameters
    ----------
    values
        Patients x entries, nan where a patient has none.
    sides
        Labellings x patients, whether a patient is in the group.

    Returns
    -------
    Labellings x entries; nan where a side has nobody.
    """
    known, filled = np.isfinite(values), np.nan_to_num(values)
    w = sides.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (w @ filled) / (w @ known) - ((1 - w) @ filled) / ((1 - w) @ known)


def shrunken_t(
    y: np.ndarray,
    sides: np.ndarray,
    *,
    fixed: np.ndarray,
    modifier: np.ndarray | None,
    fudge: float,
) -> np.ndarray:
    """Return coefficient / (standard error + fudge) under many labellings.

    Parameters
    ----------
    y
        Samples x genes.
    sides
        Labellings x samples, whether a sample is in the group.
    fixed
        Samples x columns that stay: intercept and covariates.
    modifier
        The column whose product with the group is tested; None for the group itself.
    fudge
        Added to every standard error.
    """
    out = np.empty((len(sides), y.shape[1]))
    for i, one in enumerate(sides.astype(float)):
        columns = [*fixed.T, one] if modifier is None else [*fixed.T, one, one * modifier]
        x = np.column_stack(columns)
        gram = np.linalg.pinv(x.T @ x)
        rank = np.linalg.matrix_rank(x)
        if rank < x.shape[1] or len(y) <= rank:
            out[i] = np.nan
            continue
        beta = gram @ x.T @ y
        variance = ((y - x @ beta) ** 2).sum(axis=0) / (len(y) - rank)
        out[i] = beta[-1] / (np.sqrt(variance * gram[-1, -1]) + fudge)
    return out


def log_cpm(rows: AnnData) -> np.ndarray:
    """Return log2 counts per million, rows x genes, offset by half a count.

    Parameters
    ----------
    rows
        Profiles.
    """
    counts = rows.layers.get(k.layers.counts, rows.X)
    dense = np.asarray(counts.todense()) if hasattr(counts, "todense") else np.asarray(counts)
    return np.log2((dense + 0.5) / (dense.sum(axis=1, keepdims=True, dtype=float) + 1.0) * 1e6)
