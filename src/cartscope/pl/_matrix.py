from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from cartscope.pl._style import GREY, colors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes


def heatmap(
    table: pd.DataFrame,
    *,
    ax: Axes,
    label: str,
    center: float | None = None,
    groups: Sequence[str] | None = None,
) -> Axes:
    """Draw a table of numbers as colours.

    Parameters
    ----------
    table
        Numbers; the index names the rows, from the top, the columns the columns. A missing
        number stays blank.
    ax
        Axes to draw on.
    label
        What the numbers are, with their unit.
    center
        Middle of a diverging colour scale; a sequential one if None.
    groups
        Group of each column; runs of one group are set apart and named above.

    Returns
    -------
    The same ``ax``, with a colour bar.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"P1": [1.0, -1.0]}, index=["C1QA", "IL1B"])
    >>> ax = cs.pl.heatmap(table, ax=Figure().subplots(), label="z-score", center=0)
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['C1QA', 'IL1B']
    """
    values = np.ma.masked_invalid(table.to_numpy(float))
    low, high = (float(values.min()), float(values.max())) if values.count() else (0.0, 1.0)
    if center is not None:
        reach = max(high - center, center - low) or 1.0
        low, high = center - reach, center + reach
    mesh = ax.pcolormesh(
        values, cmap="cividis" if center is None else "RdBu_r", vmin=low, vmax=high,
        edgecolors="white", linewidth=0.4, rasterized=False,
    )  # fmt: skip
    ax.set_xticks(np.arange(table.shape[1]) + 0.5, [str(c) for c in table.columns], rotation=90)
    ax.set_yticks(np.arange(table.shape[0]) + 0.5, [str(r) for r in table.index])
    ax.set_ylim(table.shape[0], 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(mesh, ax=ax, label=label, shrink=0.6, aspect=18, pad=0.02)
    start = 0
    for name, run in groupby(groups or ()):
        end = start + len(list(run))
        ax.text((start + end) / 2, -0.15, name, ha="center", va="bottom", fontsize=6)
        if start:
            ax.axvline(start, color="black", linewidth=1.2)
        start = end
    return ax


def presence_matrix(
    counts: pd.DataFrame,
    *,
    ax: Axes,
    group: pd.Series,
    palette: Mapping[str, str] | None = None,
    notes: pd.DataFrame | None = None,
) -> Axes:
    """Draw who has which sample, with a number in every sample that is there.

    Parameters
    ----------
    counts
        Numbers; the index names the rows, from the top. Zero or missing: no such sample.
    ax
        Axes to draw on.
    group
        Group of each row, by its name.
    palette
        Colour by group; in order of appearance if None.
    notes
        Texts to write right of the rows, one column each.

    Returns
    -------
    The same ``ax``, with a legend of groups.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> counts = pd.DataFrame({"product": [1200, 0], "day 7": [900, 800]}, index=["P1", "P2"])
    >>> group = pd.Series({"P1": "anakinra", "P2": "none"})
    >>> ax = cs.pl.presence_matrix(counts, ax=Figure().subplots(), group=group)
    >>> [text.get_text() for text in ax.texts]
    ['1,200', '900', '800']
    """
    names = list(dict.fromkeys(group.reindex(counts.index).fillna("unknown").astype(str)))
    shades = dict(palette) if palette is not None else colors(names)
    values = counts.fillna(0).to_numpy(float)
    for i, row in enumerate(counts.index):
        shade = shades.get(str(group.get(row, "unknown")), GREY)
        for j, value in enumerate(values[i]):
            box = (j - 0.46, i - 0.44)
            if value > 0:
                _box(ax, box, facecolor=shade, edgecolor="none")
                ax.text(j, i, f"{int(value):,}", ha="center", va="center_baseline", fontsize=5.5,
                        color="white")  # fmt: skip
            else:
                _box(ax, box, facecolor="none", edgecolor="#DADDE0")
    columns = [str(c) for c in counts.columns]
    width = len(columns)
    if notes is not None:
        for j, column in enumerate(notes.columns):
            for i, row in enumerate(counts.index):
                ax.text(width + 0.7 * j, i, str(notes.loc[row, column]), ha="center",
                        va="center_baseline", fontsize=6)  # fmt: skip
        columns += [str(c) for c in notes.columns]
    places = [*range(width), *(width + 0.7 * j for j in range(len(columns) - width))]
    ax.set_xticks(places, columns)
    ax.set_yticks(range(len(counts)), [str(r) for r in counts.index])
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.6, places[-1] + 0.5), ylim=(len(counts) - 0.4, -0.6))
    handles = [ax.scatter([], [], c=c, s=18, marker="s", label=n) for n, c in shades.items()]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.4, -0.01), ncols=3,
              handletextpad=0.2, columnspacing=1.0)  # fmt: skip
    return ax


def _box(ax: Axes, corner: tuple[float, float], *, facecolor: str, edgecolor: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle(corner, 0.92, 0.88, facecolor=facecolor, edgecolor=edgecolor,
                           linewidth=0.5))  # fmt: skip
