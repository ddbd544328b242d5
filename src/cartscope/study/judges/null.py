"""No difference: consistent only if the interval excludes a stated effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope.study._model import Judge
from cartscope.study.judges._calls import decide
from cartscope.study.judges._judging import judge_none, judgement
from cartscope.study.judges._verdicts import (
    CONSISTENT_WITH_NONE,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    UNINFORMATIVE,
)

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def judge(claim: Claim, detail: pd.DataFrame) -> Judgement:
    """Hold where every interval excludes the stated effect; silence is uninformative."""
    rows: list[tuple[str, str]] = []
    decided = decide(detail, alpha=claim.alpha)
    for (_, row), call in zip(detail.iterrows(), decided.itertuples(), strict=True):
        if not np.isfinite(row["effect"]):
            rows.append((NOT_TESTABLE, row["reason"]))
            continue
        excludes = row.get("excludes")
        known = float(excludes) if excludes is not None and np.isfinite(excludes) else None
        rows.append(judge_none(row, call, alpha=claim.alpha, excludes=known))
    verdicts = [v for v, _ in rows]
    counted = [v for v in verdicts if v != NOT_TESTABLE]
    called = counted.count(NOT_REPRODUCED)
    excluded = counted.count(CONSISTENT_WITH_NONE)
    if called:
        verdict, reason = NOT_REPRODUCED, f"a difference is called in {called} of {len(counted)}"
    elif excluded == len(counted):
        verdict, reason = CONSISTENT_WITH_NONE, "every interval excludes the stated effect"
    else:
        verdict = UNINFORMATIVE
        reason = f"{excluded} of {len(counted)} intervals exclude a stated effect"
    return judgement(verdict, reason, detail=detail, rows=rows)


JUDGE = Judge(kind="null", judge=judge)
