"""Mean expression of the genes that claims and figures name, by population and time point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._schema import CELL_COUNTS, EXPRESSION, EXPRESSION_PATIENTS
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

_BY = (k.obs.cell_type, k.obs.t_subset, k.obs.car_status, k.obs.timepoint)


def run(ctx: Context) -> None:
    """Write a row per gene and population that has cells; per patient for genes that are ranked."""
    adata = ctx.cells("expression")
    table, _ = _means(adata, _named_genes(ctx), by=_BY, share=True)
    ctx.write_table("tables/expression.csv", table if len(table) else EXPRESSION.empty())
    by = (k.obs.patient, *_BY)
    table, sizes = _means(adata, _ranked_genes(ctx), by=by)
    empty = EXPRESSION_PATIENTS.empty()
    ctx.write_table("tables/expression_patients.csv", table if len(table) else empty)
    ctx.write_table("tables/cell_counts.csv", sizes if len(sizes) else CELL_COUNTS.empty())


def _means(
    adata: AnnData, wanted: set[str], *, by: tuple[str, ...], share: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return means of genes by group of cells, and how many cells there are."""
    genes = [g for g in adata.var_names if g in wanted]
    obs = adata.obs.reindex(columns=list(by)).astype(object).fillna("").astype(str)
    groups = obs.groupby(list(by), sort=True)
    codes, keys = groups.ngroup().to_numpy(), list(groups.groups)
    member = sparse.csr_matrix(
        (np.ones(codes.size), (codes, np.arange(codes.size))), shape=(len(keys), codes.size)
    )
    n = np.asarray(member.sum(axis=1)).ravel()
    x = adata[:, genes].X
    means = (member @ x).toarray() / n[:, None]
    shares = (member @ (x > 0).astype(np.float64)).toarray() / n[:, None] if share else None
    rows: list[dict[str, Any]] = []
    for j, gene in enumerate(genes):
        for i, key in enumerate(keys):
            more = {} if shares is None else {"share": shares[i, j]}
            group = dict(zip(by, key, strict=True))
            rows.append({"gene": gene, **group, "mean": means[i, j], **more, "n_cells": int(n[i])})
    sizes = pd.DataFrame(keys, columns=list(by)).assign(n_cells=n.astype(np.int64))
    return pd.DataFrame(rows), sizes


def _named_genes(ctx: Context) -> set[str]:
    genes = {f for c in ctx.manifests.claims for f in c.features}
    genes |= {v for c in ctx.manifests.claims for e in c.evidence for v in e.features.values()}
    for record in ctx.manifests.annotation.cell_type.values():
        genes |= {*record.positive, *record.negative}
    return genes


def _ranked_genes(ctx: Context) -> set[str]:
    evidence = [(c, e) for c in ctx.manifests.claims for e in c.evidence if e.table == "expression"]
    return {e.features.get(f) or f for c, e in evidence for f in e.features or c.features}


STEP = Step(
    name="expression",
    title="Expression of named genes",
    needs=(cell_artifact("car"), cell_artifact("t_subsets")),
    makes=("tables/expression.csv", "tables/expression_patients.csv", "tables/cell_counts.csv"),
    manifests=("claims.toml", "annotation.toml"),
    run=run,
)
