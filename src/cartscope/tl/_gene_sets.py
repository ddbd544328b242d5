from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from cartscope._errors import InputError


def checked_sets(gene_sets: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return name -> unique genes, sorted, or raise InputError.

    Parameters
    ----------
    gene_sets
        What the user gave.
    """
    if not isinstance(gene_sets, Mapping):
        msg = (
            f"gene_sets must be a mapping of name to genes, but is {type(gene_sets).__name__}; "
            "read a GMT file with cartscope.io.read_gene_sets. Libraries are never fetched by name."
        )
        raise InputError(msg)
    if not gene_sets:
        msg = "gene_sets is empty; give at least one set."
        raise InputError(msg)
    out = {}
    for term, genes in gene_sets.items():
        if isinstance(genes, str):
            msg = f"gene_sets[{term!r}] is one string; give a list of genes."
            raise InputError(msg)
        out[str(term)] = sorted({str(gene) for gene in genes})
    return out


def gene_set_overlap(gene_sets: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Genes that each pair of sets shares.

    Parameters
    ----------
    gene_sets
        Name -> genes.

    Returns
    -------
    One row per pair: set_a, set_b, size_a, size_b, shared, jaccard (0-1), contained (share of the
    smaller set that is in the other, 0-1), genes (joined by ";").

    Examples
    --------
    >>> gene_set_overlap({"a": ["IL4", "IL13"], "b": ["IL4", "IL18"]})["shared"].tolist()
    [1]
    """
    sets = {term: set(genes) for term, genes in checked_sets(gene_sets).items()}
    terms = list(sets)
    rows = []
    for i, a in enumerate(terms):
        for b in terms[i + 1 :]:
            shared = sorted(sets[a] & sets[b])
            union, smaller = len(sets[a] | sets[b]), min(len(sets[a]), len(sets[b]))
            rows.append(
                {
                    "set_a": a,
                    "set_b": b,
                    "size_a": len(sets[a]),
                    "size_b": len(sets[b]),
                    "shared": len(shared),
                    "jaccard": len(shared) / union if union else np.nan,
                    "contained": len(shared) / smaller if smaller else np.nan,
                    "genes": ";".join(shared),
                }
            )
    columns = ["set_a", "set_b", "size_a", "size_b", "shared", "jaccard", "contained", "genes"]
    return pd.DataFrame(rows, columns=columns)
