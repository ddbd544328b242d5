"""Every cell, annotated, in one file that scanpy opens as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cartscope import io
from cartscope.study._context import cell_artifact
from cartscope.study._files import remove
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context

DONE = "work/cells.json"


def run(ctx: Context) -> None:
    """Write the cells; above 50,000 of them as zarr."""
    adata = ctx.cells("cells", exactly=True)
    path = io.cells_path(ctx.settings.out, adata.n_obs)
    io.write_cells(adata, path)
    for other in ("cells.h5ad", "cells.zarr"):
        if other != path.name:
            remove(ctx.path(other))
    with ctx.writing(DONE) as temporary:
        temporary.write_text(json.dumps({"cells": path.name, "n_obs": adata.n_obs}), "utf-8")


def _name(ctx: Context) -> str:
    done = ctx.path(DONE)
    return json.loads(done.read_text("utf-8"))["cells"] if done.is_file() else "cells.h5ad"


_ANNOTATING = ("annotate", "car", "cluster", "cycle", "signatures", "t_subsets")

STEP = Step(
    name="cells",
    title="Write the annotated cells",
    needs=tuple(
        cell_artifact(s) for s in ("annotate", "car", "cluster", "cycle", "signatures", "t_subsets")
    ),
    makes=(DONE,),
    also=lambda ctx: (_name(ctx),),
    run=run,
)
