"""Engine "limma_voom": TMM, voom weights and moderated t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats as distributions

from cartscope._errors import InputError
from cartscope.stats import benjamini_hochberg
from cartscope.tl.de._block_correlation import block_correlation
from cartscope.tl.de._method import CountTable, Engine
from cartscope.tl.de._tmm import tmm_factors
from cartscope.tl.de._voom import LinearFit, linear_fit, log_cpm, moderate, voom_weights

if TYPE_CHECKING:
    from cartscope.tl.de._method import FittedContrast


@dataclass(frozen=True)
class LimmaOptions:
    """Options of the engine."""

    r_faithful: bool = True
    block: str | None = None
    n_jobs: int = 1


@dataclass(frozen=True)
class LimmaState:
    """What a fit leaves behind."""

    fit: LinearFit  # of the genes with counts
    expressed: np.ndarray
    base_mean: np.ndarray
    norm_factors: np.ndarray
    unweighted: np.ndarray  # covariance of the coefficients without weights
    prior_freedom: float
    prior_variance: float
    correlation: float  # within blocks; nan without blocks


def fit(table: CountTable, matrix: np.ndarray, options: LimmaOptions) -> LimmaState:
    """Fit the model of one design to every gene; see :class:`Engine`."""
    from threadpoolctl import threadpool_limits

    totals = table.counts.sum(axis=1)
    if (totals == 0).any():
        names = ", ".join(table.samples[totals == 0][:5])
        msg = (
            f"{int((totals == 0).sum())} sample(s) have no counts at all ({names}); leave them out."
        )
        raise InputError(msg)
    with threadpool_limits(limits=max(1, options.n_jobs), user_api="blas"):
        factors = tmm_factors(table.counts)
        library = totals * factors
        expressed = table.counts.any(axis=0)
        values = log_cpm(table.counts[:, expressed].T, library)
        weights = voom_weights(values, library, matrix, fit=linear_fit(values, matrix))
        rho, correlation = np.nan, None
        if options.block is not None:
            blocks = _blocks(table, options.block)
            # twice, because the weights depend on the correlation and the other way round
            for again in (True, False):
                rho = block_correlation(values, matrix, weights, blocks=blocks)
                correlation = np.where(blocks[:, None] == blocks[None, :], rho, 0.0)
                np.fill_diagonal(correlation, 1.0)
                if again:
                    plain = linear_fit(values, matrix, correlation=correlation)
                    weights = voom_weights(values, library, matrix, fit=plain)
        found = linear_fit(values, matrix, weights, correlation=correlation)
        if correlation is None:
            unweighted = np.linalg.inv(matrix.T @ matrix)
        else:
            unweighted = np.linalg.inv(matrix.T @ np.linalg.solve(correlation, matrix))
    prior_freedom, prior_variance = moderate(found.sigma2, found.freedom)
    scale = library / np.exp(np.log(library).mean())
    return LimmaState(
        fit=found,
        expressed=expressed,
        base_mean=(table.counts / scale[:, None]).mean(axis=0),
        norm_factors=factors,
        unweighted=unweighted,
        prior_freedom=prior_freedom,
        prior_variance=prior_variance,
        correlation=rho,
    )


def test(state: LimmaState, contrast: FittedContrast, options: LimmaOptions) -> pd.DataFrame:
    """Test one contrast on the fit; see :class:`Engine`."""
    found, vector = state.fit, contrast.vector
    freedom, prior = found.freedom, state.prior_freedom
    if np.isinf(prior):
        posterior = np.full(found.sigma2.shape, state.prior_variance)
    else:
        posterior = (freedom * found.sigma2 + prior * state.prior_variance) / (freedom + prior)
    total = min(freedom + prior, float(freedom * found.sigma2.size))
    log2_fc = found.betas @ vector
    se = np.sqrt(posterior * _unscaled(state, vector, exact=not options.r_faithful))
    stat = log2_fc / se
    p = 2 * distributions.t.sf(np.abs(stat), total)
    out = pd.DataFrame(
        np.nan,
        index=range(state.expressed.size),
        columns=["base_mean", "log2_fc", "se", "stat", "p_value", "fdr"],
    )
    out["base_mean"] = state.base_mean
    values = np.column_stack([log2_fc, se, stat, p, benjamini_hochberg(p)])
    out.loc[state.expressed, ["log2_fc", "se", "stat", "p_value", "fdr"]] = values
    out["df"] = np.where(state.expressed, total, np.nan)
    out["reason"] = np.where(state.expressed, "", "no counts")
    return out


def _unscaled(state: LimmaState, vector: np.ndarray, *, exact: bool) -> np.ndarray:
    """Variance of the contrast before it is multiplied by sigma squared.

    R's ``contrasts.fit`` documents an approximation where several coefficients are combined: their
    correlation is taken from the fit without weights. It is followed unless ``exact``.
    """
    covariance = state.fit.covariance
    if exact or np.count_nonzero(vector) == 1:
        return np.einsum("i,gij,j->g", vector, covariance, vector)
    spread = np.sqrt(np.diag(state.unweighted))
    correlation = state.unweighted / np.outer(spread, spread)
    each = np.sqrt(np.einsum("gii->gi", covariance)) * vector
    return np.einsum("gi,ij,gj->g", each, correlation, each)


def _blocks(table: CountTable, column: str) -> np.ndarray:
    if column not in table.obs:
        msg = f"block is {column!r}, but obs has no such column; it has {list(table.obs.columns)}."
        raise InputError(msg)
    if table.obs[column].isna().any():
        msg = f"obs[{column!r}] has missing values, so samples have no block; fill them in."
        raise InputError(msg)
    blocks = pd.factorize(table.obs[column])[0]
    if np.bincount(blocks).max() == 1:
        msg = f"every sample has its own {column!r}, so there is nothing to block on; leave it out."
        raise InputError(msg)
    return blocks


LIMMA_VOOM = Engine(
    name="limma_voom",
    fit=fit,
    test=test,
    options=LimmaOptions,
    what="weighted linear model of log counts, moderated t",
    doi="10.1186/gb-2014-15-2-r29",
)
