"""An ordering: the named population comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope.study._model import Judge
from cartscope.study.judges._judging import judge_rows, judgement
from cartscope.study.judges._verdicts import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def judge(claim: Claim, detail: pd.DataFrame) -> Judgement:
    """Hold where the effect, a lead over the next in rank, is above 0 for every feature.

    Features that a claim names beside its ranking, with a test, are judged as tests.
    """
    rows: list[tuple[str, str]] = []
    for tested, (_, row) in zip(judge_rows(claim, detail), detail.iterrows(), strict=True):
        if not np.isfinite(row["effect"]):
            rows.append((NOT_TESTABLE, row["reason"]))
        elif np.isfinite(row["p_value"]):
            rows.append(tested)
        else:
            rows.append((REPRODUCED if row["effect"] > 0 else NOT_REPRODUCED, row["reason"]))
    verdicts = [v for v, _ in rows]
    counted = [v for v in verdicts if v != NOT_TESTABLE]
    held = counted.count(REPRODUCED)
    verdict = REPRODUCED if held == len(counted) else NOT_REPRODUCED
    reason = f"first in rank for {held} of {len(counted)}"
    return judgement(verdict, reason, detail=detail, rows=rows)


JUDGE = Judge(kind="rank", judge=judge)
