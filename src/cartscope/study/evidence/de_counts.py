"""How many genes each population has above the paper's threshold, and which has most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._evidence import rows_by_contrast
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_TWOFOLD = 1.0  # the paper asks for more than a two-fold change


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the lead of the first contrast over the best of the others, in genes."""
    table = ctx.read_table("tables/de.csv")
    passed = table[(table["fdr"] < claim.alpha) & (table["log2_fc"].abs() > _TWOFOLD)]
    tested = set(table.loc[table["p_value"].notna(), "contrast"])
    counts = {c: int((passed["contrast"] == c).sum()) for c in evidence.contrasts if c in tested}
    first, *others = evidence.contrasts

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        del name
        rivals = [counts[c] for c in others if c in counts]
        if contrast != first or first not in counts or not rivals:
            return [{"reason": f"no result for {first}, or nothing to compare it with"}]
        words = ", ".join(f"{c} {n}" for c, n in counts.items())
        return [{"effect": float(counts[first] - max(rivals)), "reason": f"genes: {words}"}]

    only_first = evidence.model_copy(update={"contrasts": (first,)})
    return rows_by_contrast(ctx, claim, only_first, find=find)


EVIDENCE = EvidenceReader(
    table="de_counts",
    needs=("tables/de.csv", "tables/contrasts.csv"),
    rows=rows,
    effect="lead in number of genes",
)
