"""Gene sets along the ranking of each contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import io, tl
from cartscope._schema import GSEA
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import split
from cartscope.study.comparisons._set_notes import with_notes
from cartscope.study.steps._rows import not_tested, stack

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Rank genes by their statistic and test the preset's collections."""
    p = ctx.preset.values("gsea")
    sets: dict[str, tuple[str, ...]] = {}
    for name in p["collections"]:
        sets |= io.read_gene_sets(ctx.manifests.file(f"gene_sets/{name}.gmt"))
    de = ctx.read_table("tables/de.csv")
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("gsea")]
    tables = []
    for s in splits:
        if s.reason:
            continue
        rows = de[de["contrast"] == s.contrast.id]
        ranking = rows.set_index("gene")["stat"].dropna()
        if ranking.empty:
            reason = rows["reason"].iloc[0] if len(rows) else "no gene could be ranked"
            tables.append(not_tested(GSEA, s.contrast.id, reason=reason))
            continue
        tables.append(
            tl.gsea(
                ranking,
                sets,
                min_size=p["min_size"],
                max_size=p["max_size"],
                random_state=ctx.seed,
                n_jobs=ctx.jobs,
                name=s.contrast.id,
            )
        )
    table = with_notes(ctx, stack(GSEA, tables, splits=splits))
    ctx.write_table("tables/gsea.csv", table)


STEP = Step(
    name="gsea",
    title="Gene-set enrichment",
    needs=("tables/de.csv", "tables/samples.csv"),
    makes=("tables/gsea.csv",),
    params=("gsea",),
    manifests=("contrasts.toml", "gene_sets"),
    seeded=True,
    run=run,
)
