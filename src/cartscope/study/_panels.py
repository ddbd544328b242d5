"""What panels ask of the result tables: rows or the reason why there are none, n, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pl
from cartscope._schema import PATIENT_SHARES
from cartscope.study._groups import GROUP, REFERENCE
from cartscope.study._model import NotDrawable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.study._context import Context

CONTRASTS = "tables/contrasts.csv"
PSEUDOBULK = "tables/pseudobulk.csv"
_LINEAGES = ("CD4", "CD8")
_TIMEPOINTS = {
    k.timepoints.infusion_product: "infusion product",
    k.timepoints.baseline: "baseline",
    k.timepoints.day7: "day 7",
}


def result_rows(ctx: Context, table: str, contrast: str, *, value: str = "p_value") -> pd.DataFrame:
    """Return the rows of a contrast that have a value, or raise NotDrawable with the reason.

    Parameters
    ----------
    ctx
        The run.
    table
        Artifact, for instance ``"tables/de.csv"``.
    contrast
        Id in contrasts.toml.
    value
        Column without which a row says nothing.
    """
    every = ctx.read_table(table)
    rows = every[every["contrast"] == contrast]
    there = rows[rows[value].notna()]
    if len(there):
        return there.reset_index(drop=True)
    msg = f"{contrast}: {_why_none(ctx, rows, contrast)}"
    raise NotDrawable(msg)


def _why_none(ctx: Context, rows: pd.DataFrame, contrast: str) -> str:
    reasons = [r for r in rows.get("reason", pd.Series(dtype=object)) if r]
    if reasons:
        return str(reasons[0])
    resolved = ctx.read_table(CONTRASTS)
    reasons = [r for r in resolved.loc[resolved["contrast"] == contrast, "reason"] if r]
    return str(reasons[0]) if reasons else "no row has a result"


def sides(ctx: Context, contrast: str) -> tuple[str, str]:
    """Return what the group and the reference of a contrast are called.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id in contrasts.toml.
    """
    manifest = ctx.manifests.contrasts
    outcome = next(c.outcome for c in manifest.contrast if c.id == contrast)
    group, reference = (_pretty(text) for text in manifest.outcome[outcome].label)
    return group, reference


def _pretty(text: str) -> str:
    return text.replace(">=", "≥").replace("<=", "≤")


def patients(ctx: Context, contrast: str) -> dict[str, tuple[str, ...]]:
    """Return the patients on each side of a contrast, before any minimum of cells.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id in contrasts.toml.
    """
    resolved = ctx.read_table(CONTRASTS)
    row = resolved[resolved["contrast"] == contrast].iloc[0]
    return {s: tuple(str(row[f"{s}_patients"]).split()) for s in (GROUP, REFERENCE)}


def profiled(ctx: Context, contrast: str) -> dict[str, tuple[str, ...]]:
    """Return the patients on each side who have a pseudobulk profile: the n of a DE test.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id in contrasts.toml.
    """
    c = next(c for c in ctx.manifests.contrasts.contrast if c.id == contrast)
    outcome = ctx.manifests.contrasts.outcome[c.outcome]
    table = ctx.read_table(PSEUDOBULK)
    table = table[table["population"] == c.population].astype({"patient": str})
    timepoints = [str(t) for t in c.samples.get("timepoint", ())]
    if timepoints:
        table = table[table["timepoint"].astype(str).isin(timepoints)]
    have = set(table["patient"])
    if outcome.within_patient:
        both = table.groupby("patient")["timepoint"].nunique()
        have = set(both[both > 1].index)
    return {s: tuple(p for p in ps if p in have) for s, ps in patients(ctx, contrast).items()}


def say_n(members: dict[str, tuple[str, ...]]) -> str:
    """Return how many patients stand on each side, group first.

    Parameters
    ----------
    members
        From :func:`patients` or :func:`profiled`.
    """
    return f"n = {len(members[GROUP])} v {len(members[REFERENCE])}"


def say_p(row: pd.Series) -> str:
    """Return p and q of a test between patients, with what q corrects for.

    Parameters
    ----------
    row
        Of a table with p_value, fdr and family_size.
    """
    size = int(row["family_size"])
    of = f" of {size} tests" if size > 1 else ""
    return f"p = {number(row['p_value'])}\nq = {number(row['fdr'])}{of}"


def number(value: float) -> str:
    """Return a p or q with two digits, as printed in a panel.

    Parameters
    ----------
    value
        Between 0 and 1.
    """
    if np.isnan(value):
        return "n/a"
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}".replace("e-0", "e-")  # noqa: PLR2004


def claim_features(ctx: Context, ids: Iterable[str]) -> list[str]:
    """Return the genes that claims name, in file order, once each.

    Parameters
    ----------
    ctx
        The run.
    ids
        Claims.
    """
    wanted = set(ids)
    named = (f for c in ctx.manifests.claims if c.id in wanted for f in c.features)
    return list(dict.fromkeys(named))


def patient_rows(ctx: Context, table: str, contrast: str, *, least: int) -> pd.DataFrame:
    """Return shares per patient of one contrast, with which of them the test counts.

    Parameters
    ----------
    ctx
        The run.
    table
        Artifact that follows ``PATIENT_SHARES``.
    contrast
        Id in contrasts.toml.
    least
        Cells below which a patient is not tested.
    """
    every = PATIENT_SHARES.check(ctx.read_table(table))
    rows = every[(every["contrast"] == contrast) & (every["side"] != "")]
    return rows.assign(counted=rows["n_cells"] >= least).reset_index(drop=True)


def subset_colors(ctx: Context, found: Iterable[str]) -> dict[str, str]:
    """Return one colour per T-cell subset, the same in every panel.

    Parameters
    ----------
    ctx
        The run.
    found
        Subsets to colour.
    """
    there = set(found)
    known = [n for n in ctx.manifests.annotation.t_subset if n not in _LINEAGES]
    every = pl.colors([*known, k.UNASSIGNED])
    every |= pl.colors(sorted(there - set(every)))
    return {n: c for n, c in every.items() if n in there}


def claim_sets(ctx: Context, claim: str) -> dict[str, str]:
    """Return what a claim calls the gene sets of the tables, by the tables' names.

    Parameters
    ----------
    ctx
        The run.
    claim
        Its id.
    """
    found = next(c for c in ctx.manifests.claims if c.id == claim)
    return {name: text for e in found.evidence for text, name in e.features.items()}


def libraries(ctx: Context) -> pd.DataFrame:
    """Return one row per library: its QC, its cohort and what kind of sample it is.

    Parameters
    ----------
    ctx
        The run.
    """
    qc = ctx.read_table("tables/qc.csv")
    samples = ctx.read_table("tables/samples.csv").astype({"sample_id": str})
    more = [c for c in samples.columns if c not in qc.columns and c != "sample_id"]
    table = qc.astype({"sample": str}).merge(
        samples[["sample_id", *more]], left_on="sample", right_on="sample_id", how="left"
    )
    if "study" not in table:
        table["study"] = ""
    table["study"] = table["study"].replace("", "one study")
    sort = table.get("sorted", pd.Series("", table.index)).astype(str).str.lower()
    suffix = np.where(sort == "true", ", CAR-sorted", "")
    table["kind"] = [
        f"{_TIMEPOINTS.get(t, t or 'time point unknown')}{s}"
        for t, s in zip(table["timepoint"].astype(str), suffix, strict=True)
    ]
    return table


def kind_order(kind: str) -> tuple[int, str]:
    """Return where a kind of sample stands: products, then day 7, then the rest.

    Parameters
    ----------
    kind
        From :func:`libraries`.
    """
    known = list(_TIMEPOINTS.values())
    name = kind.partition(",")[0]
    return (known.index(name) if name in known else len(known), kind)
