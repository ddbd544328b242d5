"""An empty number in the ledger says why it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope import stats
from cartscope.study._registry import all_evidence

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._context import Context

RANKED = ("composition", "corrected", "cycling", "gene_set_scores", "ligrec")


def detectable(ctx: Context, claim: Claim, detail: pd.DataFrame) -> float:
    """Return the standardised effect that every rank test of a claim finds with 80% power.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    detail
        Follows ``CLAIMS_DETAIL``.

    Returns
    -------
    At the claim's level, before correction; nan where it rests on no test between patients.
    """
    sizes = {
        (int(row.n_group), int(row.n_reference))
        for row in detail.itertuples()
        if row.table in RANKED and min(row.n_group, row.n_reference) > 0
        and not within_patients(ctx, row.contrast)
    }  # fmt: skip
    found = [stats.detectable_effect(*n, alpha=claim.alpha) for n in sizes]
    return float(max(found)) if found else float("nan")


def within_patients(ctx: Context, contrast: str) -> bool:
    """Return whether the same patients stand on both sides of a contrast.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Its id.
    """
    manifest = ctx.manifests.contrasts
    outcome = {c.id: c.outcome for c in manifest.contrast}.get(contrast)
    return outcome is not None and manifest.outcome[outcome].within_patient


def blanks(ctx: Context, claim: Claim, detail: pd.DataFrame, *, row: dict[str, Any]) -> str:
    """Return why numbers of a claim's row are empty.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    detail
        Follows ``CLAIMS_DETAIL``.
    row
        Of ``CLAIMS``, all but this column filled in.
    """
    said = {}
    if not claim.published:
        said["published"] = "the paper gives no number"
    if not np.isfinite(detail["effect"]).any():
        said["computed and what follows"] = row["reason"]
        return _spell(said)
    if np.isnan(row["permutation_p"]):
        said["permutation_p"] = row["permutation"]
    if not row["by_published"]:
        said["by_recommended, by_published"] = (
            "only differential expression is run by both presets; run again with --preset"
        )
    if not np.isfinite(row["ci_low"]):
        said["ci_low, ci_high"] = (
            f"{len(detail)} rows with one each in claims_detail.csv"
            if len(detail) > 1
            else row["interval"]
        )
    readers = [all_evidence()[t] for t in dict.fromkeys(detail["table"]) if t]
    if all(not r.test for r in readers):
        said["family, min_p, detectable_effect"] = "no test: a number is compared with another"
        if row["n_reference"] == 0:
            said["n_reference"] = "no second group"
        return _spell(said)
    if not np.isfinite(row["min_p"]):
        said["min_p"] = "; ".join(r.floor for r in readers if r.floor)
    if np.isnan(row["detectable_effect"]):
        paired = any(within_patients(ctx, c) for c in detail["contrast"])
        said["detectable_effect"] = (
            "within patients: the power of the signed-rank test is not computed"
            if paired and set(detail["table"]) & set(RANKED)
            else "no rank test: the model's interval says what it could have seen"
        )
    return _spell(said)


def _spell(said: dict[str, str]) -> str:
    return "; ".join(f"{columns}: {why}" for columns, why in said.items())
