"""Gene sets in the enrichment table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per set and contrast; the effect is the normalised enrichment score."""
    table = ctx.read_table("tables/gsea.csv")
    table = table[table["contrast"].isin(evidence.contrasts)].set_index(["contrast", "gene_set"])

    def find(contrast: str, gene_set: str) -> list[dict[str, Any]]:
        if (contrast, gene_set) not in table.index:
            return []
        row = table.loc[(contrast, gene_set)]
        return [
            {
                "effect": row["nes"],
                "p_value": row["p_value"],
                "fdr": row["fdr"],
                "reason": row.get("reason", ""),
            }
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


EVIDENCE = EvidenceReader(
    table="gsea",
    needs=("tables/gsea.csv", "tables/contrasts.csv"),
    rows=rows,
    effect="normalised enrichment score",
)
