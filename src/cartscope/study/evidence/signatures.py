"""Which cell type has the highest score of a gene set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._evidence import absent_study, feature_names
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_MIN_CELLS = 50


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the lead of the named types over the next, in mean score over patients."""
    table = ctx.read_table("tables/signatures.csv")
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    table = table[table["cell_type"] != "unassigned"]
    absent = absent_study(ctx)
    out = []
    for feature in feature_names(claim, evidence):
        here = table[table["signature"] == evidence.features.get(feature, feature)]
        cells = here.groupby("cell_type")["n_cells"].sum()
        # a patient counts once, however many cells were read
        means = here.groupby("cell_type")["mean"].mean()[cells >= _MIN_CELLS]
        named = means[means.index.isin(evidence.populations)]
        others = means[~means.index.isin(evidence.populations)]
        row = CLAIMS_DETAIL.blank(id=claim.id, feature=feature, expected="up", effect=float("nan"))
        if absent:
            row["reason"] = absent
        elif named.empty or others.empty:
            row["reason"] = f"no two cell types with at least {_MIN_CELLS} cells to compare"
        else:
            row["effect"] = float(named.max() - others.max())
            row["population"] = str(means.idxmax())
            row["reason"] = f"highest in {means.idxmax()}, next other type {others.idxmax()}"
        out.append(row)
    return pd.DataFrame(out)


EVIDENCE = EvidenceReader(
    table="signatures",
    needs=("tables/signatures.csv",),
    rows=rows,
    effect="lead in mean score",
)
