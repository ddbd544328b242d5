"""Gene sets in the enrichment table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.evidence._reading import rows_by_contrast
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_NONE = "none: prerank has no interval of a score; see the row `per patient`"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per set and contrast; the effect is the normalised enrichment score."""
    table = ctx.read_table("tables/gsea.csv")
    table = table[table["contrast"].isin(evidence.contrasts)]
    sizes = table[table["fdr"].notna()].groupby("contrast").size()
    table = table.set_index(["contrast", "gene_set"])

    def find(contrast: str, gene_set: str) -> list[dict[str, Any]]:
        if (contrast, gene_set) not in table.index:
            return []
        row = table.loc[(contrast, gene_set)]
        members = _panels.profiled(ctx, contrast)
        return [
            {
                "population": "along the genes",
                "effect": row["nes"],
                "interval": _NONE,
                "p_value": row["p_value"],
                "fdr": row["fdr"],
                "family_size": int(sizes.get(contrast, 0)),
                "n_group": len(members[GROUP]),
                "n_reference": len(members[REFERENCE]),
                "reason": row.get("reason", ""),
            }
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


EVIDENCE = EvidenceReader(
    table="gsea",
    needs=("tables/gsea.csv", "tables/contrasts.csv", "tables/pseudobulk.csv"),
    rows=rows,
    effect="normalised enrichment score",
    test="prerank along the genes, which permutes genes, not patients",
    floor="permuting genes has no floor that patients set",
)
