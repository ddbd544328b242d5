"""Ligand-receptor results arranged as the rows and columns of a dot plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope.study import _panels
from cartscope.study._model import NotDrawable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cartscope.study._context import Context

LIGREC = "tables/ligrec.csv"


def dots(
    ctx: Context,
    contrasts: Mapping[str, str],
    *,
    pairs: Sequence[tuple[str, str, str]],
    targets: Sequence[str],
) -> pd.DataFrame:
    """Return one row per pair, contrast and target, tested or not.

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Name of the rows by the contrast's id.
    pairs
        Ligand, receptor and sending population.
    targets
        Receiving populations.
    """
    labels = {n: p.label for n, p in ctx.manifests.contrasts.population.items()}
    every = _panels.read(ctx, LIGREC)
    rows, reasons = [], []
    for contrast, name in contrasts.items():
        try:
            _panels.result_rows(ctx, LIGREC, contrast)
        except NotDrawable as answer:
            reasons.append(str(answer))
            continue
        here = every[every["contrast"] == contrast]
        for ligand, receptor, source in pairs:
            chosen = (here["ligand"] == ligand) & (here["receptor"] == receptor)
            found = here[chosen & (here["source"] == source) & here["target"].isin(targets)]
            rows.append(found.assign(row=f"{ligand}\u2013{receptor} ({name})"))
    table = pd.concat(rows, ignore_index=True) if rows else every.head(0).assign(row="")
    if table.empty:
        reason = "; ".join(reasons) or "none of the pairs was scored"
        raise NotDrawable(reason)
    order = [t for t in targets if t in set(table["target"])]
    table["to"] = pd.Categorical([labels[t] for t in table["target"]], [labels[t] for t in order])
    names = [f"{li}\u2013{r} ({n})" for li, r, _ in pairs for n in contrasts.values()]
    table["row"] = pd.Categorical(table["row"], list(dict.fromkeys(names)))
    # zero p does not exist in an exact test, so the logarithm is finite
    table["minus_log10_q"] = -np.log10(table["fdr"])
    columns = ["contrast", "source", "target", "ligand", "receptor", "n_group", "n_reference",
               "median_group", "median_reference", "log2_change", "u", "p_value", "fdr",
               "family_size", "min_p", "reason"]  # fmt: skip
    return table[[*columns, "minus_log10_q", "to", "row"]]
