"""Pairs of ligand and receptor in the ligand-receptor table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope.study._model import EvidenceReader
from cartscope.study.evidence._fractions import interval_of
from cartscope.study.evidence._reading import rows_by_contrast, wanted_entries
from cartscope.study.redo._label_tests import permute_families
from cartscope.study.redo._patient_values import compare, pair_entries, pair_families

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_NAMES = ("effect", "ci_low", "ci_high", "min_p")


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return a row per pair, source and target; the effect is a shift of scores."""
    table = ctx.read_table("tables/ligrec.csv")
    table = table[table["contrast"].isin(evidence.contrasts)]
    pair = table["ligand"] + "_" + table["receptor"]
    shifts = {
        (family.contrast, row["entry"]): {n: row[n] for n in _NAMES}
        for family in pair_families(ctx, evidence.contrasts)
        for row in compare(family)
    }

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        chosen = table[(table["contrast"] == contrast) & (pair == name)]
        if evidence.sources:
            chosen = chosen[chosen["source"].isin(evidence.sources)]
        if evidence.targets:
            chosen = chosen[chosen["target"].isin(evidence.targets)]
        return [
            {
                "entry": entry,
                "population": f"{row.source} to {row.target}",
                "p_value": row.p_value,
                "fdr": row.fdr,
                "family_size": int(row.family_size),
                "n_group": int(row.n_group),
                "n_reference": int(row.n_reference),
                "interval": interval_of(pd.Series(row._asdict())),
                "reason": row.reason,
                **shifts.get((contrast, entry), {"effect": float("nan")}),
            }
            for row, entry in zip(chosen.itertuples(), pair_entries(chosen), strict=True)
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


def without(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Test the named pairs again without each patient, in their family."""
    for family in pair_families(ctx, wanted_entries(pairs)):
        for patient in family.patients:
            for row in compare(family.without(patient)):
                yield {
                    "contrast": family.contrast,
                    "patient_left_out": patient,
                    "how": "exact test and family done again",
                    **row,
                }


def permuted(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Permute the labels behind the named pairs."""
    yield from permute_families(ctx, pair_families(ctx, wanted_entries(pairs)))


EVIDENCE = EvidenceReader(
    table="ligrec",
    needs=(
        "tables/ligrec.csv",
        "tables/ligrec_patients.csv",
        "tables/contrasts.csv",
        "tables/samples.csv",
    ),
    rows=rows,
    without=without,
    permuted=permuted,
    effect="Hodges-Lehmann shift of the score",
    test="exact two-sided U test on one score per patient, zeros included, within strata where "
    "the contrast has them",
)
