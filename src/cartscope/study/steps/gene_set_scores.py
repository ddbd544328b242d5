"""Gene sets between patients: one score a patient, beside prerank's gene permutation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata

from cartscope import io, tl
from cartscope._schema import GENE_SET_SCORES
from cartscope.study._groups import GROUP, REFERENCE, split
from cartscope.study._model import Step
from cartscope.study._profiles import rows_of
from cartscope.study._pseudobulk import pseudobulk_artifact
from cartscope.study._rows import not_tested, stack
from cartscope.study._set_notes import NOTES, SETS, overlaps, with_notes
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Test the sets that claims name, on the same profiles as the genes."""
    sets = io.read_gene_sets(ctx.manifests.file(SETS))
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("gsea")]
    tables = []
    for s in splits:
        if s.reason:
            continue
        pdata = anndata.read_h5ad(ctx.path(pseudobulk_artifact(s.contrast.population)))
        rows = rows_of(pdata, s)
        if set(rows.obs["group"]) != {GROUP, REFERENCE}:
            reason = "too few cells: no profile in one of the groups"
            tables.append(not_tested(GENE_SET_SCORES, s.contrast.id, reason=reason))
            continue
        tables.append(
            tl.gene_set_patient_test(
                rows,
                sets,
                contrast=("group", GROUP, REFERENCE),
                paired=s.within_patient,
                min_size=ctx.preset.values("gsea")["min_size"],
                max_size=ctx.preset.values("gsea")["max_size"],
                name=s.contrast.id,
            )
        )
    table = with_notes(ctx, stack(GENE_SET_SCORES, tables, splits=splits))
    ctx.write_table("tables/gene_set_scores.csv", table)
    ctx.write_table("tables/gene_set_overlap.csv", overlaps(ctx))


STEP = Step(
    name="gene_set_scores",
    title="Gene sets between patients",
    needs=(TABLE, "tables/samples.csv"),
    makes=("tables/gene_set_scores.csv", "tables/gene_set_overlap.csv"),
    params=("gsea",),
    manifests=("contrasts.toml", SETS, NOTES),
    run=run,
)
