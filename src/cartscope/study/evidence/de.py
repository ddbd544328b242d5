"""Genes in the differential expression table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_Z95 = 1.959963984540054


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per gene and contrast; the effect is the log2 fold change."""
    table = ctx.read_table("tables/de.csv")
    table = table[table["contrast"].isin(evidence.contrasts)].set_index(["contrast", "gene"])

    def find(contrast: str, gene: str) -> list[dict[str, Any]]:
        if (contrast, gene) not in table.index:
            return []
        row = table.loc[(contrast, gene)]
        half = _Z95 * row["se"]
        return [
            {
                "effect": row["log2_fc"],
                "ci_low": row["log2_fc"] - half,
                "ci_high": row["log2_fc"] + half,
                "p_value": row["p_value"],
                "fdr": row["fdr"],
                "reason": row.get("reason", ""),
            }
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


EVIDENCE = EvidenceReader(
    table="de",
    needs=("tables/de.csv", "tables/contrasts.csv"),
    rows=rows,
    effect="log2 fold change",
)
