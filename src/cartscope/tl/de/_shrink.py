"""Shrunken log fold changes, for ranking and drawing; tests stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.tl.de._deseq2 import DeseqState, effect

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.tl.de._contrast import Contrast
    from cartscope.tl.de._run import DifferentialExpressionFit

_LN2 = float(np.log(2))
_OTHERS_SD = 15.0  # of the prior of what is not shrunk, natural log scale
_LEAST, _MOST = 1e-6, 400.0  # prior variance, natural log scale
_TAIL = 0.05
_IMPLAUSIBLE = 10.0  # log2: larger estimates come from genes absent in one arm
_FLAT = 1e6  # variance of the intercept's prior, log2 scale


def shrink_lfc(
    fit: DifferentialExpressionFit,
    contrast: Contrast,
    *,
    method: Literal["apeglm", "normal"] = "apeglm",
    name: str | None = None,
) -> pd.DataFrame:
    """Shrink the log fold changes of a contrast towards 0, the more the less a gene says.

    ``"apeglm"`` puts a Cauchy prior on the contrast, with a scale learned from all genes, and takes
    the higher of the posterior's modes; ``"normal"`` is DESeq2's first prior, normal on every
    coefficient but the intercept. p-values and adjusted p-values stay those of the test.

    Parameters
    ----------
    fit
        A fit of engine ``"deseq2"``, from :func:`fit_differential_expression`.
    contrast
        As in ``fit.test``.
    method
        Which prior.
    name
        What the column ``contrast`` says.

    Returns
    -------
    The table of ``fit.test(contrast)`` with three more columns: ``log2_fc_shrunk`` and
    ``se_shrunk`` (posterior standard deviation), log2 scale, and ``two_modes`` (true where the
    posterior of the gene has a second mode, so that a search from one side may end in the wrong
    one).

    Raises
    ------
    InputError
        The fit is of another engine, or ``"normal"`` is asked of a design with an interaction.

    References
    ----------
    Zhu et al. 2018, :doi:`10.1093/bioinformatics/bty895`; Love et al. 2014,
    :doi:`10.1186/s13059-014-0550-8`.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> from cartscope.tl import fit_differential_expression, shrink_lfc
    >>> counts = np.random.default_rng(0).poisson(20, (8, 50))
    >>> obs = pd.DataFrame({"group": list("aaaabbbb")}, index=[f"p{i}" for i in range(8)])
    >>> fit = fit_differential_expression(ad.AnnData(counts, obs=obs), design="~ group")
    >>> table = shrink_lfc(fit, ("group", "b", "a"))
    >>> bool((table["log2_fc_shrunk"].abs() <= table["log2_fc"].abs() + 1e-6).all())
    True
    """
    one_of(method, ("apeglm", "normal"), name="method")
    if not isinstance(fit.state, DeseqState) or fit.state.shipped is not None:
        msg = f"shrink_lfc needs a fit of engine 'deseq2' with r_faithful, not {fit.engine.name!r}."
        raise InputError(msg)
    _, fitted = fit.resolve(contrast)
    out = fit.test(contrast, name=name)
    known = ~np.isnan(fit.state.betas).any(axis=1) & ~fit.state.emptied
    if method == "apeglm":
        found = _cauchy(fit.state, fitted.vector, known)
    else:
        if any(":" in n for n in fit.columns):
            msg = "the normal prior is not meant for interactions; use method='apeglm'."
            raise InputError(msg)
        found = _normal(fit.state, fitted.vector, known)
    for column, values in zip(("log2_fc_shrunk", "se_shrunk"), found, strict=False):
        out[column] = np.nan
        out.loc[known, column] = values / _LN2
    out["two_modes"] = False
    if method == "apeglm":
        out.loc[known, "two_modes"] = found[2]
    return out


def prior_scale(lfc: np.ndarray, se: np.ndarray) -> float:
    """Return the scale of the Cauchy prior that estimates and their errors suggest, at most 1.

    Parameters
    ----------
    lfc
        Estimates, natural log scale.
    se
        Their standard errors.
    """
    squares, errors = lfc**2, se**2

    def excess(variance: float) -> float:
        weight = 1 / (2 * (variance + errors) ** 2)
        return float(((squares - errors) * weight).sum() / weight.sum()) - variance

    if excess(_LEAST) <= 0:
        return float(np.sqrt(_LEAST))
    if excess(_MOST) >= 0:
        return 1.0
    return min(float(np.sqrt(brentq(excess, _LEAST, _MOST))), 1.0)


def _cauchy(state: DeseqState, vector: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    from cartscope.tl.de._posterior_mode import posterior_modes

    matrix, betas = state.matrix @ state.rescale, np.linalg.solve(state.rescale, state.betas.T).T
    target = int(np.argmax(np.abs(vector)))
    change = np.eye(vector.size)
    change[target] = vector  # new coefficient = contrast, the others stay
    lfc, se = (v[known] * _LN2 for v in effect(state, vector))
    return posterior_modes(
        state.counts[known],
        state.size_factors,
        np.ascontiguousarray(matrix @ np.linalg.inv(change)),
        state.dispersions[known],
        np.ascontiguousarray(betas[known] @ change.T),
        target,
        prior_scale(lfc, se),
        1 / _OTHERS_SD**2,
    )


def _normal(state: DeseqState, vector: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    from cartscope.tl.de._glm import standard_errors
    from cartscope.tl.de._inference import MIN_MU, fit_all_betas

    matrix = np.ascontiguousarray(state.matrix @ state.rescale)
    betas = np.linalg.solve(state.rescale, state.betas[known].T).T / _LN2
    weight = 1 / (1 / state.base_mean[known] + state.fitted[known])
    variance = np.array([_matched_variance(np.abs(b), weight) for b in betas.T])
    variance[(matrix == 1).all(axis=0)] = _FLAT
    ridge = 1 / (variance * _LN2**2)
    counts, dispersions = state.counts[known], state.dispersions[known]
    found, _, _ = fit_all_betas(
        counts, state.size_factors, matrix, dispersions=dispersions, ridge=ridge
    )
    se = standard_errors(found, state.size_factors, matrix, dispersions, vector, MIN_MU, ridge)
    return found @ vector, se


def _matched_variance(size: np.ndarray, weight: np.ndarray) -> float:
    """Variance of the normal whose upper tail is that of the estimates, weighted by precision."""
    use = size < _IMPLAUSIBLE
    order = np.argsort(size[use])
    ordered, weight = size[use][order], weight[use][order]
    n = ordered.size
    until = np.cumsum(weight * n / weight.sum())
    place = 1 + (n - 1) * (1 - _TAIL)
    low = np.floor(place)
    at = np.searchsorted(until, np.array([low, min(low + 1, n)]) - 1e-12)
    below, above = ordered[np.minimum(at, n - 1)]
    quantile = below + (place - low) * (above - below)
    return float((quantile / norm.ppf(1 - _TAIL / 2)) ** 2)
