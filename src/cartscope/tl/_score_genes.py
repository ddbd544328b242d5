from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.tl._expression import gene_positions, log_expression, row_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData


def score_genes(
    adata: AnnData,
    genes: Sequence[str],
    *,
    n_controls: int = 100,
    controls: Sequence[str] | None = None,
    key_added: str = "score",
    copy: bool = False,
    random_state: int = 0,
) -> AnnData | None:
    """Score each cell for a gene set against control genes of like expression.

    The score is the mean log1p expression of the set minus the mean of its controls. For every
    gene of the set ``n_controls`` genes are drawn from its bin, one of 24 of equal size by mean
    expression; the controls are the union of the draws, and genes of the set may be among them.
    That is the definition of Tirosh et al. (2016) as Seurat's ``AddModuleScore`` has it.
    scanpy's ``score_genes`` differs: it draws once per bin and takes the set's genes out.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``.
    genes
        Symbols of the set; those that are absent are left out.
    n_controls
        Control genes drawn for each gene of the set.
    controls
        Control genes to use instead of drawing them.
    key_added
        Column of ``obs`` to write.
    copy
        Return a changed copy and leave ``adata`` as it is.
    random_state
        Seed of the draw.

    Returns
    -------
    None, or the copy. ``obs[key_added]`` holds the score, in units of log1p expression.

    Raises
    ------
    InputError
        If no gene of the set is in ``var_names``, or ``X`` is not log-normalised.

    References
    ----------
    Tirosh et al., Science 2016, doi:10.1126/science.aad0501

    Examples
    --------
    >>> import numpy as np, cartscope as cs
    >>> from anndata import AnnData
    >>> a = AnnData(np.log1p(np.random.default_rng(0).poisson(1.0, (20, 60)).astype("float32")))
    >>> cs.tl.score_genes(a, ["3", "4"], n_controls=2, key_added="pair")
    >>> a.obs["pair"].shape
    (20,)
    """
    adata = adata.copy() if copy else adata
    fixed = None if controls is None else {key_added: controls}
    scores = score_sets(
        adata,
        {key_added: genes},
        n_controls=n_controls,
        controls=fixed,
        random_state=random_state,
    )
    adata.obs[key_added] = scores[key_added].to_numpy()
    return adata if copy else None


def score_sets(
    adata: AnnData,
    gene_sets: Mapping[str, Sequence[str]],
    *,
    n_controls: int = 100,
    controls: Mapping[str, Sequence[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Return the module score of every cell for several gene sets, reading ``X`` twice.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``.
    gene_sets
        Symbols of each set.
    n_controls
        Control genes drawn for each gene of a set.
    controls
        Control genes to use instead of drawing them, by set.
    aliases
        Other symbols of the same genes.
    random_state
        Seed of the draw; each set has its own stream, so that others do not change it.

    Returns
    -------
    Cells x sets, float64.
    """
    import pandas as pd

    x = log_expression(adata)
    names = adata.var_names
    means = None
    weights = np.zeros((x.shape[1], len(gene_sets)))
    for j, (label, genes) in enumerate(gene_sets.items()):
        own = np.array(list(gene_positions(names, genes, aliases).values()), dtype=int)
        if own.size == 0:
            msg = (
                f"gene set {label!r}: none of its {len(list(genes))} genes is in adata.var_names "
                f"(such as {names[0]!r}); give symbols in the spelling of var_names."
            )
            raise InputError(msg)
        if controls is not None and label in controls:
            picked = np.array(list(gene_positions(names, controls[label], aliases).values()), int)
            if picked.size == 0:
                msg = f"gene set {label!r}: none of its control genes is in adata.var_names."
                raise InputError(msg)
        else:
            if means is None:
                means = gene_means(x)
                bins = expression_bins(means)
            rng = stream(random_state, "controls", label)
            picked = draw_controls(own, bins, n_controls=n_controls, rng=rng)
        np.add.at(weights[:, j], own, 1.0 / own.size)
        np.add.at(weights[:, j], picked, -1.0 / picked.size)
    out = np.empty((x.shape[0], len(gene_sets)))
    for rows, block in row_blocks(x):
        part = block.astype(np.float64) if sparse.issparse(block) else np.asarray(block, float)
        out[rows] = part @ weights
    return pd.DataFrame(out, index=adata.obs_names, columns=list(gene_sets))


def gene_means(x: np.ndarray | sparse.csr_matrix) -> np.ndarray:
    """Return the mean of each column in double precision, whatever the matrix holds.

    Parameters
    ----------
    x
        Cells x genes.
    """
    total = np.zeros(x.shape[1])
    for _, block in row_blocks(x):
        if sparse.issparse(block):
            part = block.tocsr()
            total += np.bincount(part.indices, weights=part.data, minlength=x.shape[1])
        else:
            total += np.asarray(block, dtype=float).sum(axis=0)
    return total / max(x.shape[0], 1)


def expression_bins(means: np.ndarray, n_bins: int = 24) -> np.ndarray:
    """Return the bin of each gene, 1 to ``n_bins``, cut at quantiles of the mean expression.

    Parameters
    ----------
    means
        Mean expression of each gene.
    n_bins
        Number of bins; fewer come out where many means are equal.
    """
    breaks = np.unique(np.quantile(means, np.linspace(0, 1, n_bins + 1)))
    # bins are closed on the right, and the first on both sides
    return np.clip(np.searchsorted(breaks, means, side="left"), 1, max(len(breaks) - 1, 1))


def draw_controls(
    own: np.ndarray, bins: np.ndarray, *, n_controls: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the union of the control genes drawn for each gene of a set.

    Parameters
    ----------
    own
        Positions of the set's genes.
    bins
        Bin of every gene.
    n_controls
        Genes to draw for each gene; all of a bin that has fewer.
    rng
        Stream of the draw.
    """
    picked: set[int] = set()
    for gene in own:
        pool = np.flatnonzero(bins == bins[gene])
        picked.update(rng.choice(pool, size=min(n_controls, pool.size), replace=False).tolist())
    return np.array(sorted(picked), dtype=int)
