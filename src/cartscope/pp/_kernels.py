# ruff: noqa: PLR0917  (compiled functions take arrays by position)
"""Compiled passes over CSR matrices; each releases the GIL and allocates no copy of the matrix."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def row_stats(data, indices, indptr, special):
    """Per cell: total, genes, counts of genes marked 1 and 2; per gene: cells with a count."""
    n_cells = indptr.size - 1
    total = np.zeros(n_cells, np.int64)
    n_genes = np.zeros(n_cells, np.int64)
    first = np.zeros(n_cells, np.int64)
    second = np.zeros(n_cells, np.int64)
    per_gene = np.zeros(special.size, np.int64)
    for i in range(n_cells):
        for j in range(indptr[i], indptr[i + 1]):
            value = np.int64(data[j])
            if value == 0:
                continue
            gene = indices[j]
            total[i] += value
            n_genes[i] += 1
            per_gene[gene] += 1
            if special[gene] == 1:
                first[i] += value
            elif special[gene] == 2:  # noqa: PLR2004
                second[i] += value
    return total, n_genes, first, second, per_gene


@njit(cache=True, nogil=True)
def row_totals(data, indices, indptr, counted):
    """Per cell: total over the genes that count."""
    total = np.zeros(indptr.size - 1, np.float64)
    for i in range(total.size):
        for j in range(indptr[i], indptr[i + 1]):
            if counted[indices[j]]:
                total[i] += data[j]
    return total


@njit(cache=True, nogil=True)
def log_normalized(data, indptr, scale, out):
    """Write log1p(count * scale of the cell) into ``out``."""
    for i in range(indptr.size - 1):
        s = scale[i]
        for j in range(indptr[i], indptr[i + 1]):
            out[j] = math.log1p(data[j] * s)


@njit(cache=True, nogil=True)
def moments_by_group(data, indices, indptr, codes, sums, squares, present):
    """Add sum, sum of squares and number above 0 of expm1(value), per group and gene."""
    for i in range(indptr.size - 1):
        g = codes[i]
        for j in range(indptr[i], indptr[i + 1]):
            value = np.float64(np.float32(math.expm1(data[j])))
            if value > 0:
                gene = indices[j]
                sums[g, gene] += value
                squares[g, gene] += value * value
                present[g, gene] += 1


@njit(cache=True, nogil=True)
def scaled_moments(data, indices, indptr, scale, sums, squares, present):
    """Add sum, sum of squares and number above 0 of count * scale of the cell, per gene."""
    for i in range(indptr.size - 1):
        for j in range(indptr[i], indptr[i + 1]):
            if data[j] > 0:
                value = data[j] * scale[i]
                gene = indices[j]
                sums[gene] += value
                squares[gene] += value * value
                present[gene] += 1


@njit(cache=True, nogil=True)
def sums_by_group(data, indices, indptr, codes, out):
    """Add each cell's counts to the row of its group; a negative code is left out."""
    for i in range(indptr.size - 1):
        g = codes[i]
        if g >= 0:
            for j in range(indptr[i], indptr[i + 1]):
                out[g, indices[j]] += data[j]


@njit(cache=True, nogil=True)
def fill_dense(data, indices, indptr, column, out):
    """Write the chosen genes of the rows into ``out``, which must be zero."""
    for i in range(indptr.size - 1):
        for j in range(indptr[i], indptr[i + 1]):
            c = column[indices[j]]
            if c >= 0:
                out[i, c] = data[j]


@njit(cache=True, nogil=True)
def cross_products(data, indices, indptr, column, design, xtx, ctx):
    """Add the sum of squares per chosen gene and its products with the design's columns."""
    for i in range(indptr.size - 1):
        for j in range(indptr[i], indptr[i + 1]):
            c = column[indices[j]]
            if c >= 0:
                value = np.float64(data[j])
                xtx[c] += value * value
                for p in range(design.shape[1]):
                    ctx[p, c] += design[i, p] * value
