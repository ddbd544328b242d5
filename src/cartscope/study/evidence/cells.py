"""Numbers of cells after quality control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._weighted import WeightedStatistic
from cartscope.study.evidence._reading import COUNTED, absent_study

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_PUBLISHED_TIMEPOINT = {"total": None, "infusion_product": "infusion_product", "day7": "day7"}


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per published number; the range is the tolerance around it."""
    absent = absent_study(ctx, evidence.where.get("study", ()), every=True)
    tolerance = evidence.tolerance or 0.0
    statistics = weighted(ctx, claim, evidence)
    out = []
    for name, published in claim.published.items():
        found = statistics[name]
        reason = absent or ("" if found.patients else "no such sample in this run")
        row = CLAIMS_DETAIL.blank(
            id=claim.id,
            feature=name,
            entry=name,
            effect=float("nan") if reason else found.whole(),
            interval=COUNTED,
            n_group=len(found.patients),
            reason=reason,
        )
        low, high = published * (1 - tolerance), published * (1 + tolerance)
        out.append({**row, "low": low, "high": high})
    return pd.DataFrame(out)


def weighted(ctx: Context, claim: Claim, evidence: Evidence) -> dict[str, WeightedStatistic]:
    """Return every published number as a function of who counts."""
    qc = ctx.read_table("tables/qc.csv")
    samples = ctx.read_table("tables/samples.csv").set_index("sample_id")
    # the paper's numbers are of infusion products and day 7 alone
    qc = qc[qc["timepoint"].isin([t for t in _PUBLISHED_TIMEPOINT.values() if t])]
    if "study" in evidence.where and "study" in samples:
        qc = qc[qc["sample"].map(samples["study"]).isin(evidence.where["study"])]
    patient = qc["sample"].map(samples["patient"]).astype(str)
    out = {}
    for name in claim.published:
        timepoint = _PUBLISHED_TIMEPOINT[name]
        here = qc["timepoint"].notna() if timepoint is None else qc["timepoint"] == timepoint
        n = qc[here].groupby(patient[here])["n_kept"].sum()
        counts = n.to_numpy(float)
        out[name] = WeightedStatistic(
            patients=tuple(n.index), value=lambda w, counts=counts: float(np.dot(w, counts))
        )
    return out


EVIDENCE = EvidenceReader(
    table="cells",
    needs=("tables/qc.csv", "tables/samples.csv"),
    rows=rows,
    weighted=weighted,
    effect="cells",
)
