"""Independent filtering: which mean count to ask for so that most genes are called."""

from __future__ import annotations

import numpy as np

from cartscope.stats import benjamini_hochberg
from cartscope.tl.de._lowess import lowess

_STEPS = 50
_FEW_REJECTIONS = 10


def filtered_fdr(p: np.ndarray, means: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
    """Return adjusted p-values after independent filtering, and the cut-off on the mean.

    The share of genes dropped is the smallest whose number of rejections comes close to the top of
    a lowess curve through rejections against share (DESeq2's documented rule).

    Parameters
    ----------
    p
        p-values, nan where there is none.
    means
        Mean of normalised counts of the same genes.
    alpha
        Level that the rejections are counted at.
    """
    low = float((means == 0).mean())
    share = np.linspace(low, 0.95 if low < 0.95 else 1.0, _STEPS)  # noqa: PLR2004
    cutoffs = np.quantile(means, share)
    adjusted = [benjamini_hochberg(np.where(means >= cutoff, p, np.nan)) for cutoff in cutoffs]
    rejected = np.array([float((a < alpha).sum()) for a in adjusted])
    chosen = 0
    if rejected.max() > _FEW_REJECTIONS:
        curve = lowess(share, rejected, fraction=1 / 5)
        some = rejected > 0
        near_top = curve.max() - np.sqrt(np.mean((rejected[some] - curve[some]) ** 2))
        above = np.flatnonzero(rejected > near_top)
        chosen = int(above[0]) if above.size else 0
    return adjusted[chosen], float(cutoffs[chosen])


def adjusted(
    p: np.ndarray, means: np.ndarray, *, alpha: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return adjusted p-values, and why one is missing: empty where it is not.

    Parameters
    ----------
    p
        p-values, nan where there is none.
    means
        Mean of normalised counts of the same genes.
    alpha
        Level that independent filtering aims at; None for all genes.
    """
    reason = np.full(p.shape, "", dtype=object)
    if alpha is None:
        return benjamini_hochberg(p), reason
    fdr, cutoff = filtered_fdr(p, means, alpha)
    reason[~np.isnan(p) & np.isnan(fdr)] = f"mean count below {cutoff:.3g}: filtered"
    return fdr, reason
