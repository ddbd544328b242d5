"""Numbers of cells, types or pairs: within the tolerance that the manifest states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope.study._model import Judge
from cartscope.study.judges._judging import judgement
from cartscope.study.judges._verdicts import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def judge(claim: Claim, detail: pd.DataFrame) -> Judgement:
    """Hold where every count lies in its range."""
    del claim
    rows: list[tuple[str, str]] = []
    for _, row in detail.iterrows():
        if not np.isfinite(row["effect"]):
            rows.append((NOT_TESTABLE, row["reason"]))
            continue
        low, high = row["low"], row["high"]
        inside = low <= row["effect"] <= high
        text = f"{row['effect']:.6g}, stated {low:.6g} to {high:.6g}"
        rows.append((REPRODUCED if inside else NOT_REPRODUCED, text))
    verdicts = [v for v, _ in rows]
    counted = [v for v in verdicts if v != NOT_TESTABLE]
    held = counted.count(REPRODUCED)
    verdict = REPRODUCED if held == len(counted) else NOT_REPRODUCED
    reason = f"holds for {held} of {len(counted)}"
    return judgement(verdict, reason, detail=detail, rows=rows)


JUDGE = Judge(kind="count", judge=judge)
