"""A direction with a significance call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study._model import Judge
from cartscope.study.judges._judging import judge_rows, judgement
from cartscope.study.judges._verdicts import (
    DIRECTION_ONLY,
    NOT_ATTAINABLE,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
)

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def judge(claim: Claim, detail: pd.DataFrame) -> Judgement:
    """Hold where the sign agrees and q is below the paper's level, in every feature."""
    rows = judge_rows(claim, detail)
    verdicts = [v for v, _ in rows]
    counted = [v for v in verdicts if v != NOT_TESTABLE]
    n, held = len(counted), counted.count(REPRODUCED)
    if held == n:
        verdict, reason = REPRODUCED, f"holds for {held} of {n}"
    elif all(v in (REPRODUCED, DIRECTION_ONLY, NOT_ATTAINABLE) for v in counted):
        verdict = NOT_ATTAINABLE if set(counted) == {NOT_ATTAINABLE} else DIRECTION_ONLY
        reason = f"all signs agree; q < {claim.alpha:g} for {held} of {n}"
    else:
        verdict, reason = NOT_REPRODUCED, f"holds for {held} of {n}"
    return judgement(verdict, reason, detail=detail, rows=rows)


JUDGE = Judge(kind="test", judge=judge)
