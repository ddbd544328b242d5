from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _check, _rng
from cartscope._errors import InputError
from cartscope.tl._expression import log_expression

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def liana_rank_aggregate(
    adata: AnnData,
    *,
    groupby: str,
    resource: pd.DataFrame,
    min_cells: int = 10,
    expr_prop: float = 0.1,
    n_perms: int = 200,
    random_state: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Rank ligand-receptor pairs of all cells together by LIANA's consensus, for exploring.

    LIANA permutes cells and knows no patients: its ranks say which pairs stand out in a set of
    cells, never whether they differ between patients. For that there is :func:`ligand_receptor`.

    Parameters
    ----------
    adata
        Cells with log1p expression in ``X``, for instance those of one patient.
    groupby
        obs column with the populations.
    resource
        Pairs: columns ligand and receptor.
    min_cells
        Cells a population needs.
    expr_prop
        Share of cells that must express a pair's genes.
    n_perms
        Permutations of the cells' labels.
    random_state
        Seed.
    n_jobs
        Processes.

    Returns
    -------
    LIANA's table: source, target, ligand_complex, receptor_complex, the scores of its methods,
    magnitude_rank and specificity_rank (both small where a pair stands out).

    Raises
    ------
    InputError
        If no population has enough cells, or no pair is expressed.

    References
    ----------
    Dimitrov et al. 2022, doi 10.1038/s41467-022-30755-0.

    Examples
    --------
    >>> import cartscope as cs
    >>> pairs = cs.io.read_lr_resource()
    >>> table = liana_rank_aggregate(cells, groupby="cell_type", resource=pairs)  # doctest: +SKIP
    """
    _check.require(adata, "obs", groupby, made_by="cartscope.tl.annotate")
    _check.require_columns(resource, ["ligand", "receptor"], name="resource")
    x = log_expression(adata)
    sizes = adata.obs[groupby].value_counts()
    if not (sizes >= min_cells).any():
        msg = f"no population of obs[{groupby!r}] has {min_cells} cells; lower min_cells."
        raise InputError(msg)
    genes = set(adata.var_names)
    pairs = resource[["ligand", "receptor"]].drop_duplicates()
    there = [
        genes.issuperset(f"{ligand}_{receptor}".split("_"))
        for ligand, receptor in pairs.itertuples(index=False, name=None)
    ]
    if not any(there):
        msg = "no pair of the resource has all its genes in adata; give gene symbols."
        raise InputError(msg)
    import anndata
    import liana

    # LIANA writes into what it is given and turns it dense: the pairs' genes alone are few
    named = {gene for pair in pairs[there].to_numpy().ravel() for gene in pair.split("_")}
    kept = np.flatnonzero(adata.var_names.isin(named))
    own = anndata.AnnData(x[:, kept].copy(), obs=adata.obs[[groupby]].astype("category"))
    own.var_names = adata.var_names[kept]
    with warnings.catch_warnings():
        # of pandas and scanpy, about calls inside LIANA
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        return liana.mt.rank_aggregate(
            own,
            groupby=groupby,
            resource=pairs[there].reset_index(drop=True),
            min_cells=min_cells,
            expr_prop=expr_prop,
            n_perms=n_perms,
            seed=_rng.seed_for(random_state, "liana"),
            n_jobs=n_jobs,
            use_raw=False,
            inplace=False,
            verbose=False,
        )
