"""Judge every claim of the paper by its kind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import stats
from cartscope._schema import CLAIMS, CLAIMS_DETAIL
from cartscope.study._model import Judgement, Step
from cartscope.study._planted import against_truth, planted_effect, read_planted
from cartscope.study._registry import all_evidence, all_judges
from cartscope.study._simulated import is_simulated
from cartscope.study._source import read_source
from cartscope.study._verdicts import INCONSISTENT, NOT_TESTABLE

if TYPE_CHECKING:
    from cartscope.manifest import Claim
    from cartscope.study._context import Context

_CLINICAL = "needs the trial's patient table, which the authors give on request"
_NO_TABLE = "no table of this version holds the quantity"
_COLUMNS = {"geo+grades": "crs_grade", "geo+response": "response"}
_INNER = ("excludes", "low", "high")


def run(ctx: Context) -> None:
    """Write the ledger and its detail."""
    simulated = is_simulated(ctx)
    truth = read_source(ctx).truth if simulated else None
    planted = read_planted(truth, ctx.manifests.claims)
    rows, details = [], []
    for claim in ctx.manifests.claims:
        detail = _detail(ctx, claim)
        found = all_judges()[claim.kind].judge(claim, detail)
        if found.verdict == NOT_TESTABLE and not claim.evidence:
            found = replace(found, reason=_missing(ctx, claim))
        if simulated:
            found = _on_simulated(claim, detail, found=found, planted=planted)
        elif claim.inconsistent and found.verdict != NOT_TESTABLE:
            reason = f"{claim.inconsistent}; here: {found.reason}"
            found = replace(found, verdict=INCONSISTENT, reason=reason)
        detail = detail.assign(verdict=found.row_verdicts, reason=found.row_reasons)
        details.append(detail.drop(columns=list(_INNER)))
        caveats = [ctx.manifests.cohort.caveats["simulated"]] if simulated else []
        rows.append(_row(claim, detail, found=found, caveats=[*caveats, claim.caveat, claim.note]))
    table = pd.concat([CLAIMS_DETAIL.empty(), *(d for d in details if len(d))], ignore_index=True)
    ctx.write_table("claims_detail.csv", table)
    ctx.write_table("claims.csv", pd.DataFrame(rows))


def _missing(ctx: Context, claim: Claim) -> str:
    """Return what stands between a claim without evidence and a verdict."""
    if claim.data == "clinical":
        return _CLINICAL
    samples = ctx.read_table("tables/samples.csv")
    column = _COLUMNS.get(claim.data)
    if column and (column not in samples or samples[column].astype(str).isin(["", "nan"]).all()):
        return f"needs {column.replace('_', ' ')} of the patients; {_NO_TABLE}"
    return _NO_TABLE


def _detail(ctx: Context, claim: Claim) -> pd.DataFrame:
    parts = []
    for evidence in claim.evidence:
        part = all_evidence()[evidence.table].rows(ctx, claim, evidence)
        if len(part):
            excludes = np.nan if evidence.excludes is None else evidence.excludes
            low, high = evidence.range or (np.nan, np.nan)
            given = {"excludes": excludes, "low": low, "high": high}
            parts.append(part.assign(**{c: v for c, v in given.items() if c not in part}))
    none = CLAIMS_DETAIL.empty().assign(**dict.fromkeys(_INNER, np.nan))
    detail = pd.concat(parts, ignore_index=True) if parts else none
    return detail.assign(planted=np.nan)


def _on_simulated(
    claim: Claim, detail: pd.DataFrame, *, found: Judgement, planted: pd.DataFrame | None
) -> Judgement:
    if found.verdict == NOT_TESTABLE:
        return found
    if planted is None:
        text = "SIMULATED data without the planted truth beside them"
        verdicts = (NOT_TESTABLE,) * len(detail)
        return replace(found, verdict=NOT_TESTABLE, reason=text, row_verdicts=verdicts)
    detail["planted"] = [planted_effect(planted, row) for _, row in detail.iterrows()]
    verdicts, verdict, reason = against_truth(claim, detail, found)
    return replace(found, verdict=verdict, reason=reason, row_verdicts=tuple(verdicts))


def _row(
    claim: Claim, detail: pd.DataFrame, *, found: Judgement, caveats: list[str]
) -> dict[str, Any]:
    one = detail.iloc[0] if len(detail) == 1 else None
    tables = dict.fromkeys(e.table for e in claim.evidence)
    test = "; ".join(f"{t}: {all_evidence()[t].effect}" for t in tables)
    contrasts = dict.fromkeys(c for e in claim.evidence for c in e.contrasts)
    return CLAIMS.blank(
        id=claim.id,
        panel=claim.panel,
        kind=claim.kind,
        published=json.dumps(claim.published, sort_keys=True) if claim.published else "",
        computed=found.computed,
        ci_low=one["ci_low"] if one is not None else np.nan,
        ci_high=one["ci_high"] if one is not None else np.nan,
        test=test,
        family=" ".join(contrasts),
        n_group=int(detail["n_group"].max()) if len(detail) else 0,
        n_reference=int(detail["n_reference"].max()) if len(detail) else 0,
        min_p=detail["min_p"].min() if len(detail) else np.nan,
        detectable_effect=_detectable(claim, detail),
        influence="not computed",
        caveats="; ".join(c for c in caveats if c),
        verdict=found.verdict,
        reason=found.reason,
    )


def _detectable(claim: Claim, detail: pd.DataFrame) -> float:
    """Return the standardised effect found with 80% power, where a claim rests on rank tests."""
    ranked = {"composition", "corrected", "cycling", "gene_set_scores", "ligrec"}
    if not ranked & {e.table for e in claim.evidence} or not len(detail):
        return float("nan")
    n = int(detail["n_group"].max()), int(detail["n_reference"].max())
    if min(n) < 1:
        return float("nan")
    return float(stats.detectable_effect(*n, alpha=claim.alpha))


STEP = Step(
    name="claims",
    title="The claim ledger",
    needs=(
        *dict.fromkeys(n for e in all_evidence().values() for n in e.needs),
        "work/source.json",
    ),
    makes=("claims.csv", "claims_detail.csv"),
    manifests=("claims.toml", "cohort.toml"),
    run=run,
)
