"""Parts of the negative binomial likelihood that stay exact when the dispersion goes to zero."""

from __future__ import annotations

import math

import numba

# From this argument on Stirling's series is exact to double precision with the terms below.
_SERIES_FROM = 12.0


@numba.njit(cache=True, nogil=True)
def stirling_tail(x: float) -> float:
    """Return lgamma(x) less (x - 1/2) log(x) - x + log(2 pi) / 2, for large x."""
    u = 1.0 / (x * x)
    return (
        1.0 / 12.0 - u * (1.0 / 360.0 - u * (1.0 / 1260.0 - u * (1.0 / 1680.0 - u / 1188.0)))
    ) / x


@numba.njit(cache=True, nogil=True)
def digamma_tail(x: float) -> float:
    """Return digamma(x) less log(x), for large x."""
    u = 1.0 / (x * x)
    series = u * (
        1.0 / 12.0 - u * (1.0 / 120.0 - u * (1.0 / 252.0 - u * (1.0 / 240.0 - u / 132.0)))
    )
    return -0.5 / x - series


@numba.njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """Return the digamma function of a positive number."""
    shift = 0.0
    while x < _SERIES_FROM:
        shift -= 1.0 / x
        x += 1.0
    return shift + math.log(x) + digamma_tail(x)


@numba.njit(cache=True, nogil=True)
def log_rising(y: float, alpha: float) -> float:
    """Return lgamma(y + 1/alpha) - lgamma(1/alpha) + y log(alpha): sum of log(1 + j alpha), j < y.

    The direct difference loses all digits at the smallest dispersions, where it matters most.
    """
    r = 1.0 / alpha
    if r >= _SERIES_FROM:
        main = (y + r - 0.5) * math.log1p(y * alpha) - y
        return main + stirling_tail(y + r) - stirling_tail(r)
    return math.lgamma(y + r) - math.lgamma(r) + y * math.log(alpha)


@numba.njit(cache=True, nogil=True)
def log_rising_slope(y: float, alpha: float) -> float:
    """Return the derivative of :func:`log_rising` by log(alpha)."""
    r = 1.0 / alpha
    if r >= _SERIES_FROM:
        change = math.log1p(y * alpha) + digamma_tail(y + r) - digamma_tail(r)
        return y - r * change
    return y - r * (digamma(y + r) - digamma(r))


@numba.njit(cache=True, nogil=True)
def cholesky(matrix: numba.float64[:, ::1]) -> bool:
    """Factor a symmetric positive matrix in place, lower triangle; False if it is not positive."""
    p = matrix.shape[0]
    for j in range(p):
        for i in range(j, p):
            value = matrix[i, j]
            for m in range(j):
                value -= matrix[i, m] * matrix[j, m]
            if i == j:
                if not value > 0.0:
                    return False
                matrix[j, j] = math.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
    return True


@numba.njit(cache=True, nogil=True)
def solve_lower(factor: numba.float64[:, ::1], rhs: numba.float64[::1]) -> None:
    """Overwrite ``rhs`` with the solution of L x = rhs."""
    for i in range(rhs.shape[0]):
        value = rhs[i]
        for m in range(i):
            value -= factor[i, m] * rhs[m]
        rhs[i] = value / factor[i, i]


@numba.njit(cache=True, nogil=True)
def solve_upper(factor: numba.float64[:, ::1], rhs: numba.float64[::1]) -> None:
    """Overwrite ``rhs`` with the solution of L' x = rhs."""
    for i in range(rhs.shape[0] - 1, -1, -1):
        value = rhs[i]
        for m in range(i + 1, rhs.shape[0]):
            value -= factor[m, i] * rhs[m]
        rhs[i] = value / factor[i, i]
