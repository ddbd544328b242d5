"""The volcano of one DE contrast, as several panels have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import pl
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from cartscope.study._context import Context

DE = "tables/de.csv"


def draw_volcano(
    ctx: Context,
    contrast: str,
    *,
    ax: Axes,
    genes: Sequence[str],
    alpha: float = 0.1,
    min_effect: float = 0.0,
    n_top: int = 8,
) -> pd.DataFrame:
    """Draw the volcano of a contrast; genes of claims and the smallest p are named.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id in contrasts.toml.
    ax
        Axes to draw on.
    genes
        Genes to name, whatever their p.
    alpha
        FDR below which a gene is coloured.
    min_effect
        Least absolute log2 fold change of a coloured gene.
    n_top
        Further genes to name, of those that pass, by p.

    Returns
    -------
    What was drawn, one row per gene.
    """
    rows = _panels.result_rows(ctx, DE, contrast)
    group, reference = _panels.sides(ctx, contrast)
    n = _panels.say_n(_panels.profiled(ctx, contrast))
    passing = rows[(rows["fdr"] < alpha) & (rows["log2_fc"].abs() >= min_effect)]
    top = passing.sort_values("p_value", kind="stable")["gene"].head(n_top)
    ax.set_title(f"{group} against {reference}\n{n}")
    absent = [g for g in genes if g not in set(rows["gene"])]
    if absent:
        ax.text(0.01, 0.99, f"not tested: {', '.join(absent)}", fontsize=5.5, va="top",
                transform=ax.transAxes, color="#555555")  # fmt: skip
    label = list(dict.fromkeys([*genes, *top]))
    pl.volcano(rows, ax=ax, alpha=alpha, min_effect=min_effect, label=label)
    return rows.drop(columns="reason", errors="ignore")
