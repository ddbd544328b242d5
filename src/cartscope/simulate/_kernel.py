"""Draw the counts of one library, cell by cell, as a sparse matrix."""

from __future__ import annotations

import numba as nb
import numpy as np

INVERSION = 12.0  # Poisson means above which the library sampler is the faster one
LONGEST = 200
NEGLIGIBLE = 0.02  # mean times dispersion below which a gamma factor changes nothing to be seen


@nb.njit(nogil=True, cache=True)
def alias_table(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias table: draws from ``weight`` in constant time.

    Parameters
    ----------
    weight
        Non-negative, of any sum.

    Returns
    -------
    Threshold and alternative of every entry.
    """
    n = len(weight)
    total = weight.sum()
    threshold = np.empty(n, np.float32)
    other = np.arange(n).astype(np.int32)
    scaled = weight * (n / total)
    small = np.empty(n, np.int32)
    large = np.empty(n, np.int32)
    n_small = 0
    n_large = 0
    for i in range(n):
        if scaled[i] < 1.0:
            small[n_small] = i
            n_small += 1
        else:
            large[n_large] = i
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        s = small[n_small]
        g = large[n_large - 1]
        threshold[s] = scaled[s]
        other[s] = g
        scaled[g] -= 1.0 - scaled[s]
        if scaled[g] < 1.0:
            n_large -= 1
            small[n_small] = g
            n_small += 1
    for i in range(n_large):
        threshold[large[i]] = 1.0
    for i in range(n_small):
        threshold[small[i]] = 1.0
    return threshold, other


@nb.njit(nogil=True, cache=True)
def alias_tables(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alias tables of every row of ``weights``."""
    rows, n = weights.shape
    threshold = np.empty((rows, n), np.float32)
    other = np.empty((rows, n), np.int32)
    for r in range(rows):
        threshold[r], other[r] = alias_table(weights[r])
    return threshold, other


@nb.njit(nogil=True, cache=True)
def _poisson(mean: float, rng: np.random.Generator) -> int:
    if mean > INVERSION:
        return rng.poisson(mean)
    # by inversion: most means are far below 1, where the first comparison ends it
    u = rng.random()
    p = np.exp(-mean)
    total = p
    k = 0
    while u > total and k < LONGEST:
        k += 1
        p *= mean / k
        total += p
    return k


@nb.njit(nogil=True, cache=True)
def draw(  # noqa: PLR0912, PLR0917 (one compiled loop: calls and keywords cost there)
    rng: np.random.Generator,
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    direct: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    activity: np.ndarray,
    tail: tuple[np.ndarray, np.ndarray, np.ndarray],
    soup: tuple[np.ndarray, np.ndarray, np.ndarray],
    capacity: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Draw counts for every droplet.

    A droplet is the sum of up to two cells and ambient molecules. Frequent genes and genes of
    programmes are drawn one by one from a gamma-Poisson distribution around the cell's own mean;
    the many rare genes are drawn as molecules, Poisson in number, from an alias table.

    Parameters
    ----------
    rng
        The library's stream.
    parts
        First and second state of each droplet (the second is -1 in a single cell), and the
        expected molecules of the two, shape (droplets, 2).
    direct
        Positions of the genes drawn one by one (sorted); share of each in each state; dispersion;
        programme of each, -1 for none.
    activity
        Log factor of each programme in each cell, (droplets, 2, programmes).
    tail
        Share of a cell's molecules that the rare genes hold by state, then their alias tables,
        whose entries are positions of genes.
    soup
        Expected ambient molecules per droplet and the alias table of the ambient profile.
    capacity
        Entries to make room for.

    Returns
    -------
    Row pointers, gene positions and counts in the order of CSR, and whether they fitted.
    """
    first, second, molecules = parts
    position, share, dispersion, program = direct
    tail_mass, tail_threshold, tail_other = tail
    ambient, soup_threshold, soup_other = soup
    n = len(first)
    genes = tail_threshold.shape[1]
    indptr = np.zeros(n + 1, np.int64)
    indices = np.empty(capacity, np.int32)
    data = np.empty(capacity, np.int32)
    scratch = np.zeros(genes, np.int32)
    touched = np.empty(genes, np.int32)
    end = 0
    for cell in range(n):
        used = 0
        for half in range(2):
            state = first[cell] if half == 0 else second[cell]
            if state < 0:
                continue
            total = molecules[cell, half]
            for j in range(len(position)):
                mean = total * share[state, j]
                if program[j] >= 0:
                    mean *= activity[cell, half, program[j]]
                phi = dispersion[j]
                if mean * phi > NEGLIGIBLE:
                    mean *= rng.standard_gamma(1.0 / phi) * phi
                count = _poisson(mean, rng)
                if count > 0:
                    g = position[j]
                    if scratch[g] == 0:
                        touched[used] = g
                        used += 1
                    scratch[g] += count
            for _ in range(rng.poisson(total * tail_mass[state])):
                g = int(rng.random() * genes)
                if rng.random() >= tail_threshold[state, g]:
                    g = tail_other[state, g]
                if scratch[g] == 0:
                    touched[used] = g
                    used += 1
                scratch[g] += 1
        for _ in range(rng.poisson(ambient[cell])):
            g = int(rng.random() * genes)
            if rng.random() >= soup_threshold[g]:
                g = soup_other[g]
            if scratch[g] == 0:
                touched[used] = g
                used += 1
            scratch[g] += 1
        if end + used > capacity:
            return indptr, indices, data, False
        ordered = np.sort(touched[:used])
        for i in range(used):
            g = ordered[i]
            indices[end] = g
            data[end] = scratch[g]
            scratch[g] = 0
            end += 1
        indptr[cell + 1] = end
    return indptr, indices[:end].copy(), data[:end].copy(), True


@nb.njit(nogil=True, cache=True)
def _digits(value: int, out: np.ndarray, at: int) -> int:
    size = 1
    rest = value // 10
    while rest > 0:
        size += 1
        rest //= 10
    for i in range(size):
        out[at + size - 1 - i] = 48 + value % 10
        value //= 10
    return at + size


@nb.njit(nogil=True, cache=True)
def matrix_market_lines(  # noqa: PLR0917 (numba takes no keyword-only arguments)
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, first: int
) -> np.ndarray:
    """Format rows of a CSR matrix as lines ``gene cell count`` of a Matrix Market file.

    Parameters
    ----------
    indptr
        Row pointers of the rows to write.
    indices
        Gene positions of the whole matrix, from 0.
    data
        Counts of the whole matrix.
    first
        Number of the first row, from 0.

    Returns
    -------
    Bytes.
    """
    out = np.empty((indptr[-1] - indptr[0]) * 24 + 1, np.uint8)
    at = 0
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            at = _digits(indices[i] + 1, out, at)
            out[at] = 32
            at = _digits(first + row + 1, out, at + 1)
            out[at] = 32
            at = _digits(data[i], out, at + 1)
            out[at] = 10
            at += 1
    return out[:at]
