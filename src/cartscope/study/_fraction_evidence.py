"""Shares of cells per patient as evidence: composition and cycling alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study._evidence import rows_by_contrast

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context


def fraction_rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per population and contrast; the effect is a difference of shares.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    evidence
        One of its pieces of evidence; its ``table`` is ``"composition"``, ``"cycling"`` or
        ``"corrected"``.

    Returns
    -------
    A table that follows ``CLAIMS_DETAIL``; the effect is the Hodges-Lehmann shift where the table
    has it, else the difference of the medians.
    """
    table = ctx.read_table(f"tables/{evidence.table}.csv")
    table = table[table["contrast"].isin(evidence.contrasts)]

    def find(contrast: str, population: str) -> list[dict[str, Any]]:
        chosen = table[table["contrast"] == contrast]
        if population:
            chosen = chosen[chosen["population"] == population]
        return [
            _values(row, suffix=_how(row) if evidence.table == "corrected" else "")
            for _, row in chosen.iterrows()
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


def _how(row: pd.Series) -> str:
    """Say how missed CAR T cells were taken out, and of how many patients not all could be."""
    words = ["corrected"]
    if (method := row.get("method", "")) not in ("", "detection"):
        words.append("missed cells taken as found ones" if method == "as found" else "in two ways")
    if (clipped := int(row.get("n_clipped", 0))) > 0:
        words.append(f"clipped in {clipped}")
    return ", ".join(words)


def _values(row: pd.Series, *, suffix: str) -> dict[str, Any]:
    medians = row["median_group"] - row["median_reference"]
    return {
        "population": " ".join(w for w in (row["population"], row["car_status"], suffix) if w),
        "effect": row.get("shift", medians),
        "ci_low": row.get("shift_low", np.nan),
        "ci_high": row.get("shift_high", np.nan),
        "p_value": row["p_value"],
        "fdr": row["fdr"],
        "min_p": row["min_p"],
        "reason": row["reason"],
    }
