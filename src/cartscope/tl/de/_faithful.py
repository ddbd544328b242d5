"""PyDESeq2 near R's answers: its steps, with those that depart from DESeq2 replaced.

Imported only when a model is fitted, because PyDESeq2 takes seconds to import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from anndata import AnnData
from pydeseq2.dds import DeseqDataSet
from pydeseq2.utils import trimmed_mean
from scipy.stats import f as f_distribution

from cartscope.tl.de import _pydeseq2_slots as slot
from cartscope.tl.de._trend import ABOVE_FLOOR, fit_trend, prior_variance

_TRIM = 0.2
_FEWEST = 3
_TWO_GROUPS = 2
_OUTLIER_SD = 2.0
_REFITTED = (
    slot.NORMED_MEANS,
    slot.GENEWISE_DISPERSIONS,
    slot.FITTED_DISPERSIONS,
    slot.MAP_DISPERSIONS,
    slot.DISPERSIONS,
)


class FaithfulDataSet(DeseqDataSet):
    """DeseqDataSet with R's dispersion trend and prior."""

    def fit_dispersion_trend(self, vst: bool = False) -> None:  # noqa: FBT001, FBT002
        """Fit the trend to genes above the floor, judging outliers anew in each round."""
        if vst:
            super().fit_dispersion_trend(vst)
            return
        kept = self.var[slot.NON_ZERO].to_numpy()
        means = self.var[slot.NORMED_MEANS].to_numpy()[kept]
        trend = fit_trend(
            means, self.var[slot.GENEWISE_DISPERSIONS].to_numpy()[kept], min_disp=self.min_disp
        )
        self.trend = trend
        fitted = np.full(self.n_vars, np.nan)
        fitted[kept] = trend(means)
        self.var[slot.FITTED_DISPERSIONS] = fitted
        self.uns[slot.DISP_FUNCTION_TYPE] = trend.kind

    def disp_function(self, x: Any) -> Any:
        """Return the trend at a mean."""
        return self.trend(np.asarray(x, dtype=np.float64))

    def fit_dispersion_prior(self) -> None:
        """Width of the prior from genes above the floor."""
        kept = self.var[slot.NON_ZERO].to_numpy()
        gene = self.var[slot.GENEWISE_DISPERSIONS].to_numpy()[kept]
        fitted = self.var[slot.FITTED_DISPERSIONS].to_numpy()[kept]
        use = gene >= ABOVE_FLOOR * self.min_disp
        freedom = self.n_obs - self.obsm[slot.DESIGN_MATRIX].shape[1]
        variance, spread = prior_variance(np.log(gene[use]) - np.log(fitted[use]), freedom)
        self.uns[slot.PRIOR_DISP_VAR] = np.float64(variance)
        self.uns[slot.SQUARED_LOGRES] = np.float64(spread)

    def fit_MAP_dispersions(self) -> None:  # noqa: N802
        """Shrink to the trend, except genes far above it."""
        kept = self.var[slot.NON_ZERO].to_numpy()
        gene = self.var[slot.GENEWISE_DISPERSIONS].to_numpy()[kept]
        fitted = self.var[slot.FITTED_DISPERSIONS].to_numpy()[kept]
        found, ended = self.inference.dispersions(
            self.X[:, kept],
            self.obsm[slot.DESIGN_MATRIX].to_numpy(),
            self.layers[slot.MU_HAT][:, kept],
            start=gene,
            center=fitted,
            prior_var=float(self.uns[slot.PRIOR_DISP_VAR]),
            bounds=(self.min_disp, float(self.max_disp)),
        )
        limit = np.log(fitted) + _OUTLIER_SD * np.sqrt(self.uns[slot.SQUARED_LOGRES])
        outlying = np.log(gene) > limit
        self._note("MAP_dispersions", kept, found)
        self._note("dispersions", kept, np.where(outlying, gene, found))
        self._note(slot.OUTLIER_GENES, kept, outlying)
        self._note(slot.MAP_CONVERGED, kept, ended)

    def _note(self, column: str, kept: np.ndarray, values: np.ndarray) -> None:
        out = np.zeros(self.n_vars, bool) if values.dtype == bool else np.full(self.n_vars, np.nan)
        out[kept] = values
        self.var[column] = out

    def refit(self) -> None:
        """Replace count outliers where a design cell has enough samples, and fit those genes anew.

        The trend and the prior stay those of the whole table.
        """
        x = self.obsm[slot.DESIGN_MATRIX].to_numpy()
        replaceable = in_cells_of(x, self.min_replicates)
        self.obs[slot.REPLACEABLE] = replaceable
        outlying = self.layers[slot.COOKS] > cooks_cutoff(*x.shape)  # nan compares as False
        replaced = outlying.any(axis=0) if replaceable.any() else np.zeros(self.n_vars, bool)
        self.var[slot.REPLACED] = replaced
        self.var[slot.REFITTED] = False
        if not replaced.any():
            return
        factors = self.obs[slot.SIZE_FACTORS].to_numpy()[:, None]
        counts = self.X[:, replaced].copy()
        typical = np.asarray(trimmed_mean(counts / factors, trim=_TRIM, axis=0))
        swap = outlying[:, replaced] & replaceable[:, None]
        counts[swap] = (typical[None, :] * factors).astype(counts.dtype)[swap]
        empty = (counts == 0).all(axis=0)
        emptied, refitted = replaced.copy(), replaced.copy()
        emptied[replaced], refitted[replaced] = empty, ~empty
        self.var[slot.REFITTED], self.var[slot.EMPTIED] = refitted, emptied
        self.var.loc[emptied, "_normed_means"] = 0.0
        self.varm[slot.LFC].loc[emptied, :] = 0.0
        if refitted.any():
            self._refit_genes(counts[:, ~empty], refitted)

    def _refit_genes(self, counts: np.ndarray, at: np.ndarray) -> None:
        part = FaithfulDataSet(
            adata=AnnData(counts, obs=self.obs[[]].copy(), var=self.var.loc[at, []].copy()),
            design=self.obsm[slot.DESIGN_MATRIX],
            min_mu=self.min_mu,
            min_disp=self.min_disp,
            max_disp=float(self.max_disp),
            beta_tol=self.beta_tol,
            inference=self.inference,
            quiet=True,
        )
        part.obs[slot.SIZE_FACTORS] = self.obs[slot.SIZE_FACTORS]
        part.layers[slot.NORMED_COUNTS] = counts / part.obs[slot.SIZE_FACTORS].to_numpy()[:, None]
        part.var[slot.NORMED_MEANS] = part.layers[slot.NORMED_COUNTS].mean(axis=0)
        part.fit_genewise_dispersions()
        part.trend = self.trend
        part.var[slot.FITTED_DISPERSIONS] = self.trend(part.var[slot.NORMED_MEANS].to_numpy())
        for key in (slot.SQUARED_LOGRES, slot.PRIOR_DISP_VAR):
            part.uns[key] = self.uns[key]
        part.fit_MAP_dispersions()
        part.fit_LFC()
        for column in _REFITTED:
            self.var.loc[at, column] = part.var[column].to_numpy()
        self.varm[slot.LFC].loc[at, :] = part.varm[slot.LFC].to_numpy()

    def cooks_outlier(self) -> np.ndarray:
        """Genes whose p-value a single count decides; True where it is to be set aside."""
        x = self.obsm[slot.DESIGN_MATRIX].to_numpy()
        if x.shape[0] <= x.shape[1]:
            return np.zeros(self.n_vars, bool)
        judged = in_cells_of(x, _FEWEST)
        if self.refit_cooks:
            judged &= ~in_cells_of(x, self.min_replicates)
        cooks = np.nan_to_num(self.layers[slot.COOKS])
        outlying = (cooks[judged] > cooks_cutoff(*x.shape)).any(axis=0)
        if len(np.unique(x, axis=0)) == x.shape[1] == _TWO_GROUPS:
            # in a comparison of two groups, three larger counts speak for the gene
            at = np.flatnonzero(outlying)
            top = self.X[cooks[:, at].argmax(axis=0), at]
            outlying[at] = (self.X[:, at] > top).sum(axis=0) < _FEWEST
        return outlying


def in_cells_of(x: np.ndarray, size: int) -> np.ndarray:
    """Return which samples stand in a design cell of at least ``size`` samples.

    Parameters
    ----------
    x
        Samples x coefficients.
    size
        Samples asked for.
    """
    _, cell, members = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    return members[np.ravel(cell)] >= size


def cooks_cutoff(samples: int, coefficients: int) -> float:
    """Return the 99% quantile of F that a Cook's distance is compared with.

    Parameters
    ----------
    samples
        Rows of the design.
    coefficients
        Its columns.
    """
    return float(f_distribution.ppf(0.99, coefficients, samples - coefficients))
