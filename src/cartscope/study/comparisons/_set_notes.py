"""What the gene sets of the study's claims mean, and which genes they share."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from cartscope import io, tl

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from cartscope.study._context import Context

SETS = "gene_sets/study.gmt"
NOTES = "gene_sets/notes.toml"
MOST = 4  # shared genes that are named
WIDTH = 54  # letters that fit under a panel


def overlaps(ctx: Context) -> pd.DataFrame:
    """Return which genes every two of the study's sets share.

    Parameters
    ----------
    ctx
        The run.
    """
    return tl.gene_set_overlap(io.read_gene_sets(ctx.manifests.file(SETS)))


def notes(ctx: Context) -> dict[str, str]:
    """Return how to read each set, by its name; the sets that claims rest on name each other.

    Parameters
    ----------
    ctx
        The run.
    """
    known = ctx.manifests.gene_set_notes.set
    primary = [n.name for n in known if n.primary]
    table = overlaps(ctx)
    table = table[(table["shared"] > 0) & table["set_a"].isin(primary)]
    table = table[table["set_b"].isin(primary)]
    shared: dict[str, list[str]] = {n.name: [] for n in known}
    for row in table.itertuples():
        for one, other in ((row.set_a, row.set_b), (row.set_b, row.set_a)):
            shared[one].append(f"{row.shared} with {other}")
    return {
        n.name: f"{n.note} Genes shared: {', '.join(shared[n.name])}." if shared[n.name] else n.note
        for n in known
    }


def with_notes(ctx: Context, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the note on each of the study's sets, empty for others.

    Parameters
    ----------
    ctx
        The run.
    table
        With a column gene_set.
    """
    known = notes(ctx)
    return table.assign(note=[known.get(name, "") for name in table["gene_set"]])


def shared_lines(table: pd.DataFrame, sets: dict[str, str], *, drawn: Iterable[str]) -> list[str]:
    """Return lines that say which drawn sets share genes.

    Parameters
    ----------
    table
        From :func:`overlaps`.
    sets
        What to call each set, by its name in the tables.
    drawn
        Sets that the panel shows.
    """
    there = [name for name in sets if name in set(drawn)]
    rows = table[table["set_a"].isin(there) & table["set_b"].isin(there) & (table["shared"] > 0)]
    lines = []
    for row in rows.itertuples():
        genes = row.genes.split(";")
        text = ", ".join(genes[:MOST]) + (", \u2026" if len(genes) > MOST else "")
        line = f"{sets[row.set_a]} and {sets[row.set_b]} share {row.shared} genes ({text})"
        lines += textwrap.wrap(line, WIDTH)
    return lines
