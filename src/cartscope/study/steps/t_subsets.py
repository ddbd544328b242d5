"""Gate the T cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import tl
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Gate on neighbour-averaged expression, sample by sample."""
    manifest = ctx.manifests.annotation
    with ctx.annotating("t_subsets") as adata:
        tl.t_subsets(
            adata,
            rule=ctx.preset.cells.t_subsets.value,
            gates=manifest.gates.model_dump(),
            markers=manifest.t_markers(),
            n_jobs=ctx.jobs,
        )


STEP = Step(
    name="t_subsets",
    title="T-cell subsets",
    needs=(cell_artifact("annotate"),),
    makes=(cell_artifact("t_subsets"),),
    params=("cells",),
    manifests=("annotation.toml",),
    run=run,
)
