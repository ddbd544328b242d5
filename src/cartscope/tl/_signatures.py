from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _check
from cartscope import _keys as k
from cartscope.tl._score_genes import score_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData


def signatures(
    adata: AnnData,
    gene_sets: Mapping[str, Sequence[str]],
    *,
    n_controls: int = 100,
    controls: Mapping[str, Sequence[str]] | None = None,
    prefix: str = "",
    copy: bool = False,
    random_state: int = 0,
) -> AnnData | None:
    """Score each cell for several gene sets, by the definition of :func:`score_genes`.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``.
    gene_sets
        Symbols of each set.
    n_controls
        Control genes drawn for each gene of a set.
    controls
        Control genes to use instead, by set.
    prefix
        What stands before a set's name in ``obs``.
    copy
        Return a changed copy and leave ``adata`` as it is.
    random_state
        Seed of the draw; a set's score does not depend on the other sets.

    Returns
    -------
    None, or the copy. ``obs[prefix + name]`` holds each score, in units of log1p expression.

    Raises
    ------
    InputError
        If a set has no gene in ``var_names``, or ``X`` is not log-normalised.

    Examples
    --------
    >>> import numpy as np, cartscope as cs
    >>> from anndata import AnnData
    >>> a = AnnData(np.log1p(np.random.default_rng(0).poisson(1.0, (20, 60)).astype("float32")))
    >>> cs.tl.signatures(a, {"one": ["3"], "two": ["4", "5"]}, n_controls=2)
    >>> list(a.obs.columns)
    ['one', 'two']
    """
    adata = adata.copy() if copy else adata
    scores = score_sets(
        adata, gene_sets, n_controls=n_controls, controls=controls, random_state=random_state
    )
    for name in scores:
        adata.obs[prefix + name] = scores[name].to_numpy()
    return adata if copy else None


def signature_table(
    adata: AnnData,
    scores: Sequence[str],
    *,
    by: Sequence[str] = (k.obs.patient, k.obs.cell_type, k.obs.timepoint),
    min_cells: int = 1,
) -> pd.DataFrame:
    """Return the mean of each score per group of cells, say per patient, type and time point.

    Parameters
    ----------
    adata
        Cells with the scores in ``obs``.
    scores
        Columns of ``obs`` that hold scores.
    by
        Columns of ``obs`` that make the groups.
    min_cells
        Groups with fewer cells are left out.

    Returns
    -------
    One row per group and score: the columns of ``by``, signature, mean, median, n_cells.

    Raises
    ------
    MissingKeyError
        If a column is not in ``obs``.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"who": ["a", "a", "b"], "s": [1.0, 3.0, 5.0]}, index=list("123"))
    >>> table = cs.tl.signature_table(AnnData(np.zeros((3, 1)), obs=obs), ["s"], by=["who"])
    >>> table["mean"].tolist()
    [2.0, 5.0]
    """
    for column in by:
        _check.require(adata, "obs", column, made_by="the step that names the cells")
    for column in scores:
        _check.require(adata, "obs", column, made_by="tl.signatures")
    long = adata.obs[[*by, *scores]].melt(
        id_vars=list(by), value_vars=list(scores), var_name="signature", value_name="score"
    )
    groups = long.groupby([*by, "signature"], observed=True)["score"]
    out = groups.agg(mean="mean", median="median", n_cells="size").reset_index()
    return out[out["n_cells"] >= min_cells].reset_index(drop=True)
