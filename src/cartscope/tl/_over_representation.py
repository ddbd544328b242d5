from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from cartscope._errors import InputError
from cartscope._schema import OVER_REPRESENTATION
from cartscope.stats import benjamini_hochberg
from cartscope.tl._gene_sets import checked_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def over_representation(
    genes: Iterable[str],
    gene_sets: Mapping[str, Iterable[str]],
    *,
    universe: Iterable[str],
    min_size: int = 5,
    max_size: int = 500,
    name: str = "",
) -> pd.DataFrame:
    """Ask which sets hold more of the chosen genes than chance.

    Parameters
    ----------
    genes
        Chosen genes, for instance those that rise with fdr below 0.1.
    gene_sets
        Name -> genes.
    universe
        Genes that could have been chosen: those that were tested, not the genome.
    min_size
        Smallest number of a set's genes in the universe.
    max_size
        Largest number.
    name
        Fills the ``contrast`` column.

    Returns
    -------
    One row per set, by p-value: contrast, gene_set, size, overlap, fold_enrichment, p_value
    (hypergeometric, upper tail), fdr (Benjamini-Hochberg), genes, reason. ``attrs`` has n_genes
    and n_universe.

    Raises
    ------
    InputError
        If a chosen gene is not in the universe, or nothing was chosen.

    Examples
    --------
    >>> universe = [f"G{i}" for i in range(100)]
    >>> table = over_representation(universe[:5], {"top": universe[:6]}, universe=universe)
    >>> table["overlap"].tolist(), float(table["p_value"].round(9)[0])
    ([5], 8e-08)
    """
    if isinstance(genes, str) or isinstance(universe, str):
        msg = "genes and universe must be lists of genes, not one string."
        raise InputError(msg)
    sets = checked_sets(gene_sets)
    everything = {str(gene) for gene in universe}
    chosen = {str(gene) for gene in genes}
    strangers = sorted(chosen - everything)
    if strangers:
        msg = (
            f"{len(strangers)} chosen genes are not in the universe, first {strangers[0]!r}; the "
            "universe is every gene that was tested."
        )
        raise InputError(msg)
    if not chosen:
        msg = "genes is empty; choose at least one gene, or leave the test out."
        raise InputError(msg)
    rows = []
    for term, members in sets.items():
        inside = everything.intersection(members)
        shared = sorted(chosen & inside)
        row = OVER_REPRESENTATION.blank(
            contrast=name, gene_set=term, size=len(inside), overlap=len(shared)
        )
        if len(inside) < min_size:
            row["reason"] = f"size {len(inside)} is below min_size={min_size}"
        elif len(inside) > max_size:
            row["reason"] = f"size {len(inside)} is above max_size={max_size}"
        else:
            row["genes"] = ";".join(shared)
            row["fold_enrichment"] = len(shared) * len(everything) / (len(inside) * len(chosen))
            row["p_value"] = float(
                hypergeom.sf(len(shared) - 1, len(everything), len(inside), len(chosen))
            )
        rows.append(row)
    table = OVER_REPRESENTATION.check(pd.DataFrame(rows))
    p = table["p_value"].to_numpy()
    able = np.isfinite(p)
    if able.any():
        table.loc[able, "fdr"] = benjamini_hochberg(p[able])
    table = table.sort_values(["p_value", "gene_set"], na_position="last", ignore_index=True)
    table.attrs.update(n_genes=len(chosen), n_universe=len(everything))
    return table
