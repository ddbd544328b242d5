"""How many ligand-receptor pairs are candidates by the paper's rule, and how many pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._ligrec_candidates import NONE
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

TABLE = "tables/ligrec_candidates.csv"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return a row per published number; the range is the tolerance around it."""
    table = ctx.read_table(TABLE)
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    table = table.set_index("contrast")

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        column = f"n_{name}"
        if contrast not in table.index or column not in table:
            return []
        row = table.loc[contrast]
        if row["reason"] not in {"", NONE}:
            return [{"reason": row["reason"]}]
        return [{"effect": float(row[column]), "min_p": row["min_p"], "reason": row["reason"]}]

    published = {str(name): float(n) for name, n in claim.published.items()}
    named = evidence.model_copy(update={"features": evidence.features or {n: n for n in published}})
    out = rows_by_contrast(ctx, claim, named, find=find)
    tolerance = evidence.tolerance or 0.0
    stated = out["feature"].map(published)
    return out.assign(low=stated * (1 - tolerance), high=stated * (1 + tolerance))


EVIDENCE = EvidenceReader(
    table="ligrec_candidates",
    needs=(TABLE, "tables/contrasts.csv"),
    rows=rows,
    effect="pairs",
)
