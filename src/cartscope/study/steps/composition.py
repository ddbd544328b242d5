"""Shares of cells, compared between patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import tl
from cartscope._schema import COMPOSITION
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
    min_cells = ctx.preset.values("composition")["min_cells"]
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("composition")]
    adata = ctx.cells("composition")
    tables, shares = [], []
    for s in splits:
        if s.reason:
            continue
        cells = cells_of(adata, s, manifest.population[s.contrast.population])
        if reason := lacking(cells):
            tables.append(not_tested(COMPOSITION, s.contrast.id, reason=reason))
            continue
        strata = strata_of(ctx, s, samples)
        contrast = (SIDE, GROUP, REFERENCE) if strata is None else strata.sides(cells.obs)
        for parts in s.contrast.parts:
            tables.append(
                tl.composition(
                    cells,
                    parts=parts,
                    contrast=contrast,
                    min_cells=min_cells,
                    name=s.contrast.id,
                )
            )
            part = tl.composition_fractions(cells, parts=parts)
            share = patient_shares(part, cells, contrast=s.contrast.id)
            shares.append(share.assign(part=parts))
    ctx.write_table("tables/composition.csv", stack(COMPOSITION, tables, splits=splits))
    ctx.write_table("tables/composition_patients.csv", pd.concat([patient_shares(), *shares]))


STEP = Step(
    name="composition",
    title="Shares of cells between patients",
    needs=(cell_artifact("car"), cell_artifact("t_subsets"), "tables/samples.csv"),
    makes=("tables/composition.csv", "tables/composition_patients.csv"),
    params=("composition", "between_patients"),
    manifests=("contrasts.toml",),
    run=run,
)
