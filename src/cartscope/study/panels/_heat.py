"""Pseudobulk expression of some genes, patient by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import pl
from cartscope.study._model import NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from cartscope.study._context import Context


def draw_patients(
    ctx: Context, contrasts: Sequence[str], *, genes: Sequence[str], ax: Axes
) -> pd.DataFrame:
    """Draw z-scores of log2 counts per million, within the patients of each contrast.

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Ids, side by side.
    genes
        Rows; those without counts in any of the contrasts are left out.
    ax
        Axes to draw on.

    Returns
    -------
    One row per contrast and patient: side, n_cells, log2(1 + counts per million) of every gene.
    """
    tables = [_panel_tables.log_cpm(ctx, c, genes).assign(contrast=c) for c in contrasts]
    there = [g for g in genes if any(g in t for t in tables)]
    if not there:
        msg = f"none of {list(genes)} has counts in this population"
        raise NotDrawable(msg)
    arms = {"anakinra": "anakinra", "no_anakinra": "no anakinra"}
    parts, groups = [], []
    for contrast, table in zip(contrasts, tables, strict=True):
        values = table.reindex(columns=there).astype(float)
        spread = values.std(ddof=0).replace(0, np.nan)
        scores = ((values - values.mean()) / spread).T
        scores.columns = list(table["patient"])
        parts.append(scores)
        group, reference = _panels.sides(ctx, contrast)
        words = {GROUP: group, REFERENCE: reference}
        arm = next((a for end, a in sorted(arms.items(), reverse=True) if contrast.endswith(end)),
                   "")  # fmt: skip
        last = f"\n{arm}" if len(contrasts) > 1 and arm else ""
        groups += [f"{words[s]}{last}" for s in table["side"]]
    scores = pd.concat(parts, axis=1)
    pl.heatmap(scores, ax=ax, label="z-score", center=0.0, groups=groups)
    ax.tick_params(axis="x", labelsize=5)
    return pd.concat(tables, ignore_index=True)[["contrast", "side", "patient", "n_cells", *there]]
