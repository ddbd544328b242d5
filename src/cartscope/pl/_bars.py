from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope._check import require_columns
from cartscope.pl._labels import turn_colliding
from cartscope.pl._style import REFERENCE, colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes


def stacked_bars(
    table: pd.DataFrame,
    *,
    x: str,
    part: str,
    height: str,
    ax: Axes,
    palette: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw what each thing is made of, one bar per thing.

    Parameters
    ----------
    table
        One row per bar and part.
    x
        Column with the bar, in order of appearance.
    part
        Column with the part.
    height
        Column with the share or number, which also names the axis.
    ax
        Axes to draw on.
    palette
        Colour by part, from the bottom up; in order of appearance if None.
    legend
        Whether to write a legend of parts.

    Returns
    -------
    The same ``ax``.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"patient": ["1", "1"], "subset": ["CD4", "CD8"], "share": [0.4, 0.6]})
    >>> ax = cs.pl.stacked_bars(table, x="patient", part="subset", height="share",
    ...                         ax=Figure().subplots())
    >>> [round(float(bar.get_height()), 1) for bar in ax.patches]
    [0.4, 0.6]
    """
    require_columns(table, [x, part, height], name="table")
    bars = list(dict.fromkeys(table[x].astype(str)))
    shades = dict(palette) if palette is not None else colors(list(dict.fromkeys(table[part])))
    wide = table.astype({x: str}).pivot_table(
        index=x, columns=part, values=height, aggfunc="sum", observed=True
    )
    wide = wide.reindex(index=bars, columns=list(shades)).fillna(0.0)
    bottom = np.zeros(len(bars))
    for name, shade in shades.items():
        values = wide[name].to_numpy(float)
        ax.bar(range(len(bars)), values, bottom=bottom, color=shade, width=0.8, label=name,
               linewidth=0.3, edgecolor="white")  # fmt: skip
        bottom += values
    ax.set_xticks(range(len(bars)), bars)
    ax.set(xlim=(-0.6, len(bars) - 0.4), ylabel=height)
    if legend:
        handles, names = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5),
                  handlelength=1.0)  # fmt: skip
    turn_colliding(ax)
    return ax


def bars(
    table: pd.DataFrame, *, y: str, width: str, ax: Axes, color: str = REFERENCE, note: str = ""
) -> Axes:
    """Draw one horizontal bar per row, the first on top, with its number at its end.

    Parameters
    ----------
    table
        One row per bar.
    y
        Column with the name.
    width
        Column with the number, which also names the axis; may be negative.
    ax
        Axes to draw on.
    color
        Colour of the bars.
    note
        Column with the text at the end of each bar; the number itself if empty.

    Returns
    -------
    The same ``ax``.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"population": ["CD8", "CD4"], "genes": [352, 12]})
    >>> ax = cs.pl.bars(table, y="population", width="genes", ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['352', '12']
    """
    require_columns(table, [y, width, *([note] if note else [])], name="table")
    values = table[width].to_numpy(float)
    drawn = ax.barh(range(len(table)), values, color=color, height=0.7)
    text = list(table[note].astype(str)) if note else [f"{v:g}" for v in values]
    ax.bar_label(drawn, text, padding=2, fontsize=6)
    ax.set_yticks(range(len(table)), list(table[y].astype(str)))
    ax.set(ylim=(len(table) - 0.4, -0.6), xlabel=width)
    ax.margins(x=0.25)
    if np.equal(np.mod(values, 1), 0).all():
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.axvline(0, color="black", linewidth=0.6)
    return ax
