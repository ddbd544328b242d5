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
        ctx.read_table("work/samples.csv"), base=read_source(ctx).root, n_jobs=ctx.jobs
    )
    with ctx.writing("work/ingest.h5ad") as temporary:
        io.write_cells(adata, temporary)
    # only now: a cohort that cannot be read must leave the tables of the last one alone
    for name in ("samples", "not_used"):
        ctx.write_table(f"tables/{name}.csv", ctx.read_table(f"work/{name}.csv"))


STEP = Step(
    name="ingest",
    title="Read the count matrices",
    needs=("work/samples.csv", "work/not_used.csv"),
    makes=("work/ingest.h5ad", "tables/samples.csv", "tables/not_used.csv"),
    inputs=input_digests,
    run=run,
)
