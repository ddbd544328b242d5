"""Gene sets among the genes that pass, beside their place along the whole ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope import io, tl
from cartscope._schema import OVER_REPRESENTATION
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import split
from cartscope.study.steps._rows import not_tested, stack

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.study._context import Context

DIRECTIONS = {"up": 1, "down": -1}


def run(ctx: Context) -> None:
    """Ask which sets hold more of the genes that pass, up and down apart, than chance."""
    p, alpha = ctx.preset.values("gsea"), ctx.preset.values("de")["alpha"]
    sets: dict[str, tuple[str, ...]] = {}
    for name in p["collections"]:
        sets |= io.read_gene_sets(ctx.manifests.file(f"gene_sets/{name}.gmt"))
    de = ctx.read_table("tables/de.csv")
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("gsea")]
    tables: list[pd.DataFrame] = []
    for s in splits:
        if s.reason:
            continue
        every = de[de["contrast"] == s.contrast.id]
        rows = every[every["p_value"].notna()]
        if rows.empty:
            reason = every["reason"].iloc[0] if len(every) else "no gene was tested"
            tables.append(not_tested(OVER_REPRESENTATION, s.contrast.id, reason=reason))
            continue
        for direction, sign in DIRECTIONS.items():
            chosen = rows[(rows["fdr"] < alpha) & (np.sign(rows["log2_fc"]) == sign)]
            if chosen.empty:
                reason = f"no gene passes q < {alpha:g}"
                row = not_tested(OVER_REPRESENTATION, s.contrast.id, reason=reason)
            else:
                row = tl.over_representation(
                    chosen["gene"],
                    sets,
                    universe=rows["gene"],
                    min_size=p["min_size"],
                    max_size=p["max_size"],
                    name=s.contrast.id,
                )
                # thousands of sets without a gene that passes say nothing
                row = row[(row["overlap"] > 0) & (row["reason"] == "")]
            tables.append(row.assign(direction=direction))
    table = stack(OVER_REPRESENTATION, tables, splits=splits)
    ctx.write_table("tables/over_representation.csv", table)


STEP = Step(
    name="over_representation",
    title="Gene sets among the genes that pass",
    needs=("tables/de.csv", "tables/samples.csv"),
    makes=("tables/over_representation.csv",),
    params=("gsea", "de"),
    manifests=("contrasts.toml", "gene_sets"),
    run=run,
)
