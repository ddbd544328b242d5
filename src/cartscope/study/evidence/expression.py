"""Which population expresses a gene most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._evidence import absent_study
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_MIN_CELLS = 50


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the lead of the named populations over the next, in mean log1p expression."""
    table = ctx.read_table("tables/expression.csv")
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    by = evidence.by or "t_subset"
    table = table[~table[by].isin(["", "unassigned"])]
    weighted = table.assign(total=table["mean"] * table["n_cells"])
    sums = weighted.groupby(["gene", by])[["total", "n_cells"]].sum()
    sums = sums[sums["n_cells"] >= _MIN_CELLS]
    means = sums["total"] / sums["n_cells"]
    set(means.index.get_level_values(0))
    absent = absent_study(ctx)
    out = []
    for feature in evidence.features or dict.fromkeys(claim.features, ""):
        gene = evidence.features.get(feature) or feature
        row = CLAIMS_DETAIL.blank(id=claim.id, feature=feature, expected="up", effect=float("nan"))
        here = (
            means.loc[gene] if gene in means.index.get_level_values(0) else pd.Series(dtype=float)
        )
        named = here[here.index.isin(evidence.populations)]
        others = here[~here.index.isin(evidence.populations)]
        if absent:
            row["reason"] = absent
        elif named.empty or others.empty:
            row["reason"] = f"{gene}: no {by} with at least {_MIN_CELLS} cells to compare"
        else:
            row["effect"] = float(named.max() - others.max())
            row["population"] = str(here.idxmax())
            row["reason"] = f"highest in {here.idxmax()}, then {_second(here)}"
        out.append(row)
    return pd.DataFrame(out)


def _second(values: pd.Series) -> str:
    ranked = values.sort_values(ascending=False)
    return str(ranked.index[1]) if len(ranked) > 1 else "none"


EVIDENCE = EvidenceReader(
    table="expression",
    needs=("tables/expression.csv",),
    rows=rows,
    effect="lead in mean log1p expression",
)
