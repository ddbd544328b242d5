"""Engine "deseq2": the negative binomial Wald test of DESeq2, on PyDESeq2."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.tl.de import _pydeseq2_slots as slot
from cartscope.tl.de._filtering import adjusted
from cartscope.tl.de._method import CountTable, Engine

if TYPE_CHECKING:
    from cartscope.tl.de._method import FittedContrast
    from cartscope.tl.de._quasi import QuasiState
    from cartscope.tl.de._trend import Trend

_log = logging.getLogger(__name__)
_LN2 = float(np.log(2))


@dataclass(frozen=True)
class DeseqOptions:
    """Options of the engine."""

    r_faithful: bool = True
    alpha: float = 0.1
    cooks: bool = True
    independent_filtering: bool = True
    size_factors: Literal["ratio", "poscounts"] = "ratio"
    n_jobs: int = 1


@dataclass(frozen=True)
class DeseqState:
    """What a fit leaves behind; coefficients and their likelihood are on the natural log scale."""

    counts: np.ndarray  # genes x samples, count outliers as given
    matrix: np.ndarray  # as it was fitted: numbers centred and scaled
    rescale: np.ndarray  # given matrix = fitted matrix @ rescale
    size_factors: np.ndarray
    base_mean: np.ndarray
    betas: np.ndarray  # genes x coefficients, nan for genes without counts
    dispersions: np.ndarray
    genewise: np.ndarray
    fitted: np.ndarray
    prior_variance: float
    outlying: np.ndarray  # Cook's distance too large
    emptied: np.ndarray  # nothing left once outliers were replaced
    replaced: np.ndarray
    converged: np.ndarray
    trend: Trend | None
    shipped: Any = None  # PyDESeq2's own data set where its own answers are wanted


def fit(table: CountTable, matrix: np.ndarray, options: DeseqOptions) -> DeseqState:
    """Fit the model of one design to every gene; see :class:`Engine`."""
    from threadpoolctl import threadpool_limits

    dds, matrix, rescale = data_set(table, matrix, options)
    with threadpool_limits(limits=1, user_api="blas"):
        dds.deseq2()
    var = dds.var
    no = np.zeros(dds.n_vars, dtype=bool)
    emptied = var[slot.EMPTIED].to_numpy() if slot.EMPTIED in var else no
    return DeseqState(
        counts=np.ascontiguousarray(table.counts.T),
        matrix=matrix,
        rescale=rescale,
        size_factors=dds.obs[slot.SIZE_FACTORS].to_numpy(dtype=np.float64),
        base_mean=var[slot.NORMED_MEANS].to_numpy(dtype=np.float64),
        betas=np.ascontiguousarray(dds.varm[slot.LFC].to_numpy(dtype=np.float64)),
        dispersions=var[slot.DISPERSIONS].to_numpy(dtype=np.float64),
        genewise=var[slot.GENEWISE_DISPERSIONS].to_numpy(dtype=np.float64),
        fitted=var[slot.FITTED_DISPERSIONS].to_numpy(dtype=np.float64),
        prior_variance=float(dds.uns[slot.PRIOR_DISP_VAR]),
        outlying=np.asarray(dds.cooks_outlier(), dtype=bool) if options.cooks else no,
        emptied=emptied,
        replaced=var[slot.REPLACED].to_numpy(dtype=bool) if slot.REPLACED in var else no,
        converged=var[slot.LFC_CONVERGED].fillna(value=True).to_numpy(dtype=bool),
        trend=getattr(dds, "trend", None),
        shipped=None if options.r_faithful else dds,
    )


def data_set(
    table: CountTable, matrix: np.ndarray, options: DeseqOptions
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return PyDESeq2's data set before any fit, the matrix it is given, and its change of basis.

    Parameters
    ----------
    table
        The counts.
    matrix
        Samples x coefficients.
    options
        Of the engine.
    """
    from anndata import AnnData

    one_of(options.size_factors, ("ratio", "poscounts"), name="size_factors")
    if not 0 < options.alpha < 1:
        msg = f"alpha is {options.alpha!r}, but must be between 0 and 1."
        raise InputError(msg)
    counts = table.counts
    _require_size_factors(table, options)
    rescale = _centre(matrix)
    matrix = np.ascontiguousarray(np.linalg.solve(rescale.T, matrix.T).T)
    names = [f"coefficient {i}" for i in range(matrix.shape[1])]
    adata = AnnData(
        counts.astype(np.int64),
        obs=pd.DataFrame(index=table.samples),
        var=pd.DataFrame(index=pd.RangeIndex(counts.shape[1]).astype(str)),
    )
    arguments: dict[str, Any] = {
        "adata": adata,
        "design": pd.DataFrame(matrix, index=table.samples, columns=names),
        "size_factors_fit_type": options.size_factors,
        "refit_cooks": options.cooks,
        "quiet": True,
    }
    if options.r_faithful:
        from cartscope.tl.de._faithful import FaithfulDataSet
        from cartscope.tl.de._inference import BatchedInference

        inference = BatchedInference(n_cpus=options.n_jobs)
        return FaithfulDataSet(**arguments, inference=inference), matrix, rescale
    from pydeseq2.dds import DeseqDataSet

    return DeseqDataSet(**arguments, n_cpus=options.n_jobs), matrix, rescale


