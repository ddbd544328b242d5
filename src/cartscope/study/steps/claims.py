"""Judge every claim of the paper by its kind."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope._schema import CLAIMS, CLAIMS_DETAIL
from cartscope.study._calibration import off_caveats
from cartscope.study._model import Judgement, Step
from cartscope.study._registry import all_evidence, all_judges
from cartscope.study._settings import PRESETS
from cartscope.study._simulated import is_simulated
from cartscope.study._source import read_source
from cartscope.study.judges._calls import decide
from cartscope.study.judges._planted import against_truth, planted_effect, read_planted
from cartscope.study.judges._verdicts import NOT_TESTABLE
from cartscope.study.ledger._blanks import blanks, detectable
from cartscope.study.ledger._influence import add_influence
from cartscope.study.ledger._permutation_columns import add_permutations
from cartscope.study.ledger._readings import by_reading

if TYPE_CHECKING:
    from cartscope.manifest import Claim
    from cartscope.study._context import Context

_CLINICAL = "needs the trial's patient table, which the authors give on request"
_NO_TABLE = "no table of this version holds the quantity"
_COLUMNS = {"geo+grades": "crs_grade", "geo+response": "response"}
_INNER = ("excludes", "low", "high")


@dataclass(frozen=True)
class _Truth:
    """Whether the data are simulated, and what was planted in them."""

    simulated: bool
    planted: pd.DataFrame | None


def run(ctx: Context) -> None:
    """Write the ledger and its detail."""
    with ctx.remembering():
        rows, details = _ledger(ctx)
    table = pd.concat([CLAIMS_DETAIL.empty(), *(d for d in details if len(d))], ignore_index=True)
    ctx.write_table("claims_detail.csv", table)
    ctx.write_table("claims.csv", pd.DataFrame(rows))


def _ledger(ctx: Context) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
    simulated = is_simulated(ctx)
    folder = read_source(ctx).truth if simulated else None
    truth = _Truth(simulated, read_planted(folder, ctx.manifests.claims))
    influence = ctx.read_table("tables/influence.csv")
    rows, details = [], []
    for claim in ctx.manifests.claims:
        detail = _detail(ctx, claim)
        found = _weigh(claim, detail, truth)
        if found.verdict == NOT_TESTABLE and not claim.evidence:
            found = replace(found, reason=_missing(ctx, claim))
        plain = found
        if not simulated:
            found = by_reading(claim, found, judge=lambda c: _weigh(c, _detail(ctx, c), truth))
        detail = detail.assign(
            verdict=found.row_verdicts,
            reason=found.row_reasons,
            fdr_claim=decide(detail, alpha=claim.alpha)["fdr_claim"],
        )
        given = {"influence": _influence(claim, detail, influence, truth=truth, found=plain)}
        given |= add_permutations(ctx, claim, detail)
        given |= _presets(ctx, claim, detail, truth=truth)
        caveats = [ctx.manifests.cohort.caveats["simulated"]] if simulated else []
        caveats += [claim.caveat, claim.note, *off_caveats(ctx, claim)]
        rows.append(_row(ctx, claim, detail, found=found, given=given, caveats=caveats))
        details.append(detail.drop(columns=list(_INNER)))
    return rows, details


def _weigh(claim: Claim, detail: pd.DataFrame, truth: _Truth) -> Judgement:
    found = all_judges()[claim.kind].judge(claim, detail)
    if truth.simulated:
        return _on_simulated(claim, detail, found=found, planted=truth.planted)
    return found


def _missing(ctx: Context, claim: Claim) -> str:
    """Return what stands between a claim without evidence and a verdict."""
    if claim.data == "clinical":
        return _CLINICAL
    samples = ctx.read_table("tables/samples.csv")
    column = _COLUMNS.get(claim.data)
    if column and (column not in samples or samples[column].astype(str).isin(["", "nan"]).all()):
        return f"needs {column.replace('_', ' ')} of the patients; {_NO_TABLE}"
    return _NO_TABLE


def _detail(ctx: Context, claim: Claim, *, preset: str | None = None) -> pd.DataFrame:
    """Return the rows of a claim, by the tables of the run or of one preset."""
    parts = []
    for evidence in claim.evidence:
        reader = all_evidence()[evidence.table]
        if preset is not None and reader.by_preset is not None:
            part = reader.by_preset(ctx, claim, evidence, preset=preset)
        else:
            part = reader.rows(ctx, claim, evidence)
        if len(part):
            excludes = np.nan if evidence.excludes is None else evidence.excludes
            low, high = evidence.range or (np.nan, np.nan)
            given = {"excludes": excludes, "low": low, "high": high, "table": evidence.table}
            known = {c: v for c, v in given.items() if c not in part or c == "table"}
            parts.append(part.assign(**known))
    none = CLAIMS_DETAIL.empty().assign(**dict.fromkeys(_INNER, np.nan))
    detail = pd.concat(parts, ignore_index=True) if parts else none
    return detail.assign(planted=np.nan)


def _on_simulated(
    claim: Claim, detail: pd.DataFrame, *, found: Judgement, planted: pd.DataFrame | None
) -> Judgement:
    if set(found.row_verdicts) <= {NOT_TESTABLE}:
        return found
    if planted is None:
        text = "SIMULATED data without the planted truth beside them"
        verdicts = (NOT_TESTABLE,) * len(detail)
        return replace(found, verdict=NOT_TESTABLE, reason=text, row_verdicts=verdicts)
    if detail["planted"].isna().any():  # known already where patients are left out
        detail["planted"] = [planted_effect(planted, row) for _, row in detail.iterrows()]
    verdicts, verdict, reason = against_truth(claim, detail, found)
    return replace(found, verdict=verdict, reason=reason, row_verdicts=tuple(verdicts))


def _influence(
    claim: Claim,
    detail: pd.DataFrame,
    influence: pd.DataFrame,
    *,
    truth: _Truth,
    found: Judgement,
) -> str:
    rows = influence[influence["id"].isin(["", claim.id])]
    rows = rows[rows["table"].isin(set(detail["table"]))]
    return add_influence(detail, rows, found=found, weigh=lambda d: _weigh(claim, d, truth))


def _presets(ctx: Context, claim: Claim, detail: pd.DataFrame, *, truth: _Truth) -> dict[str, str]:
    """Judge a claim by the tables of both presets; return what is said of each."""
    both = any(all_evidence()[e.table].by_preset is not None for e in claim.evidence)
    out = {}
    for name in PRESETS:
        if not both:
            out[f"by_{name}"] = ""
            continue
        theirs = _detail(ctx, claim, preset=name)
        found = _weigh(claim, theirs, truth)
        out[f"by_{name}"] = f"{found.verdict}: {found.reason}"
        key = ["table", "contrast", "entry", "feature", "population"]
        theirs = theirs.assign(verdict=found.row_verdicts).drop_duplicates(key).set_index(key)
        wanted = theirs.reindex(pd.MultiIndex.from_frame(detail[key]))
        differs = detail["table"].map(lambda t: all_evidence()[t].by_preset is not None).to_numpy()
        for column in ("effect", "fdr"):
            detail[f"{column}_{name}"] = np.where(differs, wanted[column].to_numpy(), np.nan)
        verdicts = wanted["verdict"].fillna("").to_numpy()
        detail[f"verdict_{name}"] = np.where(differs, verdicts, "")
    return out


def _row(
    ctx: Context,
    claim: Claim,
    detail: pd.DataFrame,
    *,
    found: Judgement,
    given: dict[str, Any],
    caveats: list[str],
) -> dict[str, Any]:
    one = detail.iloc[0] if len(detail) == 1 else None
    row = CLAIMS.blank(
        id=claim.id,
        panel=claim.panel,
        kind=claim.kind,
        published=json.dumps(claim.published, sort_keys=True) if claim.published else "",
        computed=found.computed,
        ci_low=one["ci_low"] if one is not None else np.nan,
        ci_high=one["ci_high"] if one is not None else np.nan,
        interval="; ".join(dict.fromkeys(i for i in detail["interval"] if i)),
        test=_tests(claim),
        family=_families(detail),
        n_group=int(detail["n_group"].max()) if len(detail) else 0,
        n_reference=int(detail["n_reference"].max()) if len(detail) else 0,
        min_p=detail["min_p"].min() if len(detail) else np.nan,
        detectable_effect=detectable(ctx, claim, detail),
        caveats="; ".join(c for c in caveats if c),
        verdict=found.verdict,
        reason=found.reason,
        **given,
    )
    return {**row, "blanks": blanks(ctx, claim, detail, row=row)}


def _tests(claim: Claim) -> str:
    readers = [all_evidence()[t] for t in dict.fromkeys(e.table for e in claim.evidence)]
    return "; ".join(f"{r.effect} ({r.test})" if r.test else r.effect for r in readers)


def _families(detail: pd.DataFrame) -> str:
    """Return over how many tests each correction runs."""
    tested = detail[detail["family_size"] > 0]
    sizes = tested.groupby(["table", "contrast"], sort=False)["family_size"].unique()
    return "; ".join(
        f"{contrast} ({table}): {' and '.join(map(str, sorted(n)))} tests"
        for (table, contrast), n in sizes.items()
    )


STEP = Step(
    name="claims",
    title="The claim ledger",
    needs=(
        *dict.fromkeys(n for e in all_evidence().values() for n in e.needs),
        "tables/influence.csv",
        "tables/permutations.csv",
        "work/source.json",
    ),
    makes=("claims.csv", "claims_detail.csv"),
    params=("composition", "de", "between_patients"),
    settings=("deep", "preset"),
    manifests=(
        "claims.toml",
        "cohort.toml",
        "contrasts.toml",
        "calibration.toml",
        "calibration.csv",
    ),
    seeded=True,
    run=run,
)
