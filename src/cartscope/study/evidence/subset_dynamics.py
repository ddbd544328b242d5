"""Whether the subsets of CAR T cells change alike in both cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._dynamics import COUNTS, read_dynamics
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.comparisons._weighted import BOOTSTRAP, WeightedStatistic
from cartscope.study.evidence._reading import absent_study

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_ENTRY = "correlation of changes"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the correlation over subsets; the differences stand in ``subset_dynamics.csv``."""
    row = CLAIMS_DETAIL.blank(
        id=claim.id,
        feature=_ENTRY,
        entry=_ENTRY,
        population="CAR+ T cells",
        expected=evidence.direction or claim.direction,
        effect=float("nan"),
        min_p=float("nan"),
    )
    found = read_dynamics(ctx, evidence.where.get("study", ()))
    absent = absent_study(ctx, evidence.where.get("study", ()), every=True)
    if absent or isinstance(found, str):
        row["reason"] = absent or found
        return pd.DataFrame([row])
    correlation = found.correlation()
    group, reference = found.changes(np.ones(len(found.patients)))
    low, high = correlation.interval(f"{claim.id} {_ENTRY}", random_state=ctx.seed)
    row |= {"effect": correlation.whole(), "ci_low": low, "ci_high": high, "interval": BOOTSTRAP}
    for side in (GROUP, REFERENCE):
        row[f"n_{side}"] = int((found.side == side).sum())
    widest = int(np.abs(group - reference).argmax())
    row["reason"] = (
        f"{len(found.subsets)} subsets; they differ most in {found.subsets[widest]}: "
        f"{group[widest]:+.3f} with anakinra, {reference[widest]:+.3f} in the comparator"
    )
    return pd.DataFrame([row])


def weighted(ctx: Context, claim: Claim, evidence: Evidence) -> dict[str, WeightedStatistic]:
    """Return the correlation as a function of who counts."""
    del claim
    found = read_dynamics(ctx, evidence.where.get("study", ()))
    return {} if isinstance(found, str) else {_ENTRY: found.correlation()}


EVIDENCE = EvidenceReader(
    table="subset_dynamics",
    needs=(COUNTS, "tables/samples.csv"),
    rows=rows,
    weighted=weighted,
    effect="correlation over subsets of the change of their shares",
)
