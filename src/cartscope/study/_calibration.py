"""What was measured of a test where nothing differs, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.manifest import Calibration, CalibrationRow, Claim
    from cartscope.study._context import Context

TOO_MANY = "too many"
ANY, NAMED = "any feature, q", "a named feature, q"
# what is asked both ways stands under the first of the two tables
BOTH = "both"
_FIRST = {"gene_set_scores": ("gsea",), "corrected": ("composition", "cycling")}


def measured(ctx: Context, table: str, contrast: str) -> tuple[CalibrationRow, ...]:
    """Return the rows of the test that a table of this run holds, for one contrast.

    Parameters
    ----------
    ctx
        The run.
    table
        Of the evidence: ``"de"``, ``"gsea"``, ``"ligrec"``, ...
    contrast
        Its id.
    """
    engine = ctx.preset.values("de")["engine"] if table == "de" else ""
    found = ctx.manifests.calibration.of(table, contrast)
    return tuple(r for r in found if r.engine == engine)


def off_caveats(ctx: Context, claim: Claim) -> list[str]:
    """Return what to say of a claim whose tests reject too often where nothing differs.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    """
    wanted = dict.fromkeys((e.table, c) for e in claim.evidence for c in e.contrasts)
    out = []
    for table, contrast in wanted:
        rows = measured(ctx, table, contrast)
        row = worst(rows)
        if row is not None:
            said = sentence(ctx.manifests.calibration, row) + _named(rows, row)
            out.append(said + _together(ctx, table, contrast))
    return out


def _together(ctx: Context, table: str, contrast: str) -> str:
    """Say how often the two tables that a claim asks both call, where one of them alone is off."""
    firsts = _FIRST.get(table, (table,))
    both = [
        r
        for first in firsts
        for r in ctx.manifests.calibration.of(first, contrast)
        if r.engine == BOTH and r.what == NAMED
    ]
    if not both:
        return ""
    row = max(both, key=lambda r: r.cohorts)
    return (
        f". A claim asks two tables ({row.test}), which together call a feature named before in "
        f"{_percent(row.rate)} (95% {_percent(row.low)} to {_percent(row.high)})"
    )


def _named(rows: Sequence[CalibrationRow], row: CalibrationRow) -> str:
    """Say how often a feature named before is called, where it is any feature that is off."""
    if row.what != ANY:
        return ""
    same = [r for r in rows if (r.what, r.level, r.test) == (NAMED, row.level, row.test)]
    return "".join(
        f"; a feature named before in {r.hits} (95% {_percent(r.low)} to {_percent(r.high)})"
        for r in same
    )


def worst(rows: Sequence[CalibrationRow]) -> CalibrationRow | None:
    """Return the row that rejects too often by most, of the level with the most cohorts.

    Parameters
    ----------
    rows
        Of one test and contrast.
    """
    off = [r for r in rows if r.verdict == TOO_MANY]
    if not off:
        return None
    most = max(r.cohorts for r in off)
    return max((r for r in off if r.cohorts == most), key=lambda r: r.low / r.expected)


def sentence(calibration: Calibration, row: CalibrationRow) -> str:
    """Spell a row that is off.

    Parameters
    ----------
    calibration
        The measurements.
    row
        One of them.
    """
    letter = "q" if row.what.endswith(", q") else "p"
    what = row.what.removesuffix(", q")
    title = next(level.title for level in calibration.level if level.name == row.level)
    at_most = "at most " if letter == "q" else ""
    note = f" ({row.note})" if row.note else ""
    return (
        f"the test rejects too often where nothing differs: {row.test}{note}, {row.contrast}: "
        f"{what} with {letter} < {row.alpha:g} in {_percent(row.rate)} of {row.cohorts} {title} "
        f"(95% {_percent(row.low)} to {_percent(row.high)}; {at_most}{_percent(row.expected)} "
        "if it held)"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.0995 else f"{100 * share:.0f}%"  # noqa: PLR2004
