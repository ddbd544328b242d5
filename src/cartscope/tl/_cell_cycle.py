from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.tl._cell_cycle_model import fit_cycling
from cartscope.tl._expression import columns, gene_positions, log_expression, row_blocks
from cartscope.tl._score_genes import score_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

MIN_COUNTS = 10_000  # published: only genes with at least so many counts in the whole data set


def cell_cycle(
    adata: AnnData,
    *,
    s_genes: Sequence[str],
    g2m_genes: Sequence[str],
    method: str = "recommended",
    group_key: str | None = k.obs.cell_type,
    aliases: Mapping[str, str] | None = None,
    copy: bool = False,
    random_state: int = 0,
) -> AnnData | None:
    """Score S and G2M genes, name the phase, and say which cells cycle.

    A cell is G1 when neither score is above 0, else it has the phase of the higher score. That
    rule names a phase; it does not tell cycling cells from others, as half of all resting cells
    score above 0 in one of two noisy scores. ``recommended`` therefore takes scores by Seurat's
    definition for the phase, and calls a cell cycling from its raw counts of the same genes: a
    Poisson mixture of resting, S and G2M cells whose rates per gene are estimated, with the
    depth of each cell as exposure. ``published`` scores genes of at least 10,000 counts, scaled,
    against randomly drawn genes, and calls all but G1 cycling.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``, raw counts in ``layers["counts"]``.
    s_genes
        Genes of S phase.
    g2m_genes
        Genes of G2 and M phase.
    method
        "recommended" or "published".
    group_key
        Column of ``obs`` whose groups have their own resting expression; where it is missing, all
        cells are one group.
    aliases
        Other symbols of the same genes.
    copy
        Return a changed copy and leave ``adata`` as it is.
    random_state
        Seed of the control genes.

    Returns
    -------
    None, or the copy. ``obs`` gets S_score, G2M_score (units of log1p expression; of standard
    deviations when published), phase (G1, S, G2M) and cycling (bool).

    Raises
    ------
    InputError
        If none of the genes is there, or there are no raw counts.

    References
    ----------
    Tirosh et al., Science 2016, doi:10.1126/science.aad0501

    Examples
    --------
    >>> import numpy as np, cartscope as cs
    >>> from anndata import AnnData
    >>> counts = np.random.default_rng(0).poisson(1.0, (80, 60)).astype("float32")
    >>> a = AnnData(np.log1p(counts), layers={"counts": counts})
    >>> cs.tl.cell_cycle(a, s_genes=["1", "2"], g2m_genes=["3", "4"])
    >>> bool(a.obs["cycling"].mean() < 0.1)
    True
    """
    adata = adata.copy() if copy else adata
    _check.one_of(method, ["recommended", "published"], name="method")
    sets = {"S": list(s_genes), "G2M": list(g2m_genes)}
    if method == "published":
        scores = _published_scores(adata, sets, aliases=aliases, random_state=random_state)
    else:
        n_controls = min(len(sets["S"]), len(sets["G2M"]))
        scores = score_sets(
            adata, sets, n_controls=n_controls, aliases=aliases, random_state=random_state
        )
    s, g2m = scores["S"].to_numpy(), scores["G2M"].to_numpy()
    phase = phases(s, g2m)
    if method == "published":
        cycling = phase != "G1"
    else:
        cycling = _calibrated(
            adata, sets, group_key=group_key, aliases=aliases, seed_score=np.maximum(s, g2m)
        )
    adata.obs[k.obs.s_score] = s
    adata.obs[k.obs.g2m_score] = g2m
    adata.obs[k.obs.phase] = pd.Categorical(phase, categories=["G1", "S", "G2M"])
    adata.obs[k.obs.cycling] = cycling
    return adata if copy else None


def phases(s: np.ndarray, g2m: np.ndarray) -> np.ndarray:
    """Return G1 where neither score is above 0, else the phase of the higher score.

    Parameters
    ----------
    s
        S scores.
    g2m
        G2M scores.
    """
    return np.where(np.maximum(s, g2m) <= 0, "G1", np.where(s > g2m, "S", "G2M"))


def _published_scores(
    adata: AnnData, sets: Mapping[str, Sequence[str]], *, aliases: Any, random_state: int
) -> pd.DataFrame:
    """Score scaled expression; x times a vector is enough, as scaling is linear."""
    x = log_expression(adata)
    total = _total_counts(_check.raw_counts(adata))
    usable = total >= MIN_COUNTS
    if usable.sum() < 2 * sum(len(genes) for genes in sets.values()):
        usable = total > 0  # a small data set has no such genes: all that are detected serve
    mean, sd = _moments(x)
    usable &= sd > 0
    pool = np.flatnonzero(usable)
    n_controls = min(len(genes) for genes in sets.values())
    weights = np.zeros((x.shape[1], len(sets)))
    for j, (label, genes) in enumerate(sets.items()):
        at = list(gene_positions(adata.var_names, genes, aliases).values())
        own = np.array([i for i in at if usable[i]], dtype=int)
        if own.size == 0:
            msg = f"cell cycle: none of the {len(genes)} {label} genes is expressed in adata."
            raise InputError(msg)
        free = np.setdiff1d(pool, own)
        rng = stream(random_state, "published cell cycle", label)
        size = min(n_controls * own.size, free.size)
        picked = rng.choice(free, size=size, replace=False) if size else free
        weights[own, j] += 1.0 / own.size
        weights[picked, j] -= 1.0 / max(picked.size, 1)
    safe = np.where(sd > 0, sd, 1.0)
    weights /= safe[:, None]
    out = np.empty((x.shape[0], len(sets)))
    for rows, block in row_blocks(x):
        out[rows] = block @ weights
    out -= mean @ weights
    return pd.DataFrame(out, index=adata.obs_names, columns=list(sets))


def _total_counts(counts: np.ndarray | sparse.csr_matrix) -> np.ndarray:
    return np.asarray(counts.sum(axis=0), dtype=float).ravel()


def _moments(x: np.ndarray | sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column."""
    n = x.shape[0]
    first, second = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for _, block in row_blocks(x):
        if sparse.issparse(block):
            part = block.tocsr()
            values = part.data.astype(float)
            first += np.bincount(part.indices, weights=values, minlength=x.shape[1])
            second += np.bincount(part.indices, weights=values**2, minlength=x.shape[1])
        else:
            dense = np.asarray(block, dtype=float)
            first += dense.sum(axis=0)
            second += (dense**2).sum(axis=0)
    mean = first / n
    variance = np.maximum(second / n - mean**2, 0) * n / max(n - 1, 1)
    return mean, np.sqrt(variance)


def _calibrated(
    adata: AnnData,
    sets: Mapping[str, Sequence[str]],
    *,
    group_key: str | None,
    aliases: Any,
    seed_score: np.ndarray,
) -> np.ndarray:
    counts = _check.raw_counts(adata)
    at = {
        label: list(gene_positions(adata.var_names, genes, aliases).values())
        for label, genes in sets.items()
    }
    positions = [i for group in at.values() for i in group]
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    if group_key is None or group_key not in adata.obs:
        groups = np.zeros(adata.n_obs, dtype=int)
    else:
        groups = adata.obs[group_key].astype("category").cat.codes.to_numpy() + 1
    is_s = np.repeat([True, False], [len(at["S"]), len(at["G2M"])])
    fit = fit_cycling(columns(counts, positions), depth, groups, is_s=is_s, seed_score=seed_score)
    return fit > 0.5  # noqa: PLR2004  (more likely than not)
