"""Do the tests hold? What was measured on null cohorts, test by test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope.study._calibration import TOO_MANY
from cartscope.study.report._table import Table, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.manifest import CalibrationRow
    from cartscope.study._context import Context

_ORDER = (TOO_MANY, "too few", "borderline", "holds")
_WORDS = {
    "holds": "holds",
    "borderline": "borderline: just outside of 95% bounds",
    "too few": "rejects less often than it could",
    TOO_MANY: "off: rejects too often",
}
# what each column shows: a feature's p, else the mean over features, and the two calls by q
_FEATURE, _MEAN, _NAMED_Q, _ANY_Q = (
    "a named feature",
    "every feature",
    "a named feature, q",
    "any feature, q",
)
ALPHA = 0.05
DECIDES = "decides"
_ROLES = {DECIDES: "claims rest on it", "beside": "stands beside"}


def calibration_table(ctx: Context) -> Table:
    """Return a row per level, test and contrast: what claims rest on first, off ones first.

    Parameters
    ----------
    ctx
        The run.
    """
    groups: dict[tuple[str, str, str], list[CalibrationRow]] = {}
    for row in ctx.manifests.calibration.row:
        groups.setdefault((row.level, row.test, row.contrast), []).append(row)
    titles = {level.name: level.title for level in ctx.manifests.calibration.level}
    rows = [_row(found, titles) for found in groups.values()]
    rows.sort(key=lambda r: (r["role"] != _ROLES[DECIDES], _ORDER.index(r["order"])))
    return table_of(
        pd.DataFrame(rows),
        {
            "role": ("role", "whether claims rest on it, or it stands beside to show what it does"),
            "verdict": ("verdict", "against 95% and 99.9% bounds; the worst of the columns"),
            "test": ("test", ""),
            "contrast": ("contrast", ""),
            "level": ("measured on", ""),
            "cohorts": ("cohorts", ""),
            "expected": ("level", "what p < 0.05 can be with so many patients"),
            "named": ("named feature", "share of cohorts with p < 0.05 in a feature named before"),
            "mean": ("every feature", "mean share of features with p < 0.05"),
            "named_q": ("named, q", "share of cohorts with q < 0.1 in a feature named before"),
            "any_q": ("any, q", "share of cohorts with q < 0.1 in any feature"),
            "note": ("note", ""),
        },
    )


def _row(found: Sequence[CalibrationRow], titles: dict[str, str]) -> dict[str, Any]:
    first = found[0]
    by = {(r.what, r.alpha): r for r in found}
    order = min((r.verdict for r in found), key=_ORDER.index)
    at = [by.get((_FEATURE, ALPHA)), by.get((_MEAN, ALPHA))]
    expected = next((r.expected for r in at if r is not None), float("nan"))
    return {
        "order": order,
        "role": _ROLES[first.role],
        "verdict": _WORDS[order],
        "test": first.test,
        "contrast": first.contrast,
        "level": titles[first.level],
        "cohorts": max(r.cohorts for r in found),
        "expected": f"{expected:.3f}" if expected == expected else "",  # noqa: PLR0124 - NaN
        "named": _spell(by.get((_FEATURE, ALPHA))),
        "mean": _spell(by.get((_MEAN, ALPHA))),
        "named_q": _spell(next((r for r in found if r.what == _NAMED_Q), None)),
        "any_q": _spell(next((r for r in found if r.what == _ANY_Q), None)),
        "note": first.note,
    }


def _spell(row: CalibrationRow | None) -> str:
    return "" if row is None else f"{row.rate:.3f} ({row.low:.3f}-{row.high:.3f})"


def _named(key: tuple[str, str, str], notes: dict[tuple[str, str, str], str]) -> str:
    return f"{key[1]} ({notes[key]})" if notes[key] else key[1]


def calibration_summary(ctx: Context) -> dict[str, Any]:
    """Return how many tests hold, and what was run.

    Parameters
    ----------
    ctx
        The run.
    """
    groups: dict[tuple[str, str, str], set[str]] = {}
    roles, notes = {}, {}
    for row in ctx.manifests.calibration.row:
        key = row.level, row.test, row.contrast
        groups.setdefault(key, set()).add(row.verdict)
        roles[key], notes[key] = row.role, row.note
    deciding = [key for key, role in roles.items() if role == DECIDES]
    off = {key for key, verdicts in groups.items() if TOO_MANY in verdicts}
    return {
        "n": len(deciding),
        "n_off": len(off.intersection(deciding)),
        "tests_off": sorted({test for _, test, _ in off.intersection(deciding)}),
        "n_beside": len(groups) - len(deciding),
        "beside_off": sorted({_named(key, notes) for key in off.difference(deciding)}),
        "levels": ctx.manifests.calibration.level,
        "measured": ctx.manifests.calibration.measured,
    }
