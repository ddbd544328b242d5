"""What a claim is called by: two tables that ask the same of the same patients, both below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

# made table -> the two it is made of, by what their rows are matched, which rows of the second
PAIRS = {
    "both_sets.csv": ("tables/gsea.csv", "tables/gene_set_scores.csv", "gene_set", None),
    "both_programs.csv": ("programs_gsea.csv", "programs_gene_set_scores.csv", "gene_set", None),
    "both_shares.csv": (
        "tables/composition.csv",
        "tables/corrected.csv",
        "population",
        "composition",
    ),
    "both_cycling.csv": ("tables/cycling.csv", "tables/corrected.csv", "population", "cycling"),
}
# the second is the one that may be missing: shares of CAR+ cells and of products are not corrected
OPTIONAL = frozenset({"both_shares.csv", "both_cycling.csv"})


def joint(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables with those of two ways to ask: p and q the larger of the two.

    Parameters
    ----------
    tables
        Artifact -> table.
    """
    out = dict(tables)
    for made, (first, second, feature, analysis) in PAIRS.items():
        if first in tables and second in tables:
            other = tables[second]
            if analysis is not None:
                other = other[other["analysis"] == analysis]
            out[made] = _larger(
                tables[first], other, on=["contrast", feature], needed=made not in OPTIONAL
            )
    return out


def _larger(a: pd.DataFrame, b: pd.DataFrame, *, on: list[str], needed: bool) -> pd.DataFrame:
    there = b[b["p_value"].notna()].drop_duplicates(on)
    both = a.merge(
        there[[*on, "p_value", "fdr"]],
        on=on,
        how="inner" if needed else "left",
        suffixes=("", "_other"),
    )
    for column in ("p_value", "fdr"):
        known = both["p_value"].notna()
        both[column] = np.where(known, np.fmax(both[column], both[f"{column}_other"]), both[column])
    return both.drop(columns=["p_value_other", "fdr_other"])
