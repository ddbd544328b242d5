"""Which cell types were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._weighted import WeightedStatistic
from cartscope.study.evidence._reading import COUNTED, absent_study, feature_names

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_FOUND = 25  # as many cells as a pseudobulk profile asks for


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per type; the effect is its number of cells."""
    absent = absent_study(ctx)
    statistics = weighted(ctx, claim, evidence)
    out = []
    for feature in feature_names(claim, evidence):
        name = evidence.features.get(feature) or feature
        found = statistics[name]
        reason = absent or ("" if found.patients else "no such sample in this run")
        row = CLAIMS_DETAIL.blank(
            id=claim.id,
            feature=feature,
            entry=name,
            effect=float("nan") if reason else found.whole(),
            expected="up",
            interval=COUNTED,
            n_group=len(found.patients),
            reason=reason or f"found: at least {_FOUND} cells",
        )
        out.append({**row, "low": float(_FOUND), "high": float("inf")})
    return pd.DataFrame(out)


def weighted(ctx: Context, claim: Claim, evidence: Evidence) -> dict[str, WeightedStatistic]:
    """Return the number of cells of every type as a function of who counts."""
    table = ctx.read_table("tables/cell_counts.csv")
    if "timepoint" in evidence.where:
        table = table[table["timepoint"].isin(evidence.where["timepoint"])]
    patients = tuple(sorted(set(table["patient"])))
    out = {}
    for feature in feature_names(claim, evidence):
        name = evidence.features.get(feature) or feature
        n = table[table["cell_type"] == name].groupby("patient")["n_cells"].sum()
        counts = n.reindex(patients).fillna(0.0).to_numpy(float)
        out[name] = WeightedStatistic(
            patients=patients, value=lambda w, counts=counts: float(np.dot(w, counts))
        )
    return out


EVIDENCE = EvidenceReader(
    table="cell_types",
    needs=("tables/cell_counts.csv", "tables/samples.csv"),
    rows=rows,
    weighted=weighted,
    effect="cells",
)
