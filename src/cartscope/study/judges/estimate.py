"""A number with an interval: within the range that the manifest states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope.study._model import Judge
from cartscope.study.judges._judging import SIGNS, judgement
from cartscope.study.judges._verdicts import (
    DIRECTION_ONLY,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    UNINFORMATIVE,
)

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def judge(claim: Claim, detail: pd.DataFrame) -> Judgement:
    """Hold where every estimate lies in its range; without a range, only the sign can agree."""
    del claim
    rows = [judge_row(row) for _, row in detail.iterrows()]
    verdicts = [v for v, _ in rows]
    counted = [v for v in verdicts if v != NOT_TESTABLE]
    held = counted.count(REPRODUCED)
    if held == len(counted):
        verdict, reason = REPRODUCED, f"within the stated range for {held} of {held}"
    elif UNINFORMATIVE in counted and NOT_REPRODUCED not in counted:
        verdict = UNINFORMATIVE
        reason = f"{counted.count(UNINFORMATIVE)} of {len(counted)} intervals cover both signs"
    elif NOT_REPRODUCED not in counted:
        verdict = DIRECTION_ONLY
        reason = f"all signs agree; within the stated range for {held} of {len(counted)}"
    else:
        agree = len(counted) - counted.count(NOT_REPRODUCED)
        verdict, reason = NOT_REPRODUCED, f"the sign agrees for {agree} of {len(counted)}"
    return judgement(verdict, reason, detail=detail, rows=rows)


def judge_row(row: pd.Series) -> tuple[str, str]:
    """Judge one estimate.

    Parameters
    ----------
    row
        Of the claim's detail, with ``low`` and ``high``, the stated range or nan.
    """
    if not np.isfinite(row["effect"]):
        return NOT_TESTABLE, row["reason"]
    low, high = row["low"], row["high"]
    if np.isfinite(low) and low <= row["effect"] <= high:
        return REPRODUCED, f"{row['effect']:.3g} lies in {low:.3g} to {high:.3g}"
    sign = SIGNS.get(row["expected"])
    if sign is not None and np.sign(row["effect"]) == sign:
        text = f"outside {low:.3g} to {high:.3g}" if np.isfinite(low) else "no published number"
        return DIRECTION_ONLY, f"the sign agrees; {text}"
    if row["ci_low"] < 0 < row["ci_high"]:
        return UNINFORMATIVE, f"{row['effect']:.3g}, and the interval covers both signs"
    return NOT_REPRODUCED, f"{row['effect']:.3g}, expected {row['expected'] or 'another value'}"


JUDGE = Judge(kind="estimate", judge=judge)
