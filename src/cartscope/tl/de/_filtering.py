"""Independent filtering: which mean count to ask for so that most genes are called."""

from __future__ import annotations

import numpy as np

_STEPS = 50
_FEW_REJECTIONS = 10
_INNER, _OUTER = 0.001, 0.999  # Cleveland's bounds, inside and outside which a weight is 1 or 0


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
    adjusted = [adjust(np.where(means >= cutoff, p, np.nan)) for cutoff in cutoffs]
    rejected = np.array([float((a < alpha).sum()) for a in adjusted])
    chosen = 0
    if rejected.max() > _FEW_REJECTIONS:
        curve = lowess(share, rejected, fraction=1 / 5)
        some = rejected > 0
        near_top = curve.max() - np.sqrt(np.mean((rejected[some] - curve[some]) ** 2))
        above = np.flatnonzero(rejected > near_top)
        chosen = int(above[0]) if above.size else 0
    return adjusted[chosen], float(cutoffs[chosen])


def adjust(p: np.ndarray) -> np.ndarray:
    """Return Benjamini-Hochberg adjusted p-values; nan stays nan and does not count.

    Parameters
    ----------
    p
        p-values, nan where there is none.
    """
    out = np.full(p.shape, np.nan)
    seen = np.flatnonzero(~np.isnan(p))
    if seen.size:
        order = seen[np.argsort(p[seen], kind="stable")]
        scaled = p[order] * seen.size / np.arange(1, seen.size + 1)
        out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return out


def lowess(x: np.ndarray, y: np.ndarray, *, fraction: float, rounds: int = 3) -> np.ndarray:
    """Return Cleveland's robust locally weighted regression at every x (10.2307/2286407).

    Parameters
    ----------
    x
        Ascending.
    y
        Values.
    fraction
        Share of the points in each neighbourhood.
    rounds
        Robustness iterations.
    """
    n = x.size
    nearest = min(max(int(fraction * n + 1e-7), 2), n)
    distance = np.abs(x[:, None] - x[None, :])
    width = np.sort(distance, axis=1)[:, nearest - 1]
    span = x[-1] - x[0]
    base = np.where(
        distance <= _OUTER * width[:, None],
        (1 - np.minimum(distance / np.maximum(width[:, None], 1e-300), 1) ** 3) ** 3,
        0.0,
    )
    base = np.where(distance <= _INNER * width[:, None], 1.0, base)
    robust = np.ones(n)
    fitted = np.zeros(n)
    for step in range(rounds + 1):
        weight = base * robust[None, :]
        total = weight.sum(axis=1)
        share = weight / np.where(total > 0, total, 1)[:, None]
        center = share @ x
        spread = (share * (x[None, :] - center[:, None]) ** 2).sum(axis=1)
        level = share @ y
        tilt = (share * (x[None, :] - center[:, None]) * y[None, :]).sum(axis=1)
        steep = np.sqrt(spread) > _INNER * span
        slope = np.where(steep, tilt / np.where(steep, spread, 1), 0.0)
        fitted = np.where(total > 0, level + slope * (x - center), y)
        if step == rounds:
            break
        residual = np.abs(y - fitted)
        scale = 6 * np.median(residual)
        if scale < 1e-7 * np.abs(residual).mean():
            break
        ratio = residual / scale if scale > 0 else np.zeros(n)
        robust = np.where(ratio <= _INNER, 1.0, np.where(ratio > _OUTER, 0.0, (1 - ratio**2) ** 2))
    return fitted
