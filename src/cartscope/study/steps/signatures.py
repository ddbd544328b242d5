"""Scores of gene sets in every cell, per patient and over patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import io, tl
from cartscope._schema import SIGNATURES, SIGNATURES_BY_TYPE
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

SETS = ("gene_sets/study.gmt", "gene_sets/t_cell_states.gmt")
MIN_CELLS = 10  # of a patient, below which a mean says little
_BY = (k.obs.patient, k.obs.cell_type, k.obs.timepoint)


def run(ctx: Context) -> None:
    """Score every cell for the sets that have genes here, and average per patient."""
    sets = {}
    for name in SETS:
        sets |= io.read_gene_sets(ctx.manifests.file(name))
    with ctx.annotating("signatures") as adata:
        known = {n: genes for n, genes in sets.items() if adata.var_names.isin(genes).any()}
        tl.signatures(adata, known, random_state=ctx.seed)
        present = [c for c in _BY if c in adata.obs]
        table = tl.signature_table(adata, list(known), by=present)
        subsets = _t_subsets(adata, list(known), by=present)
    ctx.write_table("tables/signatures.csv", table.reindex(columns=list(SIGNATURES.columns)))
    ctx.write_table("tables/signatures_by_type.csv", over_patients(table, subsets))


def _t_subsets(adata: AnnData, scores: list[str], *, by: list[str]) -> pd.DataFrame:
    cells = adata[(adata.obs[k.obs.cell_type] == "T").to_numpy()]
    return tl.signature_table(cells, scores, by=[*by, k.obs.t_subset])


def over_patients(types: pd.DataFrame, subsets: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of types and of T-cell subsets over patients, each counting once.

    Parameters
    ----------
    types
        One row per signature, patient, cell type and time point.
    subsets
        The same of T cells, with their subsets.
    """
    every = pd.concat([types.assign(**{k.obs.t_subset: ""}), subsets.astype({k.obs.t_subset: str})])
    by = [c for c in SIGNATURES_BY_TYPE.columns if c in every and c not in {"mean", "n_cells"}]
    every[by] = every[by].astype(str)
    counted = every["mean"].where(every["n_cells"] >= MIN_CELLS)
    groups = every.assign(counted=counted).groupby(by, sort=True)
    table = groups.agg(
        mean=("counted", "mean"),
        low=("counted", lambda s: s.quantile(0.25)),
        high=("counted", lambda s: s.quantile(0.75)),
        n_patients=("counted", "count"),
        n_cells=("n_cells", "sum"),
    ).reset_index()
    for column in set(SIGNATURES_BY_TYPE.columns) - set(table):
        table[column] = ""  # a cohort without time points
    return SIGNATURES_BY_TYPE.check(table)


STEP = Step(
    name="signatures",
    title="Signatures per cell",
    needs=(cell_artifact("annotate"), cell_artifact("t_subsets")),
    makes=(
        cell_artifact("signatures"),
        "tables/signatures.csv",
        "tables/signatures_by_type.csv",
    ),
    manifests=SETS,
    seeded=True,
    run=run,
)
