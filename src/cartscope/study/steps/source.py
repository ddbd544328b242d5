"""Find the data, or simulate a study in GEO's own layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cartscope import simulate
from cartscope.study._files import replacing
from cartscope.study._model import Step
from cartscope.study._source import SIMULATED, read_source

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Simulate where the user gave no data; say which it is."""
    source = read_source(ctx)
    if source.kind == "simulated":
        cells = ctx.settings.cells or ctx.manifests.cohort.default_cells
        with replacing(ctx.path(SIMULATED)) as temporary:
            simulate.simulate(temporary, cells=cells, seed=ctx.seed, n_jobs=ctx.jobs)
    with ctx.writing("work/source.json") as temporary:
        temporary.write_text(json.dumps({"kind": source.kind}), "utf-8")


def inputs(ctx: Context) -> dict[str, object]:
    """Return which source it is."""
    source = read_source(ctx)
    return {"kind": source.kind, "root": str(source.root)}


STEP = Step(
    name="source",
    title="Find or simulate the data",
    makes=("work/source.json",),
    settings=("data", "cells"),
    manifests=("cohort.toml",),
    seeded=True,
    inputs=inputs,
    also=lambda ctx: (SIMULATED,) if ctx.settings.data == "simulated" else (),
    run=run,
)
