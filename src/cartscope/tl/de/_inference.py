"""PyDESeq2's numerical steps on all genes at once, compiled, with R's floor on the means.

Imported only when a model is fitted, because PyDESeq2 takes seconds to import.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from pydeseq2.default_inference import DefaultInference

from cartscope.tl.de._dispersion import fit_dispersions
from cartscope.tl.de._glm import all_leverages, fit_betas, maximise_betas

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_MU = 0.5
RIDGE = (
    1e-6 / np.log(2) ** 2
)  # prior variance 1e6 on the log2 scale: betaPriorVar of a DESeqDataSet
_ROUNDS = 100
LARGEST = 30.0  # natural log, PyDESeq2's own default: no ratio of counts comes near e**30
RESCUE_ROUNDS = 1000


class BatchedInference(DefaultInference):
    """PyDESeq2's numerical steps on all genes at once, compiled, with R's floor on the means."""

    def lin_reg_mu(  # noqa: PLR0917
        self,
        counts: np.ndarray,
        size_factors: np.ndarray,
        design_matrix: np.ndarray,
        min_mu: float,
    ) -> np.ndarray:
        """Means by ordinary least squares on normalised counts."""
        basis, _ = np.linalg.qr(design_matrix)
        fitted = basis @ (basis.T @ (counts / size_factors[:, None]))
        return np.maximum(fitted * size_factors[:, None], min_mu)

    def irls(  # noqa: PLR0913, PLR0917
        self,
        counts: np.ndarray,
        size_factors: np.ndarray,
        design_matrix: np.ndarray,
        disp: np.ndarray,
        min_mu: float,
        beta_tol: float,
        min_beta: float = -LARGEST,  # noqa: ARG002
        max_beta: float = LARGEST,
        optimizer: Any = "L-BFGS-B",  # noqa: ARG002
        maxiter: int = _ROUNDS,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients, means, leverages and convergence of every gene."""
        x = np.ascontiguousarray(design_matrix, dtype=np.float64)
        betas, leverages, converged = fit_all_betas(
            np.ascontiguousarray(counts.T, dtype=np.float64),
            np.ascontiguousarray(size_factors, dtype=np.float64),
            x,
            dispersions=np.asarray(disp, dtype=np.float64),
            ridge=np.full(x.shape[1], RIDGE),
            limits=(min_mu, beta_tol, maxiter, max_beta),
            n_jobs=self.n_cpus,
        )
        factors = np.asarray(size_factors, dtype=np.float64)
        mu = factors[:, None] * np.exp(x @ betas.T)
        return betas, mu, leverages.T, converged

    def alpha_mle(  # noqa: PLR0913, PLR0917
        self,
        counts: np.ndarray,
        design_matrix: np.ndarray,
        mu: np.ndarray,
        alpha_hat: np.ndarray,
        min_disp: float,
        max_disp: float,
        prior_disp_var: float | None = None,
        cr_reg: bool = True,  # noqa: ARG002, FBT001, FBT002
        prior_reg: bool = False,  # noqa: FBT001, FBT002
        optimizer: Any = "L-BFGS-B",  # noqa: ARG002
    ) -> tuple[np.ndarray, np.ndarray]:
        """Dispersion of every gene, and that its search ended: it always does."""
        return self.dispersions(
            counts,
            design_matrix,
            mu,
            start=alpha_hat,
            center=alpha_hat,
            prior_var=float(prior_disp_var) if prior_reg and prior_disp_var is not None else 0.0,
            bounds=(min_disp, float(max_disp)),
        )

    def dispersions(
        self,
        counts: np.ndarray,
        design_matrix: np.ndarray,
        mu: np.ndarray,
        *,
        start: np.ndarray,
        center: np.ndarray,
        prior_var: float,
        bounds: tuple[float, float],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Dispersion of every gene, and that its search ended; see :func:`fit_dispersions`."""
        y = np.ascontiguousarray(counts.T, dtype=np.float64)
        means = np.maximum(np.ascontiguousarray(mu.T, dtype=np.float64), MIN_MU)
        x = np.ascontiguousarray(design_matrix, dtype=np.float64)
        start = np.asarray(start, dtype=np.float64)
        center = np.asarray(center, dtype=np.float64)

        def part(at: slice) -> tuple[np.ndarray, ...]:
            return (
                fit_dispersions(y[at], means[at], x, start[at], center[at], prior_var, *bounds),
            )

        found = _in_parts(part, y.shape[0], self.n_cpus)[0]
        return found, np.ones(found.size, dtype=bool)


def fit_all_betas(
    counts: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    *,
    dispersions: np.ndarray,
    ridge: np.ndarray,
    limits: tuple[float, float, int, float] = (MIN_MU, 1e-8, _ROUNDS, LARGEST),
    n_jobs: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, leverages and convergence of every gene.

    Parameters
    ----------
    counts
        Genes x samples, float.
    size_factors
        One per sample.
    x
        Samples x coefficients.
    dispersions
        One per gene.
    ridge
        Penalty on each coefficient, natural log scale.
    limits
        Floor of the means, tolerance, most iterations and the coefficient taken for divergence.
    n_jobs
        Threads.
    """
    basis, triangle = np.linalg.qr(x)
    start = np.log(counts / size_factors + 0.1) @ basis
    start = np.ascontiguousarray(np.linalg.solve(triangle, start.T).T)
    min_mu, tolerance, rounds, largest = limits

    def part(at: slice) -> tuple[np.ndarray, ...]:
        settings = (min_mu, ridge, tolerance, rounds, largest)
        return fit_betas(counts[at], size_factors, x, dispersions[at], start[at], *settings)

    betas, leverages, converged = _in_parts(part, counts.shape[0], n_jobs)
    lost = np.flatnonzero(~converged)
    if lost.size:
        settings = (start[lost], ridge, RESCUE_ROUNDS, largest)
        found = maximise_betas(counts[lost], size_factors, x, dispersions[lost], *settings)
        betas[lost], converged[lost] = found
        # a leverage is of the estimate that its residual belongs to
        at = (size_factors, x, dispersions[lost], min_mu, ridge)
        leverages[lost] = all_leverages(betas[lost], *at)
    return betas, leverages, converged


def _in_parts(
    part: Callable[[slice], tuple[np.ndarray, ...]], genes: int, n_jobs: int
) -> tuple[Any, ...]:
    jobs = max(1, min(n_jobs, genes))
    if jobs == 1:
        return part(slice(0, genes))
    edges = np.linspace(0, genes, jobs + 1).astype(int)
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(lambda i: part(slice(edges[i], edges[i + 1])), range(jobs)))
    return tuple(np.concatenate(p) for p in zip(*parts, strict=True))
