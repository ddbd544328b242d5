"""Name the cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import tl
from cartscope.study._context import cell_artifact
from cartscope.study._labels import own_labels
from cartscope.study._model import Step
from cartscope.study._source import input_digests

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Score markers by cluster; the user's own labels take their place."""
    manifest = ctx.manifests.annotation
    with ctx.annotating("annotate") as adata:
        tl.annotate(
            adata,
            markers=manifest.markers(ctx.preset.cells.annotation.value),
            labels=own_labels(ctx),
            minimum=manifest.assign.minimum,
            margin=manifest.assign.margin,
        )


STEP = Step(
    name="annotate",
    title="Cell types",
    needs=(cell_artifact("cluster"),),
    makes=(cell_artifact("annotate"),),
    params=("cells",),
    manifests=("annotation.toml",),
    inputs=lambda ctx: {n: d for n, d in input_digests(ctx).items() if n == "--labels"},
    run=run,
)
