"""Pairs of ligand and receptor in the ligand-receptor table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return a row per pair, source and target; the effect is a difference of medians."""
    table = ctx.read_table("tables/ligrec.csv")
    table = table[table["contrast"].isin(evidence.contrasts)]
    pair = table["ligand"] + "_" + table["receptor"]

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        chosen = table[(table["contrast"] == contrast) & (pair == name)]
        if evidence.sources:
            chosen = chosen[chosen["source"].isin(evidence.sources)]
        if evidence.targets:
            chosen = chosen[chosen["target"].isin(evidence.targets)]
        return [
            {
                "population": f"{row.source} to {row.target}",
                "effect": row.median_group - row.median_reference,
                "p_value": row.p_value,
                "fdr": row.fdr,
                "min_p": row.min_p if np.isfinite(row.min_p) else np.nan,
                "reason": row.reason,
            }
            for row in chosen.itertuples()
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


EVIDENCE = EvidenceReader(
    table="ligrec",
    needs=("tables/ligrec.csv", "tables/contrasts.csv"),
    rows=rows,
    effect="difference of median scores",
)
