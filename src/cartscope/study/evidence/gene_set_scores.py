"""Gene sets tested between patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata

from cartscope import _keys as k
from cartscope import io
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.comparisons._set_notes import SETS
from cartscope.study.evidence._fractions import interval_of
from cartscope.study.evidence._reading import rows_by_contrast, wanted_entries
from cartscope.study.redo._label_tests import permute_sets
from cartscope.study.steps._profiles import rows_of
from cartscope.study.steps.gene_set_scores import compare_sets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_NAMES = ("effect", "ci_low", "ci_high", "p_value", "fdr", "min_p", "reason")
_PATIENT = "per patient"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per set and contrast; the effect is a difference of mean z."""
    table = ctx.read_table("tables/gene_set_scores.csv")
    table = table[table["contrast"].isin(evidence.contrasts)].set_index(["contrast", "gene_set"])

    def find(contrast: str, gene_set: str) -> list[dict[str, Any]]:
        if (contrast, gene_set) not in table.index:
            return []
        row = table.loc[(contrast, gene_set)]
        return [
            {
                **{n: row[n] for n in _NAMES},
                "interval": interval_of(row),
                "population": _PATIENT,
                **{n: int(row[n]) for n in ("n_group", "n_reference", "family_size")},
            }
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


def without(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Score and test the sets again without each patient."""
    manifest = ctx.manifests.contrasts
    samples = ctx.read_table("tables/samples.csv")
    known = {c.id: c for c in manifest.contrast}
    for contrast, names in wanted_entries(pairs).items():
        s = split(known[contrast], manifest, samples)
        if s.reason:
            continue
        path = ctx.path(pseudobulk_artifact(known[contrast].population))
        every = rows_of(anndata.read_h5ad(path), s)
        patients = every.obs[k.obs.patient].astype(str)
        for patient in sorted(set(patients)):
            left = every[(patients != patient).to_numpy()].copy()
            row = {"contrast": contrast, "patient_left_out": patient}
            row["how"] = "scores, test and family done again"
            if set(left.obs["group"]) != {GROUP, REFERENCE}:
                reason = "nobody with a profile is left on one side"
                yield from ({**row, "entry": name, "reason": reason} for name in names)
                continue
            table = compare_sets(ctx, left, s).set_index("gene_set")
            for name in names:
                if name in table.index:
                    yield {**row, "entry": name, **{n: table.loc[name, n] for n in _NAMES}}


def permuted(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Permute the labels behind the scores."""
    sets = io.read_gene_sets(ctx.manifests.file(SETS))
    for contrast, names in wanted_entries(pairs).items():
        there = [n for n in names if n in sets]
        yield from permute_sets(ctx, contrast, there, genes=[tuple(sets[n]) for n in there])


EVIDENCE = EvidenceReader(
    table="gene_set_scores",
    needs=(
        "tables/gene_set_scores.csv",
        "tables/contrasts.csv",
        "tables/pseudobulk.csv",
        "tables/samples.csv",
    ),
    rows=rows,
    without=without,
    permuted=permuted,
    effect="difference of mean z between patients",
    test="exact two-sided U test on one score per patient, within strata where the contrast has "
    "them; signed-rank test within patients",
)
