"""What the readers of evidence have in common: one row per feature and contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context


COUNTED = "none: a count of cells, no sample of anything"
COUNTED_PAIRS = "none: a number of pairs; see what happens without each patient"


def rows_by_contrast(
    ctx: Context,
    claim: Claim,
    evidence: Evidence,
    *,
    find: Callable[[str, str], list[dict[str, Any]]],
) -> pd.DataFrame:
    """Look every feature of a claim up in every contrast of its evidence.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    evidence
        One of its pieces of evidence.
    find
        Takes the contrast's id and the feature as the table calls it, returns values for the
        columns of ``CLAIMS_DETAIL``; an empty list where the table has no such row.

    Returns
    -------
    A table that follows ``CLAIMS_DETAIL``.
    """
    groups = ctx.read_table("tables/contrasts.csv").drop_duplicates("contrast")
    groups = groups.set_index("contrast")
    expected = evidence.direction or claim.direction
    rows = []
    for contrast in evidence.contrasts:
        known = groups.loc[contrast]
        base = {
            "id": claim.id,
            "contrast": contrast,
            "n_group": int(known["n_group"]),
            "n_reference": int(known["n_reference"]),
            "expected": expected,
            "min_p": float("nan"),
        }
        for feature in feature_names(claim, evidence):
            name = evidence.features.get(feature, feature)
            found = [] if known["status"] != "tested" else find(contrast, name)
            if not found:
                reason = known["reason"] or f"{name} is not in {evidence.table}.csv"
                found = [{"reason": reason}]
            found = [{"entry": name, **f} for f in found]
            rows += [CLAIMS_DETAIL.blank(**{**base, "feature": feature, **f}) for f in found]
    return pd.DataFrame(rows) if rows else CLAIMS_DETAIL.empty()


def absent_study(ctx: Context, series: Iterable[str] = (), *, every: bool = False) -> str:
    """Return why a claim about the study cannot be asked of these samples; empty if it can.

    Parameters
    ----------
    ctx
        The run.
    series
        Accessions the claim is about; all of the study's if none.
    every
        Whether each of them has to be there, not just one.
    """
    samples = ctx.read_table("tables/samples.csv")
    there = set(samples["study"]) if "study" in samples else set()
    wanted = list(series) or list(ctx.manifests.cohort.series)
    missing = [name for name in wanted if name not in there]
    if missing and (every or len(missing) == len(wanted)):
        return f"no sample of {' and '.join(missing)} in this run"
    return ""


def wanted_entries(pairs: Iterable[tuple[Claim, Evidence]]) -> dict[str, tuple[str, ...]]:
    """Return what claims ask of each contrast, as its table calls it.

    Parameters
    ----------
    pairs
        Claims with one of their pieces of evidence.
    """
    out: dict[str, dict[str, None]] = {}
    for claim, evidence in pairs:
        names = [evidence.features.get(f, f) for f in feature_names(claim, evidence)]
        for contrast in evidence.contrasts:
            out.setdefault(contrast, {}).update(dict.fromkeys(names))
    return {contrast: tuple(names) for contrast, names in out.items()}


def feature_names(claim: Claim, evidence: Evidence) -> tuple[str, ...]:
    """Return the features to look up: the evidence's own, else the claim's.

    Parameters
    ----------
    claim
        The claim.
    evidence
        One of its pieces of evidence.
    """
    return tuple(evidence.features) or claim.features