def test(state: DeseqState, contrast: FittedContrast, options: DeseqOptions) -> pd.DataFrame:
    """Test one contrast on the fit; see :class:`Engine`."""
    if state.shipped is not None:
        return _test_as_shipped(state, contrast.vector, options)
    log2_fc, se = effect(state, contrast.vector)
    with np.errstate(invalid="ignore", divide="ignore"):
        stat = log2_fc / se
    p = 2 * norm.sf(np.abs(stat))
    for values, empty in ((log2_fc, 0.0), (se, 0.0), (stat, 0.0), (p, 1.0)):
        values[state.emptied] = empty
    nothing = silent(state.counts, contrast) & ~np.isnan(p)
    log2_fc[nothing], stat[nothing], p[nothing] = 0.0, 0.0, 1.0
    p[state.outlying] = np.nan
    alpha = options.alpha if options.independent_filtering else None
    fdr, reason = adjusted(p, state.base_mean, alpha=alpha)
    reason[state.outlying] = "count outlier: Cook's distance"
    reason[np.isnan(state.betas[:, 0])] = "no counts"
    return pd.DataFrame(
        {
            "base_mean": state.base_mean,
            "log2_fc": log2_fc,
            "se": se,
            "stat": stat,
            "df": np.inf,
            "p_value": p,
            "fdr": fdr,
            "reason": reason,
        }
    )


def silent(counts: np.ndarray, contrast: FittedContrast) -> np.ndarray:
    """Return which genes have no count in either level that a contrast compares.

    There is nothing to compare, though other levels of the factor give such a gene an error.

    Parameters
    ----------
    counts
        Genes x samples.
    contrast
        The contrast.
    """
    if contrast.samples is None:
        return np.zeros(len(counts), dtype=bool)
    return ~counts[:, contrast.samples].any(axis=1)


def effect(state: DeseqState | QuasiState, contrast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log2 fold change of a contrast and its standard error, per gene.

    Parameters
    ----------
    state
        A fit, here or of another engine on negative binomial regressions.
    contrast
        Over the columns that were fitted.
    """
    from cartscope.tl.de._glm import standard_errors
    from cartscope.tl.de._inference import MIN_MU, RIDGE

    weights = np.linalg.solve(state.rescale.T, contrast)
    ridge = np.full(weights.size, RIDGE)
    se = standard_errors(
        state.betas, state.size_factors, state.matrix, state.dispersions, weights, MIN_MU, ridge
    )
    return state.betas @ weights / _LN2, se / _LN2


def _centre(matrix: np.ndarray) -> np.ndarray:
    """Return the change of basis that centres and scales columns of numbers, such as an age.

    The regressions do not converge for numbers far from 0 (R tells its users to scale them); what
    is estimated does not depend on it.
    """
    rescale = np.eye(matrix.shape[1])
    constant = np.flatnonzero((matrix == 1).all(axis=0))
    if constant.size:
        for j in range(matrix.shape[1]):
            column = matrix[:, j]
            if not np.isin(column, (-1.0, 0.0, 1.0)).all():
                rescale[constant[0], j], rescale[j, j] = column.mean(), column.std()
    return rescale


def _require_size_factors(table: CountTable, options: DeseqOptions) -> None:
    empty = table.counts.sum(axis=1) == 0
    if empty.any():
        names = ", ".join(table.samples[empty][:5])
        msg = f"{int(empty.sum())} sample(s) have no counts at all ({names}); leave them out."
        raise InputError(msg)
    if options.size_factors == "ratio" and (table.counts == 0).any(axis=0).all():
        msg = (
            "every gene has a zero in some sample, so the median-of-ratios size factors do not "
            "exist; pass size_factors='poscounts', or leave out the sparsest samples."
        )
        raise InputError(msg)


def _test_as_shipped(
    state: DeseqState, contrast: np.ndarray, options: DeseqOptions
) -> pd.DataFrame:
    from pydeseq2.ds import DeseqStats

    stats = DeseqStats(
        state.shipped,
        contrast=np.linalg.solve(state.rescale.T, contrast),
        alpha=options.alpha,
        cooks_filter=options.cooks,
        independent_filter=options.independent_filtering,
        quiet=True,
        n_cpus=options.n_jobs,
    )
    stats.summary()
    renamed = {
        "baseMean": "base_mean",
        "log2FoldChange": "log2_fc",
        "lfcSE": "se",
        "pvalue": "p_value",
        "padj": "fdr",
    }
    made = stats.results_df.rename(columns=renamed).reset_index(drop=True)
    made["df"] = np.inf
    made["reason"] = np.where(made["p_value"].isna(), "no p-value from PyDESeq2", "")
    return made


DESEQ2 = Engine(
    name="deseq2",
    fit=fit,
    test=test,
    options=DeseqOptions,
    what="negative binomial regression, Wald test",
    doi="10.1186/s13059-014-0550-8",
)
