"""Expression of ligands and receptors per patient and population, complexes by their subunits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cartscope.tl._expression import BLOCK, log_expression, row_blocks
from cartscope.tl._patient_groups import unit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData


def subunits(name: str) -> list[str]:
    """Return the genes of a ligand or receptor.

    Parameters
    ----------
    name
        As resources have it, subunits joined by "_".
    """
    return [part for part in str(name).split("_") if part]


def group_means(
    adata: AnnData,
    genes: list[str],
    *,
    unit: tuple[str, tuple[str, ...]],
    by: tuple[str, tuple[str, ...]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean X, share of cells above 0 (patients x populations x genes), and cells.

    Parameters
    ----------
    adata
        Cells with log1p expression in ``X``.
    genes
        Names wanted; those that are absent are nan.
    unit
        obs column of the patients, and their names in order.
    by
        obs column of the populations, and their names in order.
    """
    shape = len(unit[1]), len(by[1])
    patient = unit_codes(adata, unit[0], unit[1])
    population = unit_codes(adata, by[0], by[1])
    code = np.where((patient >= 0) & (population >= 0), patient * shape[1] + population, -1)
    n = np.bincount(code[code >= 0], minlength=shape[0] * shape[1])
    place = _places(adata, genes)
    there = np.flatnonzero(place >= 0)
    column = np.full(adata.n_vars, -1, dtype=np.int32)
    column[place[there]] = np.arange(there.size)
    sums, positive = np.zeros((2, n.size * there.size))
    for start, indptr, indices, data in _compressed_rows(log_expression(adata)):
        # a few per cent of what a cell expresses are ligands or receptors: look only those up
        gene = column[indices]
        kept = np.flatnonzero(gene >= 0)
        cell = np.searchsorted(indptr, kept, side="right") - 1
        group = code[start + cell]
        used = (group >= 0) & (data[kept] > 0)
        flat = group[used] * there.size + gene[kept[used]]
        sums += np.bincount(flat, weights=data[kept[used]], minlength=sums.size)
        positive += np.bincount(flat, minlength=sums.size)
    out = []
    with np.errstate(invalid="ignore"):
        for totals in (sums, positive):
            full = np.full((n.size, len(genes)), np.nan)
            full[:, there] = totals.reshape(n.size, -1) / n[:, None]
            out.append(full.reshape(*shape, len(genes)))
    return out[0], out[1], n.reshape(shape)


def _compressed_rows(
    x: np.ndarray | sparse.csr_matrix,
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield blocks of rows as (first row, indptr, indices, data); of CSR as views, not copies."""
    if sparse.issparse(x) and x.format == "csr":
        for start in range(0, x.shape[0], BLOCK):
            indptr = x.indptr[start : start + BLOCK + 1]
            inside = slice(int(indptr[0]), int(indptr[-1]))
            yield start, indptr - indptr[0], x.indices[inside], x.data[inside]
        return
    for rows, block in row_blocks(x):
        part = sparse.csr_matrix(block)
        yield rows.start, part.indptr, part.indices, part.data


def _places(adata: AnnData, genes: list[str]) -> np.ndarray:
    """Column of each gene, the first where a name occurs twice; -1 where it is absent."""
    first: dict[str, int] = {}
    for i, gene in enumerate(adata.var_names):
        first.setdefault(str(gene), i)
    return np.array([first.get(gene, -1) for gene in genes], dtype=np.int64)


def limiting(means: np.ndarray, names: pd.Series, index: dict[str, int]) -> np.ndarray:
    """Return the lowest mean among the subunits (patients x populations x pairs).

    Parameters
    ----------
    means
        Patients x populations x genes; nan for an absent gene, and so for its complexes.
    names
        Ligands or receptors.
    index
        Column of each gene.
    """
    out = np.empty((*means.shape[:2], len(names)))
    for j, name in enumerate(names):
        out[:, :, j] = means[:, :, [index[gene] for gene in subunits(name)]].min(axis=2)
    return out
