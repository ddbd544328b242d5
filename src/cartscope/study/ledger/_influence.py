"""Who decides a claim: its verdict without each patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope.study.judges._judging import row_name
from cartscope.study.judges._verdicts import NOT_TESTABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cartscope.study._model import Judgement

VALUES = ("effect", "ci_low", "ci_high", "p_value", "fdr", "min_p")
NOTHING = "not computed: the claim has no result"
GENES_ONLY = "not computed: no number of the claim rests on single patients"
_MOST_NAMED = 4


def add_influence(
    detail: pd.DataFrame,
    left_out: pd.DataFrame,
    *,
    found: Judgement,
    weigh: Callable[[pd.DataFrame], Judgement],
) -> str:
    """Say what happens to a claim without its most influential patient.

    Parameters
    ----------
    detail
        Follows ``CLAIMS_DETAIL``; the columns on the patient left out are filled in.
    left_out
        Rows of ``INFLUENCE`` of this claim.
    found
        What was judged with everybody.
    weigh
        Judges a detail.

    Returns
    -------
    One sentence for the ledger.
    """
    if found.verdict == NOT_TESTABLE and set(found.row_verdicts) <= {NOT_TESTABLE}:
        known = np.isfinite(detail["effect"]).any() if len(detail) else False
        if not known:
            return NOTHING
    rows = _rows_by_patient(detail, left_out)
    if not rows:
        return GENES_ONLY
    verdicts = {p: weigh(_replaced(detail, changes)) for p, changes in rows.items()}
    moves = pd.DataFrame(np.nan, index=detail.index, columns=list(rows))
    for patient, changes in rows.items():
        for i, values in changes.items():
            moves.loc[i, patient] = abs(values["effect"] - detail.loc[i, "effect"]) / _scale(
                detail.loc[i]
            )
    for i in detail.index:
        if moves.loc[i].notna().any():
            patient = str(moves.loc[i].idxmax())
            _fill(detail, i, patient=patient, values=rows[patient][i])
            detail.loc[i, "verdict_without"] = verdicts[patient].row_verdicts[i]
    text = _say(detail, rows, moves=moves, found=found, verdicts=verdicts)
    return text + _as_they_were(detail, {i for changes in rows.values() for i in changes})


def _rows_by_patient(
    detail: pd.DataFrame, left_out: pd.DataFrame
) -> dict[str, dict[int, dict[str, Any]]]:
    """Return the new values of each row of the detail, by patient."""
    place = {
        (row.table, row.contrast, row.entry): i
        for i, row in zip(detail.index, detail.itertuples(), strict=True)
        if np.isfinite(row.effect)
    }
    out: dict[str, dict[int, dict[str, Any]]] = {}
    for row in left_out.itertuples():
        i = place.get((row.table, row.contrast, row.entry))
        if i is not None:
            values = {name: getattr(row, name) for name in (*VALUES, "reason")}
            out.setdefault(str(row.patient_left_out), {})[i] = values
    return dict(sorted(out.items()))


def _replaced(detail: pd.DataFrame, changes: dict[int, dict[str, Any]]) -> pd.DataFrame:
    out = detail.copy()
    for i, values in changes.items():
        for name in VALUES:
            out.loc[i, name] = values[name]
        if values["reason"]:
            out.loc[i, "reason"] = values["reason"]
    return out


def _scale(row: pd.Series) -> float:
    """Return what a change of an effect is held against: half its interval, else its size."""
    half = (row["ci_high"] - row["ci_low"]) / 2
    if np.isfinite(half) and half > 0:
        return float(half)
    return abs(float(row["effect"])) or 1.0


def _fill(detail: pd.DataFrame, i: int, *, patient: str, values: dict[str, Any]) -> None:
    detail.loc[i, "patient_left_out"] = patient
    detail.loc[i, "effect_without"] = values["effect"]
    detail.loc[i, "p_without"] = values["p_value"]
    detail.loc[i, "fdr_without"] = values["fdr"]


def _as_they_were(detail: pd.DataFrame, done_again: set[int]) -> str:
    """Name the tables whose rows the verdicts without a patient take over from everybody."""
    known = detail.index[np.isfinite(detail["effect"])]
    kept = dict.fromkeys(detail.loc[i, "table"] for i in known if i not in done_again)
    return f"; with {' and '.join(kept)} as with everybody" if kept else ""


def _say(
    detail: pd.DataFrame,
    rows: dict[str, dict[int, dict[str, Any]]],
    *,
    moves: pd.DataFrame,
    found: Judgement,
    verdicts: dict[str, Judgement],
) -> str:
    changed = [p for p, v in verdicts.items() if v.verdict != found.verdict]
    weight = moves.mean(axis=0, skipna=True).fillna(-1.0)
    most = str(weight[changed or list(rows)].idxmax())
    here = moves[most]
    text = f"without {most}: "
    if here.notna().any():
        other = [
            i
            for i, pair in enumerate(
                zip(found.row_verdicts, verdicts[most].row_verdicts, strict=True)
            )
            if pair[0] != pair[1] and np.isfinite(here[i])
        ]
        i = int(here[other].idxmax() if other else here.idxmax())
        values = rows[most][i]
        before, after = (_number(x) for x in (detail.loc[i, "effect"], values["effect"]))
        text += f"{row_name(detail, i)} {before} becomes {after}"
        if np.isfinite(detail.loc[i, "fdr"]) and np.isfinite(values["fdr"]):
            text += f", q {detail.loc[i, 'fdr']:.2g} becomes {values['fdr']:.2g}"
    else:
        text += next(iter(rows[most].values()))["reason"]
    if not changed:
        return f"{text}; no single patient changes the verdict"
    text += f"; the verdict becomes {verdicts[most].verdict} ({verdicts[most].reason})"
    others = [p for p in changed if p != most]
    if others:
        named = ", ".join(others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        text += f"; it also changes without {named}{more}"
    return text


def _number(value: float) -> str:
    large = abs(value) >= 1000  # noqa: PLR2004
    return f"{value:,.0f}" if large else f"{value:.3g}"
