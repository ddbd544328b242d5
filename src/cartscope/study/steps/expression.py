"""Mean expression of the genes that claims and figures name, by population and time point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._schema import EXPRESSION
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context

_BY = (k.obs.cell_type, k.obs.t_subset, k.obs.car_status, k.obs.timepoint)


def run(ctx: Context) -> None:
    """Write one row per gene and population that has cells."""
    adata = ctx.cells("expression")
    wanted = _named_genes(ctx)
    genes = [g for g in adata.var_names if g in wanted]
    obs = adata.obs.reindex(columns=list(_BY)).astype(object).fillna("").astype(str)
    groups = obs.groupby(list(_BY), sort=True)
    codes, keys = groups.ngroup().to_numpy(), list(groups.groups)
    member = sparse.csr_matrix(
        (np.ones(codes.size), (codes, np.arange(codes.size))), shape=(len(keys), codes.size)
    )
    n = np.asarray(member.sum(axis=1)).ravel()
    x = adata[:, genes].X
    means = (member @ x).toarray() / n[:, None]
    shares = (member @ (x > 0).astype(np.float64)).toarray() / n[:, None]
    rows = [
        {
            "gene": gene,
            **dict(zip(_BY, key, strict=True)),
            "mean": means[i, j],
            "share": shares[i, j],
            "n_cells": int(n[i]),
        }
        for j, gene in enumerate(genes)
        for i, key in enumerate(keys)
    ]
    ctx.write_table("tables/expression.csv", pd.DataFrame(rows) if rows else EXPRESSION.empty())


def _named_genes(ctx: Context) -> set[str]:
    genes = {f for c in ctx.manifests.claims for f in c.features}
    genes |= {v for c in ctx.manifests.claims for e in c.evidence for v in e.features.values()}
    for record in ctx.manifests.annotation.cell_type.values():
        genes |= {*record.positive, *record.negative}
    return genes


STEP = Step(
    name="expression",
    title="Expression of named genes",
    needs=(cell_artifact("car"), cell_artifact("t_subsets")),
    makes=("tables/expression.csv",),
    manifests=("claims.toml", "annotation.toml"),
    run=run,
)
