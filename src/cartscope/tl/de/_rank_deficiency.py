"""Which columns of a design say something of their own, and which vectors it can estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Reduction:
    """A design cut down to independent columns: ``matrix = matrix[:, kept] @ expand``."""

    kept: np.ndarray
    expand: np.ndarray

    def contrast(self, vector: np.ndarray) -> np.ndarray | None:
        """Return the contrast over the kept columns, or None if the design cannot estimate it.

        Parameters
        ----------
        vector
            Over all columns.
        """
        found = np.round(np.linalg.lstsq(self.expand.T, vector, rcond=None)[0], 12) + 0.0
        miss = np.abs(self.expand.T @ found - vector).max(initial=0.0)
        return found if miss < _TOLERANCE * max(1.0, float(np.abs(vector).max())) else None


def reduce_columns(matrix: np.ndarray) -> Reduction:
    """Return the first independent columns of a matrix and how they make up the others.

    Parameters
    ----------
    matrix
        Samples x coefficients.
    """
    kept: list[int] = []
    basis = np.empty((matrix.shape[0], 0))
    for j in range(matrix.shape[1]):
        column = matrix[:, j]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)  # once more: one pass leaves rounding behind
        length = np.linalg.norm(rest)
        if length > _TOLERANCE * max(1.0, float(np.linalg.norm(column))):
            kept.append(j)
            basis = np.column_stack([basis, rest / length])
    expand = np.linalg.lstsq(matrix[:, kept], matrix, rcond=None)[0]
    expand[np.abs(expand) < _TOLERANCE] = 0.0
    return Reduction(np.array(kept, dtype=int), expand)


def sample_weights(matrix: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return the weight of each sample in the least-squares estimate of a contrast.

    A weight is exactly 0 only where the sample cannot matter under any weighting of the samples,
    as in a generalised linear model: a second, uneven weighting has to agree.

    Parameters
    ----------
    matrix
        Samples x coefficients, of full column rank.
    contrast
        Over its columns.
    """
    plain = matrix @ np.linalg.solve(matrix.T @ matrix, contrast)
    uneven = 1.0 + np.modf(np.arange(1, matrix.shape[0] + 1) * 0.6180339887498949)[0]
    other = matrix @ np.linalg.solve((matrix.T * uneven) @ matrix, contrast)
    largest = max(float(np.abs(plain).max()), 1e-300)
    idle = (np.abs(plain) < _TOLERANCE * largest) & (np.abs(other) < _TOLERANCE * largest)
    return np.where(idle, 0.0, plain)
