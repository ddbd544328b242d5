"""How single rows of evidence are judged; the judges of claims put them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study._model import Judgement
from cartscope.study.judges._calls import decide
from cartscope.study.judges._verdicts import (
    CONSISTENT_WITH_NONE,
    DIRECTION_ONLY,
    NOT_ATTAINABLE,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    UNINFORMATIVE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cartscope.manifest import Claim

_FLOOR_SLACK = 1 + 1e-9  # p and its floor are computed on different ways
_WHOLE = 10  # from here on a whole number is a count
SIGNS = {"up": 1.0, "down": -1.0}


def judge_rows(claim: Claim, detail: pd.DataFrame) -> list[tuple[str, str]]:
    """Judge every row of a claim's detail by its expected direction.

    Parameters
    ----------
    claim
        The claim.
    detail
        Follows ``CLAIMS_DETAIL``.

    Returns
    -------
    Verdict and reason per row.
    """
    out = []
    decided = decide(detail, alpha=claim.alpha)
    for (_, row), call in zip(detail.iterrows(), decided.itertuples(), strict=True):
        if not np.isfinite(row["effect"]):
            out.append((NOT_TESTABLE, row["reason"]))
        elif row["expected"] == "none":
            out.append(judge_none(row, call, alpha=claim.alpha))
        else:
            out.append(_directed(row, call, alpha=claim.alpha))
    return out


def judge_none(
    row: pd.Series, call: Any, *, alpha: float, excludes: float | None = None
) -> tuple[str, str]:
    """Judge "no difference": only an interval that excludes the stated effect supports it.

    Parameters
    ----------
    row
        Of the claim's detail.
    call
        Of :func:`~cartscope.study.judges._calls.decide`.
    alpha
        Level for the corrected p.
    excludes
        Size of the effect that the interval has to exclude; None if the claim states none.
    """
    if call.called:
        return NOT_REPRODUCED, f"a difference is called: q = {row['fdr']:.2g} < {alpha:g}"
    interval = row["ci_low"], row["ci_high"]
    if excludes is None or not np.isfinite(interval).all():
        text = f"not called: {call.but}" if call.but else "not significant"
        return UNINFORMATIVE, f"{text}, and no interval that could exclude a stated effect"
    text = f"interval {interval[0]:.3g} to {interval[1]:.3g}"
    if interval[0] > -excludes and interval[1] < excludes:
        return CONSISTENT_WITH_NONE, f"{text} excludes {excludes:g}"
    return UNINFORMATIVE, f"{text} does not exclude {excludes:g}"


def _directed(row: pd.Series, call: Any, *, alpha: float) -> tuple[str, str]:
    agrees = np.sign(row["effect"]) == SIGNS[row["expected"]]
    if not agrees:
        return NOT_REPRODUCED, f"effect {row['effect']:.3g}, expected {row['expected']}"
    if call.called:
        return REPRODUCED, f"q = {row['fdr']:.2g} < {alpha:g}"
    if row["min_p"] >= alpha:
        return NOT_ATTAINABLE, f"the smallest attainable p is {row['min_p']:.2g}"
    if row["p_value"] <= row["min_p"] * _FLOOR_SLACK:
        text = f"p is at its floor of {row['min_p']:.2g}, and q = {row['fdr']:.2g} in this family"
        return NOT_ATTAINABLE, text
    if not np.isfinite(row["fdr"]):
        return DIRECTION_ONLY, "the sign agrees; no test"
    but = f", but {call.but}" if call.but else ""
    return DIRECTION_ONLY, f"the sign agrees, q = {row['fdr']:.2g}{but}"


def effects(detail: pd.DataFrame, *, most: int = 6) -> str:
    """Spell the effects of a claim's detail, the first few of them.

    Parameters
    ----------
    detail
        Follows ``CLAIMS_DETAIL``.
    most
        How many are spelt.
    """
    known = detail[np.isfinite(detail["effect"])]
    shown = known.head(most)
    words = [f"{row_name(known, i)} {_number(r.effect)}{_interval(r)}"
             for i, r in zip(shown.index, shown.itertuples(), strict=True)]  # fmt: skip
    if len(known) > most:
        words.append(f"and {len(known) - most} more")
    return "; ".join(words)


def row_name(detail: pd.DataFrame, i: int) -> str:
    """Return what a row of a claim's detail is called among the others.

    Parameters
    ----------
    detail
        Follows ``CLAIMS_DETAIL``.
    i
        Index of the row.
    """
    row = detail.loc[i]
    alike = detail[detail["feature"] == row["feature"]]
    told = [str(row[c]) for c in ("population", "contrast") if len(set(alike[c])) > 1]
    return f"{row['feature']} ({', '.join(told)})" if told else str(row["feature"])


def _interval(row: Any) -> str:
    if not np.isfinite([row.ci_low, row.ci_high]).all():
        return ""
    return f" ({_number(row.ci_low)} to {_number(row.ci_high)})"


def _number(value: float) -> str:
    whole = value == round(value) and abs(value) >= _WHOLE
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def summary(reason: str, verdicts: Sequence[str]) -> str:
    """Add the number of rows that could not be tested to a reason.

    Parameters
    ----------
    reason
        Of the claim's verdict.
    verdicts
        Of its rows.
    """
    untested = list(verdicts).count(NOT_TESTABLE)
    if untested and untested < len(verdicts):
        return f"{reason}; {untested} not testable"
    return reason


def judgement(
    verdict: str, reason: str, *, detail: pd.DataFrame, rows: Sequence[tuple[str, str]]
) -> Judgement:
    """Put a claim's verdict and those of its rows together.

    Parameters
    ----------
    verdict
        Of the claim; "not testable" where no row could be tested, and where it would hold by some
        of its contrasts while another has no result at all.
    reason
        Of the verdict.
    detail
        Follows ``CLAIMS_DETAIL``.
    rows
        Verdict and reason per row.
    """
    verdicts = [v for v, _ in rows]
    if set(verdicts) <= {NOT_TESTABLE}:
        verdict = NOT_TESTABLE
        reason = rows[0][1] if rows else "the claim has no evidence that this version computes"
    elif verdict in (REPRODUCED, CONSISTENT_WITH_NONE):
        # what is said of both arms does not hold by one of them
        known = set(detail["contrast"][[v != NOT_TESTABLE for v in verdicts]])
        silent = [c for c in dict.fromkeys(detail["contrast"]) if c not in known]
        if silent:
            verdict, reason = NOT_TESTABLE, f"{reason}; nothing in {' and '.join(silent)}"
    return Judgement(
        verdict=verdict,
        reason=summary(reason, verdicts),
        computed=effects(detail),
        row_verdicts=tuple(verdicts),
        row_reasons=tuple(r for _, r in rows),
    )
