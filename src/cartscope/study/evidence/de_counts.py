"""How many genes each population has above the paper's threshold, and which has most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartscope.study._model import EvidenceReader
from cartscope.study._settings import PRESETS
from cartscope.study.evidence._reading import rows_by_contrast
from cartscope.study.redo._refits import REFIT, refits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_TWOFOLD = 1.0  # the paper asks for more than a two-fold change
_ALPHA = 0.1  # and for q below this
_ENTRY = "lead"
_NONE = "none: a number of genes; see what happens without each patient"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the lead of the first contrast over the best of the others, in genes."""
    return _rows(ctx, claim, evidence, table=ctx.read_table("tables/de.csv"))


def by_preset(ctx: Context, claim: Claim, evidence: Evidence, *, preset: str) -> pd.DataFrame:
    """Return the same row by the table of one preset."""
    return _rows(ctx, claim, evidence, table=ctx.read_table(f"tables/de_{preset}.csv"))


def _rows(ctx: Context, claim: Claim, evidence: Evidence, *, table: pd.DataFrame) -> pd.DataFrame:
    counts = _counts(table, evidence.contrasts)
    first, *others = evidence.contrasts

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        del name
        rivals = [counts[c] for c in others if c in counts]
        if contrast != first or first not in counts or not rivals:
            return [{"reason": f"no result for {first}, or nothing to compare it with"}]
        words = ", ".join(f"{c} {n}" for c, n in counts.items())
        lead = float(counts[first] - max(rivals))
        return [{"entry": _ENTRY, "effect": lead, "interval": _NONE,
                 "reason": f"genes: {words}"}]  # fmt: skip

    only_first = evidence.model_copy(update={"contrasts": (first,)})
    return rows_by_contrast(ctx, claim, only_first, find=find)


def _counts(table: pd.DataFrame, contrasts: Collection[str]) -> dict[str, int]:
    """Return the numbers of genes of the contrasts that were tested."""
    passed = table[(table["fdr"] < _ALPHA) & (table["log2_fc"].abs() > _TWOFOLD)]
    tested = set(table.loc[table["p_value"].notna(), "contrast"])
    return {c: int((passed["contrast"] == c).sum()) for c in contrasts if c in tested}


def without(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Count again without each patient, whose contrasts are fitted again."""
    every = ctx.read_table("tables/de.csv")
    left: dict[str, dict[str, pd.DataFrame | str]] = {}
    wanted = {contrast: () for _, evidence in pairs for contrast in evidence.contrasts}
    for refit in refits(ctx, wanted):
        for contrast, table in refit.tables.items():
            left.setdefault(contrast, {})[refit.patient] = table
    for _, evidence in pairs:
        full = _counts(every, evidence.contrasts)
        first, *others = evidence.contrasts
        if first not in full:
            continue
        for patient in sorted({p for c in evidence.contrasts for p in left.get(c, {})}):
            counts = dict(full)
            for contrast in full:
                table = left.get(contrast, {}).get(patient)
                if isinstance(table, str):
                    del counts[contrast]
                elif table is not None:
                    counts |= _counts(table, [contrast])
            row = {"contrast": first, "entry": _ENTRY, "patient_left_out": patient, "how": REFIT}
            rivals = [counts[c] for c in others if c in counts]
            if first in counts and rivals:
                yield {**row, "effect": float(counts[first] - max(rivals))}
            else:
                yield {**row, "reason": f"{first}: nothing is left to compare"}


EVIDENCE = EvidenceReader(
    table="de_counts",
    needs=(
        "tables/de.csv",
        *(f"tables/de_{name}.csv" for name in PRESETS),
        "tables/contrasts.csv",
        "tables/pseudobulk.csv",
    ),
    rows=rows,
    without=without,
    by_preset=by_preset,
    effect="lead in number of genes",
)
