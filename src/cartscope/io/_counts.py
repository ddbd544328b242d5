"""From whatever a file holds to integer CSR, cells x genes, in the smallest type that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cartscope._errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK = 1 << 22


def smallest_unsigned(largest: int) -> npt.DTypeLike:
    """Return the smallest unsigned type that holds ``largest``.

    Parameters
    ----------
    largest
        Largest count.
    """
    for dtype in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(dtype).max:
            return dtype
    return np.uint64


def as_counts(values: npt.NDArray[np.generic], *, label: str) -> npt.NDArray[np.unsignedinteger]:
    """Return the values as the smallest unsigned integers, or raise InputError.

    Parameters
    ----------
    values
        Counts of any type.
    label
        The file, for the message.
    """
    largest = 0
    for start in range(0, values.size, _BLOCK):
        part = values[start : start + _BLOCK]
        bad = None
        if part.dtype.kind == "f":
            bad = ~np.isfinite(part) | (part < 0) | (part != np.rint(part))
        elif part.dtype.kind == "i":
            bad = part < 0
        elif part.dtype.kind not in "ub":
            msg = f"{label}: holds values of type {part.dtype}, not counts."
            raise InputError(msg)
        if bad is not None and bad.any():
            first = part[bad][0]
            what = "negative" if first < 0 else "infinite" if np.isinf(first) else "fractional"
            if np.isnan(first):
                what = "missing (nan)"
            msg = (
                f"{label}: holds the value {first:g}, which is {what}; "
                "give raw counts, not normalized or scaled values."
            )
            raise InputError(msg)
        largest = max(largest, int(part.max()))
    return values.astype(smallest_unsigned(largest), copy=False)


def canonical(matrix: sparse.spmatrix | sparse.sparray, *, label: str) -> sparse.csr_matrix:
    """Return sorted integer CSR without stored zeros, indices int32.

    Parameters
    ----------
    matrix
        Cells x genes, any sparse format.
    label
        The file, for messages.
    """
    data = as_counts(matrix.data, label=label)
    if matrix.format == "coo":
        matrix = sparse.coo_matrix((data, (matrix.row, matrix.col)), shape=matrix.shape)
    else:
        matrix = type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    before = matrix.nnz
    csr = sparse.csr_matrix(matrix)
    csr.sort_indices()
    if not _has_unique_entries(csr) or csr.nnz != before:
        msg = f"{label}: gives some entries twice; write the matrix again."
        raise InputError(msg)
    if csr.nnz and csr.data.min() == 0:
        csr.eliminate_zeros()
    return csr


def _has_unique_entries(csr: sparse.csr_matrix) -> bool:
    if csr.nnz < 2:  # noqa: PLR2004
        return True
    same = csr.indices[1:] == csr.indices[:-1]
    starts = csr.indptr[1:-1]
    starts = starts[(starts > 0) & (starts < csr.nnz)]
    same[starts - 1] = False  # a new row may begin with the column the last one ended with
    return not same.any()
