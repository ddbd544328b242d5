"""Numbers of cells after quality control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._evidence import absent_study
from cartscope.study._model import EvidenceReader

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_PUBLISHED_TIMEPOINT = {"total": None, "infusion_product": "infusion_product", "day7": "day7"}


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per published number; the range is the tolerance around it."""
    qc = ctx.read_table("tables/qc.csv")
    samples = ctx.read_table("tables/samples.csv").set_index("sample_id")
    # the paper's numbers are of infusion products and day 7 alone
    qc = qc[qc["timepoint"].isin([t for t in _PUBLISHED_TIMEPOINT.values() if t])]
    if "study" in evidence.where and "study" in samples:
        qc = qc[qc["sample"].map(samples["study"]).isin(evidence.where["study"])]
    absent = absent_study(ctx, evidence.where.get("study", ()), every=True)
    tolerance = evidence.tolerance or 0.0
    out = []
    for name, published in claim.published.items():
        timepoint = _PUBLISHED_TIMEPOINT[name]
        chosen = qc if timepoint is None else qc[qc["timepoint"] == timepoint]
        reason = absent or ("" if len(chosen) else "no such sample in this run")
        n = float("nan") if reason else float(chosen["n_kept"].sum())
        row = CLAIMS_DETAIL.blank(
            id=claim.id,
            feature=name,
            effect=n,
            reason=reason,
        )
        low, high = published * (1 - tolerance), published * (1 + tolerance)
        out.append({**row, "low": low, "high": high})
    return pd.DataFrame(out)


EVIDENCE = EvidenceReader(
    table="cells",
    needs=("tables/qc.csv", "tables/samples.csv"),
    rows=rows,
    effect="cells",
)
