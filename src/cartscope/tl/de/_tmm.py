"""Trimmed mean of M values: library sizes that a few strong genes cannot bend."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

_RATIO_TRIM, _SUM_TRIM = 0.3, 0.05
_SAME = 1e-6


def tmm_factors(counts: np.ndarray) -> np.ndarray:
    """Return edgeR's normalisation factors (TMM, 10.1186/gb-2010-11-3-r25).

    Parameters
    ----------
    counts
        Samples x genes.

    Returns
    -------
    One factor per sample; their product is 1, and the effective library size is total x factor.
    """
    counts = counts[:, counts.any(axis=0)]
    totals = counts.sum(axis=1)
    upper = np.quantile(counts, 0.75, axis=1) / totals
    if np.median(upper) < 1e-20:  # noqa: PLR2004  (no sample has a count in a quarter of its genes)
        reference = int(np.sqrt(counts).sum(axis=1).argmax())
    else:
        reference = int(np.abs(upper - upper.mean()).argmin())
    logs = [
        _log_factor(c, counts[reference], (t, totals[reference]))
        for c, t in zip(counts, totals, strict=True)
    ]
    return np.exp2(np.array(logs) - np.mean(logs))


def _log_factor(sample: np.ndarray, reference: np.ndarray, totals: tuple[float, float]) -> float:
    both = (sample > 0) & (reference > 0)
    if not both.any():
        return 0.0
    a, b = sample[both] / totals[0], reference[both] / totals[1]
    ratio, level = np.log2(a / b), (np.log2(a) + np.log2(b)) / 2
    variance = (1 - a) / sample[both] + (1 - b) / reference[both]
    if np.abs(ratio).max() < _SAME:
        return 0.0
    n = ratio.size
    low_ratio, low_level = np.floor(n * _RATIO_TRIM) + 1, np.floor(n * _SUM_TRIM) + 1
    by_ratio, by_level = rankdata(ratio), rankdata(level)
    keep = (by_ratio >= low_ratio) & (by_ratio <= n + 1 - low_ratio)
    keep &= (by_level >= low_level) & (by_level <= n + 1 - low_level)
    if not keep.any():
        return 0.0
    return float(np.sum(ratio[keep] / variance[keep]) / np.sum(1 / variance[keep]))
