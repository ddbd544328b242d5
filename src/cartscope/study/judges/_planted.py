"""On simulated data a claim is held against what was planted, never called reproduced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope.study.evidence._reading import feature_names
from cartscope.study.judges._calls import decide
from cartscope.study.judges._verdicts import (
    CORRECTLY_NONE,
    FALSE_CALL,
    MISSED,
    NOT_ATTAINABLE,
    NOT_TESTABLE,
    RECOVERED,
    REPRODUCED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def read_planted(truth: Path | None, claims: Iterable[Claim]) -> pd.DataFrame | None:
    """Return the planted effects, or None if the truth is not beside the data.

    Parameters
    ----------
    truth
        Folder of the simulated study's truth.
    claims
        Those that ask which cell types were found are told how many cells of each there are.
    """
    path = truth / "effects.csv" if truth is not None else None
    if path is None or not path.is_file():
        return None
    effects = pd.read_csv(path, keep_default_na=False)
    cells = pd.read_csv(truth / "cells.csv.gz", usecols=["cell_type"])["cell_type"].value_counts()
    types = [
        {"claim_id": c.id, "feature": f, "log2_effect": float(cells.get(e.features.get(f, f), 0))}
        for c in claims
        for e in c.evidence
        if e.table == "cell_types"
        for f in feature_names(c, e)
    ]
    # a population has most genes where some were planted
    counted = [
        {"claim_id": c.id, "feature": f, "contrast": e.contrasts[0], "log2_effect": 1.0}
        for c in claims
        for e in c.evidence
        if e.table == "de_counts" and (effects["claim_id"] == c.id).any()
        for f in feature_names(c, e)
    ]
    # both cohorts are dealt by the same table of subsets
    alike = [
        {"claim_id": c.id, "feature": "correlation of changes", "log2_effect": 1.0}
        for c in claims
        for e in c.evidence
        if e.table == "subset_dynamics"
    ]
    extra = pd.DataFrame([*types, *counted, *alike])
    return pd.concat([effects, extra], ignore_index=True).fillna("")


def planted_effect(planted: pd.DataFrame, row: pd.Series) -> float:
    """Return the effect planted for one row of a claim's detail; 0 if there is none.

    Parameters
    ----------
    planted
        From :func:`read_planted`.
    row
        Of the claim's detail.
    """
    chosen = planted[planted["claim_id"] == row["id"]]
    # a pair is written CXCL10_CXCR3 in the truth, CXCL10-CXCR3 to T cells in a claim
    feature = row["feature"].partition(" to ")[0].replace("_", "-")
    chosen = chosen[chosen["feature"].str.replace("_", "-") == feature]
    if row["contrast"]:
        chosen = chosen[chosen["contrast"] == row["contrast"]]
    if " to " in row["population"]:
        chosen = chosen[chosen["population"] == row["population"].replace(" to ", ">")]
    return float(chosen["log2_effect"].iloc[0]) if len(chosen) else 0.0


def against_truth(
    claim: Claim, detail: pd.DataFrame, judgement: Judgement
) -> tuple[list[str], str, str]:
    """Turn the verdicts on real data into verdicts against the planted truth.

    Parameters
    ----------
    claim
        The claim.
    detail
        Follows ``CLAIMS_DETAIL``, with ``planted`` filled in.
    judgement
        What the claim's judge found.

    Returns
    -------
    A verdict per row, the claim's verdict and its reason.
    """
    called = decide(detail, alpha=claim.alpha)["called"]
    rows = [
        _row(claim, row, verdict, called=bool(call))
        for (_, row), verdict, call in zip(
            detail.iterrows(), judgement.row_verdicts, called, strict=True
        )
    ]
    counted = [v for v in rows if v != NOT_TESTABLE]
    if not counted:
        nothing = judgement.verdict != NOT_TESTABLE
        return rows, NOT_TESTABLE, "nothing is planted for it" if nothing else judgement.reason
    names = (RECOVERED, MISSED, FALSE_CALL, CORRECTLY_NONE)
    numbers = {n: counted.count(n) for n in names if n in counted}
    reason = "; ".join(f"{n} {name}" for name, n in numbers.items())
    # the worst mistake names the claim: a false call, then a miss
    for name in (FALSE_CALL, MISSED, RECOVERED, CORRECTLY_NONE):
        if name in numbers:
            return rows, name, reason
    return rows, NOT_TESTABLE, reason


def _row(claim: Claim, row: pd.Series, verdict: str, *, called: bool) -> str:
    if verdict == NOT_TESTABLE:
        return NOT_TESTABLE
    planted = row["planted"]
    if claim.kind in ("test", "null") or (claim.kind == "rank" and np.isfinite(row["p_value"])):
        if planted == 0:
            return FALSE_CALL if called else CORRECTLY_NONE
        if verdict == NOT_ATTAINABLE:
            return NOT_TESTABLE
        return RECOVERED if called and np.sign(row["effect"]) == np.sign(planted) else MISSED
    if planted == 0:
        return NOT_TESTABLE
    # an estimate need not have the paper's size here, only the planted sign
    agrees = claim.kind == "estimate" and np.sign(row["effect"]) == np.sign(planted)
    return RECOVERED if verdict == REPRODUCED or agrees else MISSED
