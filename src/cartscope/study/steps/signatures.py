"""Scores of the study's gene sets, per patient and cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _keys as k
from cartscope import io, tl
from cartscope._schema import SIGNATURES
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context

SETS = "gene_sets/study.gmt"
_BY = (k.obs.patient, k.obs.cell_type, k.obs.timepoint)


def run(ctx: Context) -> None:
    """Score every cell for the sets that have genes here, and average per patient."""
    sets = io.read_gene_sets(ctx.manifests.file(SETS))
    with ctx.annotating("signatures") as adata:
        known = {n: genes for n, genes in sets.items() if adata.var_names.isin(genes).any()}
        tl.signatures(adata, known, random_state=ctx.seed)
        present = [c for c in _BY if c in adata.obs]
        table = tl.signature_table(adata, list(known), by=present)
    ctx.write_table("tables/signatures.csv", table.reindex(columns=list(SIGNATURES.columns)))


STEP = Step(
    name="signatures",
    title="Signatures per cell",
    needs=(cell_artifact("annotate"),),
    makes=(cell_artifact("signatures"), "tables/signatures.csv"),
    manifests=(SETS,),
    seeded=True,
    run=run,
)
