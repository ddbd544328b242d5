"""Whether groups of samples vary alike, as one dispersion per gene takes them to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.tl.de._deseq2 import DeseqState

if TYPE_CHECKING:
    from cartscope.tl.de._run import DifferentialExpressionFit

_FLOOR = 1e-6  # dispersions at the floor have no multiple
_SHARE = 0.5  # dispersion x mean, below which Poisson noise hides the dispersion
_MIN_MU = 0.5
_WIDEST = 6.0  # of the log multiple
_FEWEST = 20


def dispersion_by_group(fit: DifferentialExpressionFit, factor: str) -> pd.Series:
    """Say how many times the fitted dispersion the samples of each level vary by.

    One fit of several groups has one dispersion per gene. Where a group varies more than the
    others its tests call too much, and theirs too little. For each level the multiple of all
    dispersions is sought at which the median gene's Pearson statistic, over its share of the
    residual degrees of freedom, is what it should be.

    Parameters
    ----------
    fit
        Fit of engine ``"deseq2"``.
    factor
        Factor of its design.

    Returns
    -------
    Multiple by level; nan where fewer than 20 genes have dispersion enough to tell. They scatter
    about a value somewhat below 1, because extreme samples have drawn the dispersions up: look at
    their ratio.

    Raises
    ------
    InputError
        The fit is another engine's, or the design has no such factor.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> from cartscope.tl import dispersion_by_group, fit_differential_expression
    >>> rng = np.random.default_rng(0)
    >>> counts = rng.negative_binomial(5, 0.05, (16, 300))
    >>> counts[8:] = rng.negative_binomial(1, 0.01, (8, 300))
    >>> obs = pd.DataFrame({"group": list("aaaaaaaabbbbbbbb")}, index=[f"p{i}" for i in range(16)])
    >>> fit = fit_differential_expression(ad.AnnData(counts, obs=obs), design="~ group")
    >>> multiple = dispersion_by_group(fit, "group")
    >>> bool(multiple["b"] > 3 * multiple["a"])
    True
    """
    state = fit.state
    if not isinstance(state, DeseqState):
        msg = f"engine {fit.engine.name!r} has no dispersions; fit with engine='deseq2'."
        raise InputError(msg)
    one_of(factor, list(fit.design.factors), name="factor")
    known = ~np.isnan(state.betas[:, 0])
    known[known] = state.dispersions[known] > _FLOOR
    x, counts = state.matrix, state.counts[known]
    with np.errstate(over="ignore"):
        mu = np.maximum(state.size_factors * np.exp(state.betas[known] @ x.T), _MIN_MU)
    dispersion = state.dispersions[known][:, None]
    weights = mu / (1 + dispersion * mu)
    inverse = np.linalg.pinv(np.einsum("gn,ni,nj->gij", weights, x, x), hermitian=True)
    free = 1 - weights * np.einsum("ni,gij,nj->gn", x, inverse, x)
    square = (counts - mu) ** 2
    levels = fit.design.levels(factor)
    inside = {level: (fit.design.frame[factor] == level).to_numpy() for level in levels}
    return pd.Series(
        {
            v: _multiple(square[:, i], mu[:, i], dispersion, free=free[:, i])
            for v, i in inside.items()
        },
        name=factor,
    )


def _multiple(
    square: np.ndarray, mu: np.ndarray, dispersion: np.ndarray, *, free: np.ndarray
) -> float:
    freedom = free.sum(axis=1)
    use = (dispersion[:, 0] * mu.mean(axis=1) > _SHARE) & (freedom > _SHARE)
    if use.sum() < _FEWEST:
        return float("nan")
    square, mu, extra = square[use], mu[use], dispersion[use] * mu[use] ** 2
    aim = float(np.median(chi2.ppf(0.5, freedom[use]) / freedom[use]))

    def excess(log_multiple: float) -> float:
        pearson = (square / (mu + np.exp(log_multiple) * extra)).sum(axis=1)
        return float(np.median(pearson / freedom[use])) - aim

    ends = excess(-_WIDEST), excess(_WIDEST)
    if ends[0] <= 0 or ends[1] >= 0:
        return float(np.exp(-_WIDEST if ends[0] <= 0 else _WIDEST))
    return float(np.exp(brentq(excess, -_WIDEST, _WIDEST)))
