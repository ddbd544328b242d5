from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._check import require_columns
from cartscope.pl._labels import turn_colliding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST = 60.0  # square points
_SMALLEST = 2.0


def dot_plot(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    color: str,
    size: str,
    ax: Axes,
    diverging: bool = False,
    largest: float | None = None,
) -> Axes:
    """Draw one dot per pair of names, with two numbers in its colour and its area.

    Parameters
    ----------
    table
        One row per dot.
    x, y
        Columns with names, drawn in order of appearance, ``y`` from the top (in the order of
        their categories where the column is categorical).
    color, size
        Columns with numbers, which also name the scales. Rows without one of them are crosses
        (no result); an infinite colour is drawn at the end of the scale.
    ax
        Axes to draw on.
    diverging
        Whether the colour scale is centred on zero.
    largest
        Size that has the largest area; the largest of the table if None.

    Returns
    -------
    The same ``ax``, with a colour bar and a legend of areas.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"pair": ["RETN-CAP1"], "to": ["CD4"], "change": [1.0], "-log q": [2]})
    >>> ax = cs.pl.dot_plot(table, x="to", y="pair", color="change", size="-log q",
    ...                     ax=Figure().subplots(), diverging=True)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['RETN-CAP1']
    """
    require_columns(table, [x, y, color, size], name="table")
    columns, rows = _names(table[x]), _names(table[y])
    result = table[size].notna() & table[color].notna()
    there, without = table[result], table[~result]
    amount = there[size].to_numpy(float)
    finite = np.isfinite(there[color].to_numpy(float))
    shade = there[color].to_numpy(float)
    most = float(np.abs(shade[finite]).max(initial=0.0)) or 1.0
    low, high = (-most, most) if diverging else (0.0, most)
    if largest is None:
        largest = float(amount[np.isfinite(amount)].max(initial=0.0)) or 1.0
    dots = ax.scatter(
        [columns.index(n) for n in there[x].astype(str)],
        [rows.index(n) for n in there[y].astype(str)],
        c=np.clip(shade, low, high),
        s=_area(amount, largest),
        cmap="RdBu_r" if diverging else "cividis_r",
        vmin=low,
        vmax=high,
        edgecolors="#666666",
        linewidths=0.3,
    )
    if len(without):
        ax.scatter(
            [columns.index(n) for n in without[x].astype(str)],
            [rows.index(n) for n in without[y].astype(str)],
            marker="x", s=9, c="#AAAAAA", linewidths=0.6,
        )  # fmt: skip
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(len(rows) - 0.4, -0.6))
    ax.figure.colorbar(dots, ax=ax, label=color, shrink=0.6, aspect=18, pad=0.02)
    steps = _round_steps(largest)
    handles = [ax.scatter([], [], s=_area(np.array([v]), largest), c="#999999", linewidths=0,
                          label=f"{v:g}") for v in steps]  # fmt: skip
    if len(without):
        handles.append(ax.scatter([], [], marker="x", s=9, c="#AAAAAA", linewidths=0.6,
                                  label="not tested"))  # fmt: skip
    ax.legend(handles=handles, title=size, loc="lower center", bbox_to_anchor=(0.5, 1.0),
              ncols=len(handles), handletextpad=0.2, columnspacing=1.0,
              title_fontsize=6.5, borderaxespad=0.2)  # fmt: skip
    turn_colliding(ax)
    return ax


def _names(column: pd.Series) -> list[str]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = set(column.astype(str))
        return [str(c) for c in column.cat.categories if str(c) in used]
    return list(dict.fromkeys(column.astype(str)))


def _area(amount: np.ndarray, largest: float) -> np.ndarray:
    return _SMALLEST + (_LARGEST - _SMALLEST) * np.clip(amount / largest, 0, 1)


def _round_steps(largest: float) -> list[float]:
    unit = 10.0 ** np.floor(np.log10(largest))
    top = next(m * unit for m in (5, 2, 1) if m * unit <= largest * 1.0001)
    return [top / 4, top / 2, top]
