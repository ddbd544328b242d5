"""Gene sets tested between patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per set and contrast; the effect is a difference of mean z."""
    table = ctx.read_table("tables/gene_set_scores.csv")
    table = table[table["contrast"].isin(evidence.contrasts)].set_index(["contrast", "gene_set"])

    def find(contrast: str, gene_set: str) -> list[dict[str, Any]]:
        if (contrast, gene_set) not in table.index:
            return []
        row = table.loc[(contrast, gene_set)]
        names = ("effect", "ci_low", "ci_high", "p_value", "fdr", "min_p", "reason")
        return [{**{n: row[n] for n in names}, "population": "per patient"}]

    return rows_by_contrast(ctx, claim, evidence, find=find)


EVIDENCE = EvidenceReader(
    table="gene_set_scores",
    needs=("tables/gene_set_scores.csv", "tables/contrasts.csv"),
    rows=rows,
    effect="difference of mean z between patients",
)
