"""Read every library into one AnnData of raw counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import io
from cartscope.study._model import Step
from cartscope.study._source import input_digests, read_source

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Append sample after sample; nothing is decoded twice."""
    adata = io.read_cohort(
        ctx.read_table("tables/samples.csv"), base=read_source(ctx).root, n_jobs=ctx.jobs
    )
    with ctx.writing("work/ingest.h5ad") as temporary:
        io.write_cells(adata, temporary)


STEP = Step(
    name="ingest",
    title="Read the count matrices",
    needs=("tables/samples.csv",),
    makes=("work/ingest.h5ad",),
    inputs=input_digests,
    run=run,
)
