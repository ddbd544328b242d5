"""What Harmony mixed, and what it may have mixed away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _keys as k
from cartscope import pp
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Compare the embedding before and after, by batch, by cell type and by condition."""
    adata = ctx.cells("integration")
    conditions = [
        c
        for c in (k.obs.timepoint, k.obs.anakinra)
        if c in adata.obs and adata.obs[c].nunique(dropna=True) > 1
    ]
    table = pp.integration_report(
        adata,
        batch_key=ctx.preset.values("embedding")["batch_key"],
        label_key=k.obs.cell_type,
        condition_keys=conditions,
        n_jobs=ctx.jobs,
    )
    ctx.write_table("tables/integration.csv", table)


STEP = Step(
    name="integration",
    title="What Harmony mixed",
    needs=(cell_artifact("annotate"),),
    makes=("tables/integration.csv",),
    params=("embedding",),
    run=run,
)
