from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope._check import require_columns
from cartscope.pl._labels import label_points
from cartscope.pl._style import GREY, GROUP, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes


def volcano(
    table: pd.DataFrame,
    *,
    ax: Axes,
    alpha: float = 0.1,
    min_effect: float = 0.0,
    label: Sequence[str] = (),
) -> Axes:
    """Draw log2 fold changes against unadjusted p, coloured by what passes the FDR.

    Parameters
    ----------
    table
        Columns gene, log2_fc, p_value and fdr; rows without a p are left out.
    ax
        Axes to draw on.
    alpha
        FDR below which a gene is coloured.
    min_effect
        Least absolute log2 fold change of a coloured gene.
    label
        Genes to name, whether they pass or not.

    Returns
    -------
    The same ``ax``, with the numbers of genes that pass in its legend.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"gene": ["IL10", "ACTB"], "log2_fc": [2.0, 0.1],
    ...                       "p_value": [1e-4, 0.8], "fdr": [2e-4, 0.8]})
    >>> ax = cs.pl.volcano(table, ax=Figure().subplots(), label=["IL10"])
    >>> ax.texts[0].get_text()
    'IL10'
    """
    require_columns(table, ["gene", "log2_fc", "p_value", "fdr"], name="table")
    rows = table[table["p_value"].notna() & table["log2_fc"].notna()]
    effect = rows["log2_fc"].to_numpy(float)
    # a p below the smallest float is drawn at it
    height = -np.log10(np.maximum(rows["p_value"].to_numpy(float), np.finfo(float).tiny))
    passes = (rows["fdr"].to_numpy(float) < alpha) & (np.abs(effect) >= min_effect)
    for chosen, shade, name in (
        (~passes, GREY, f"q ≥ {alpha:g}" + (" or small" if min_effect else "")),
        (passes & (effect > 0), GROUP, "higher"),
        (passes & (effect <= 0), REFERENCE, "lower"),
    ):
        ax.scatter(
            effect[chosen], height[chosen], s=7 if shade == GREY else 12, c=shade, linewidths=0,
            label=f"{name} ({int(chosen.sum()):,})", rasterized=int(chosen.sum()) > 2000,  # noqa: PLR2004
        )  # fmt: skip
    low, high = min(effect.min(initial=0.0), -1.0), max(effect.max(initial=0.0), 1.0)
    ax.axvline(0, color="#888888", linewidth=0.5, zorder=0)
    room = 0.06 * (high - low)
    ax.set(
        xlim=(low - room, high + room), xlabel="log$_2$ fold change", ylabel="\u2212log$_{10}$ p"
    )
    ax.set_ylim(0, 1.1 * max(height.max(initial=0.0), 1.0))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=3, handletextpad=0.1,
              columnspacing=0.8, borderaxespad=0)  # fmt: skip
    named = rows["gene"].isin(set(label)).to_numpy()
    _ring(ax, effect[named], height[named])
    return label_points(effect[named], height[named], list(rows["gene"][named]), ax=ax)


def effect_scatter(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    color: str,
    ax: Axes,
    palette: Mapping[str, str],
    triangle: str | None = None,
    label: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the effects of one comparison against those of another.

    Parameters
    ----------
    table
        One row per gene or gene set, its name in the index.
    x, y
        Columns with the two effects, which also name the axes; rows without both are left out.
    color
        Column with a class.
    ax
        Axes to draw on.
    palette
        Colour by class; classes are drawn in this order, the last on top.
    triangle
        Column that is true where the two effects differ; those are drawn as triangles.
    label
        What to write beside a row, by its name.

    Returns
    -------
    The same ``ax``; the dashed line is where both effects are the same.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"a": [1.0, 0.0], "b": [2.0, 0.1], "q": ["yes", "no"]},
    ...                      index=["C1QA", "ACTB"])
    >>> ax = cs.pl.effect_scatter(table, x="a", y="b", color="q", ax=Figure().subplots(),
    ...                           palette={"no": "grey", "yes": "red"}, label={"C1QA": "C1QA"})
    >>> ax.get_xlabel()
    'a'
    """
    require_columns(table, [x, y, color, *([triangle] if triangle else [])], name="table")
    rows = table[table[x].notna() & table[y].notna()]
    xs, ys = rows[x].to_numpy(float), rows[y].to_numpy(float)
    differ = rows[triangle].to_numpy(bool) if triangle else np.zeros(len(rows), bool)
    handles = []
    for i, (name, shade) in enumerate(palette.items()):
        here = (rows[color] == name).to_numpy()
        for marker, chosen in (("o", here & ~differ), ("^", here & differ)):
            if chosen.any():
                size = (5 if i == 0 else 12) * (1.6 if marker == "^" else 1)
                ax.scatter(xs[chosen], ys[chosen], s=size, c=shade, marker=marker, linewidths=0,
                           zorder=2 + i / 10, rasterized=int(chosen.sum()) > 2000)  # noqa: PLR2004  # fmt: skip
        handles.append(ax.scatter([], [], s=14, c=shade, label=f"{name} ({int(here.sum()):,})"))
    if triangle:
        style = {"c": "none", "edgecolors": "black", "marker": "^", "linewidths": 0.6}
        name = f"{triangle} ({int(differ.sum()):,})"
        handles.append(ax.scatter([], [], s=18, label=name, **style))
    reach = 1.08 * max(np.abs(xs).max(initial=0), np.abs(ys).max(initial=0), 0.5)
    ax.axhline(0, color="#888888", linewidth=0.5, zorder=0)
    ax.axvline(0, color="#888888", linewidth=0.5, zorder=0)
    ax.plot([-reach, reach], [-reach, reach], color="#888888", linewidth=0.5, dashes=(4, 3),
            zorder=0)  # fmt: skip
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=x, ylabel=y, aspect="equal")
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    names = {} if label is None else label
    named = rows.index.isin(list(names))
    _ring(ax, xs[named], ys[named])
    return label_points(xs[named], ys[named], [names[n] for n in rows.index[named]], ax=ax)


def _ring(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    ax.scatter(x, y, s=22, facecolors="none", edgecolors="black", linewidths=0.5, zorder=4)
