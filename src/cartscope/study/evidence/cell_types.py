"""Which cell types were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._evidence import absent_study
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_FOUND = 25  # as many cells as a pseudobulk profile asks for


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per type; the effect is its number of cells."""
    table = ctx.read_table("tables/expression.csv")
    if "timepoint" in evidence.where:
        table = table[table["timepoint"].isin(evidence.where["timepoint"])]
    # each population stands once per gene; its cells count once
    once = table.drop_duplicates(["cell_type", "t_subset", "car_status", "timepoint"])
    counts = once.groupby("cell_type")["n_cells"].sum()
    absent = absent_study(ctx) or ("" if len(table) else "no such sample in this run")
    out = []
    for feature in evidence.features or dict.fromkeys(claim.features, ""):
        name = evidence.features.get(feature) or feature
        row = CLAIMS_DETAIL.blank(
            id=claim.id,
            feature=feature,
            effect=float("nan") if absent else float(counts.get(name, 0)),
            expected="up",
            reason=absent or f"found: at least {_FOUND} cells",
        )
        out.append({**row, "low": float(_FOUND), "high": float("inf")})
    return pd.DataFrame(out)


EVIDENCE = EvidenceReader(
    table="cell_types",
    needs=("tables/expression.csv",),
    rows=rows,
    effect="cells",
)
