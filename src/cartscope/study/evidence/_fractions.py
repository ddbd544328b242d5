"""Shares of cells per patient as evidence: composition and cycling alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study.evidence._reading import rows_by_contrast, wanted_entries
from cartscope.study.redo._label_tests import permute_families
from cartscope.study.redo._patient_values import compare, share_families

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

SHARES_TEST = (
    "exact two-sided U test on one share per patient, within strata where the contrast has them"
)
HODGES_LEHMANN = "95%, Hodges-Lehmann: the shifts that the exact test does not reject"


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


def interval_of(row: pd.Series) -> str:
    """Say what the interval of a shift is, and within what patients were compared.

    Parameters
    ----------
    row
        Of a table of tests between patients.
    """
    within = str(row.get("within", "") or "")
    return f"{HODGES_LEHMANN}, within {within}" if within else HODGES_LEHMANN


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
    entry = f"{row['population']} {row['car_status']}".strip()
    return {
        "entry": entry,
        "population": f"{entry} {suffix}".strip(),
        "n_group": int(row["n_group"]),
        "n_reference": int(row["n_reference"]),
        "family_size": int(row["family_size"]),
        "interval": interval_of(row) if "shift_low" in row else "none: a table without shifts",
        "effect": row.get("shift", medians),
        "ci_low": row.get("shift_low", np.nan),
        "ci_high": row.get("shift_high", np.nan),
        "p_value": row["p_value"],
        "fdr": row["fdr"],
        "min_p": row["min_p"],
        "reason": row["reason"],
    }


def fractions_without(
    ctx: Context, pairs: Sequence[tuple[Claim, Evidence]], *, table: str
) -> Iterator[dict[str, Any]]:
    """Test every share again without each patient, in its family.

    Parameters
    ----------
    ctx
        The run.
    pairs
        Claims with their evidence; every entry of its contrasts is tested.
    table
        ``"composition"``, ``"cycling"`` or ``"corrected"``.
    """
    for family in share_families(ctx, table, wanted_entries(pairs)):
        for patient in family.patients:
            for row in compare(family.without(patient)):
                yield {
                    "contrast": family.contrast,
                    "patient_left_out": patient,
                    "how": "exact test and family done again",
                    **row,
                }


def fractions_permuted(
    ctx: Context, pairs: Sequence[tuple[Claim, Evidence]], *, table: str
) -> Iterator[dict[str, Any]]:
    """Permute the labels behind every share.

    Parameters
    ----------
    ctx
        The run.
    pairs
        Claims with their evidence.
    table
        ``"composition"``, ``"cycling"`` or ``"corrected"``.
    """
    yield from permute_families(ctx, share_families(ctx, table, wanted_entries(pairs)))
