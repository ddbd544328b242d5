"""Gene sets between patients: one score a patient, beside prerank's gene permutation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import pandas as pd

from cartscope import _keys as k
from cartscope import io, tl
from cartscope._schema import GENE_SET_PATIENTS, GENE_SET_SCORES
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import GROUP, REFERENCE, is_blank, split
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.comparisons._set_notes import NOTES, SETS, overlaps, with_notes
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.steps._profiles import rows_of
from cartscope.study.steps._rows import not_tested, stack
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split

PATIENTS = "tables/gene_set_patients.csv"
_TREATMENTS = (k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample)


def run(ctx: Context) -> None:
    """Test the sets that claims name, on the same profiles as the genes."""
    sets = io.read_gene_sets(ctx.manifests.file(SETS))
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("gsea")]
    tables, patients = [], []
    for s in splits:
        if s.reason:
            continue
        pdata = anndata.read_h5ad(ctx.path(pseudobulk_artifact(s.contrast.population)))
        rows = rows_of(pdata, s)
        if set(rows.obs["group"]) != {GROUP, REFERENCE}:
            reason = "too few cells: no profile in one of the groups"
            tables.append(not_tested(GENE_SET_SCORES, s.contrast.id, reason=reason))
            continue
        tables.append(compare_sets(ctx, rows, s))
        patients.append(_by_patient(rows, sets).assign(contrast=s.contrast.id))
    table = with_notes(ctx, stack(GENE_SET_SCORES, tables, splits=splits))
    ctx.write_table("tables/gene_set_scores.csv", table)
    ctx.write_table("tables/gene_set_overlap.csv", overlaps(ctx))
    each = pd.concat([GENE_SET_PATIENTS.empty(), *patients], ignore_index=True)
    ctx.write_table(PATIENTS, each[list(GENE_SET_PATIENTS.columns)])


def _by_patient(rows: AnnData, sets: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Return one row per profile and set, with the treatment known to be before the sample."""
    scores = tl.gene_set_patient_scores(rows, sets)
    about = pd.DataFrame(
        {
            "side": rows.obs["group"].astype(str),
            "patient": rows.obs[k.obs.patient].astype(str),
        }
    )
    for column in _TREATMENTS:
        about[column] = "unknown"
        if column in rows.obs:
            known = ~is_blank(rows.obs[column])
            about.loc[known, column] = rows.obs.loc[known, column].astype(str).str.lower()
    return about.join(scores).melt(id_vars=list(about), var_name="gene_set", value_name="score")


def compare_sets(ctx: Context, rows: AnnData, s: Split) -> pd.DataFrame:
    """Test the sets between the patients of one contrast.

    Parameters
    ----------
    ctx
        The run.
    rows
        Profiles, each on its side.
    s
        The contrast.

    Returns
    -------
    A table that follows ``GENE_SET_SCORES``.
    """
    limits = ctx.preset.values("gsea")
    strata = strata_of(ctx, s, ctx.read_table("tables/samples.csv"))
    contrast: tuple = ("group", GROUP, REFERENCE)
    if strata is not None:
        rows = rows.copy()
        contrast = strata.sides(rows.obs)
    return tl.gene_set_patient_test(
        rows,
        io.read_gene_sets(ctx.manifests.file(SETS)),
        contrast=contrast,
        paired=s.within_patient,
        min_size=limits["min_size"],
        max_size=limits["max_size"],
        name=s.contrast.id,
    )


STEP = Step(
    name="gene_set_scores",
    title="Gene sets between patients",
    needs=(TABLE, "tables/samples.csv"),
    makes=("tables/gene_set_scores.csv", "tables/gene_set_overlap.csv", PATIENTS),
    params=("gsea", "between_patients"),
    manifests=("contrasts.toml", SETS, NOTES),
    run=run,
)
