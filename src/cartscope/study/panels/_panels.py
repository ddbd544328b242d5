"""What panels ask of the result tables: rows or the reason why there are none, n, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.study._context import Context

CONTRASTS = "tables/contrasts.csv"
PSEUDOBULK = "tables/pseudobulk.csv"
_LINEAGES = ("CD4", "CD8")
# forgotten with the run
_READ: WeakKeyDictionary[Context, dict[str, tuple[tuple[int, int], pd.DataFrame]]] = (
    WeakKeyDictionary()
)


def result_rows(
    ctx: Context, table: str, contrast: str, *, value: str = "p_value", of: str = ""
) -> pd.DataFrame:
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
    of
        Population; any if empty.
    """
    every = read(ctx, table)
    rows = every[every["contrast"] == contrast]
    if of:
        rows = rows[(rows["population"] == of) | (rows["population"] == "")]
    there = rows[rows[value].notna()]
    if len(there):
        return there.reset_index(drop=True)
    msg = f"{contrast}: {why_none(ctx, rows, contrast)}"
    raise NotDrawable(msg)


def read(ctx: Context, table: str) -> pd.DataFrame:
    """Return a result table, read once per run however many panels draw it; don't write to it.

    Parameters
    ----------
    ctx
        The run.
    table
        Artifact.
    """
    known = _READ.setdefault(ctx, {})
    status = ctx.path(table).stat()
    stamp = (status.st_mtime_ns, status.st_size)
    if table not in known or known[table][0] != stamp:
        known[table] = (stamp, ctx.read_table(table))
    return known[table][1]


def why_none(ctx: Context, rows: pd.DataFrame, contrast: str) -> str:
    """Return why a contrast has no result.

    Parameters
    ----------
    ctx
        The run.
    rows
        Its rows of a result table, if it has any.
    contrast
        Id in contrasts.toml.
    """
    reasons = [r for r in rows.get("reason", pd.Series(dtype=object)) if r]
    if reasons:
        return str(reasons[0])
    resolved = read(ctx, CONTRASTS)
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
    resolved = read(ctx, CONTRASTS)
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
    table = read(ctx, PSEUDOBULK)
    table = table[table["population"] == c.population].astype({"patient": str})
    if "kept" in table:
        table = table[table["kept"].astype(bool)]
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
    group, reference = members[GROUP], members[REFERENCE]
    if group and set(group) == set(reference):
        return f"n = {len(group)} patients, paired"
    return f"n = {len(group)} v {len(reference)}"


def say_p(row: pd.Series, *, family: bool = True) -> str:
    """Return p and q of a test between patients, what q corrects for, and within what it is.

    Parameters
    ----------
    row
        Of a table with p_value, fdr and family_size, and where patients were compared within strata
        also within, n_group and n_reference.
    family
        Whether to add how many tests q corrects for.
    """
    size = int(row["family_size"])
    of = f" of {size} tests" if size > 1 and family else ""
    text = f"p = {number(row['p_value'])}\nq = {number(row['fdr'])}{of}"
    return f"{text}\n{within(row)}" if within(row) else text


def within(row: pd.Series) -> str:
    """Return within what patients were compared, and how many; empty: all with all.

    Parameters
    ----------
    row
        Of a table of tests between patients.
    """
    strata = str(row.get("within", "") or "")
    return f"within {strata}: {row['n_group']:.0f} v {row['n_reference']:.0f}" if strata else ""


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


def short_set(name: str, width: int = 44) -> str:
    """Return the name of a gene set as words, cut where it is too long for an axis.

    Parameters
    ----------
    name
        As the gene set file has it.
    width
        Most characters.
    """
    source, _, rest = name.partition("_")
    words = rest.replace("_", " ").lower() or name
    short = len(source) <= 4  # noqa: PLR2004  (an abbreviation)
    text = f"{words} ({source if short else source.capitalize()})" if rest else words
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"
