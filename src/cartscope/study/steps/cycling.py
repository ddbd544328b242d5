"""Shares of cycling cells, compared between patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import tl
from cartscope._schema import CYCLING
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.steps._patients import SIDE, cells_of, lacking, patient_shares
from cartscope.study.steps._rows import not_tested, stack

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Write the tests and the shares behind them."""
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    min_cells = ctx.preset.values("cycling")["min_cells"]
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("cycling")]
    adata = ctx.cells("cycling")
    tables, shares = [], []
    for s in splits:
        if s.reason:
            continue
        population = manifest.population[s.contrast.population]
        cells = cells_of(adata, s, population)
        if reason := lacking(cells):
            tables.append(not_tested(CYCLING, s.contrast.id, reason=reason))
            continue
        strata = strata_of(ctx, s, samples)
        contrast = (SIDE, GROUP, REFERENCE) if strata is None else strata.sides(cells.obs)
        tables.append(
            tl.cycling(
                cells,
                contrast=contrast,
                population=population.label,
                min_cells=min_cells,
                name=s.contrast.id,
            )
        )
        part = tl.cycling_fractions(cells, population=population.label)
        shares.append(patient_shares(part, cells, contrast=s.contrast.id))
    ctx.write_table("tables/cycling.csv", stack(CYCLING, tables, splits=splits))
    ctx.write_table("tables/cycling_patients.csv", pd.concat([patient_shares(), *shares]))


STEP = Step(
    name="cycling",
    title="Shares of cycling cells between patients",
    needs=(cell_artifact("car"), cell_artifact("cycle"), "tables/samples.csv"),
    makes=("tables/cycling.csv", "tables/cycling_patients.csv"),
    params=("cycling", "between_patients"),
    manifests=("contrasts.toml",),
    run=run,
)
