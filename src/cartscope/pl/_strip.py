from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cartscope._check import require_columns
from cartscope.pl._style import GREY, colors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

_SHIFTS: Final = (0.0, 0.12, -0.12, 0.24, -0.24, 0.36, -0.36)


def strip(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    ax: Axes,
    order: Sequence[str] | None = None,
    palette: Mapping[str, str] | None = None,
    filled: str | None = None,
    tests: Mapping[tuple[str, str], str] | None = None,
) -> Axes:
    r"""Draw one dot per patient by group, with medians, group sizes and tests.

    Parameters
    ----------
    table
        One row per patient (and group).
    x
        Column with the group.
    y
        Column with the value.
    ax
        Axes to draw on.
    order
        Groups from left to right; in order of appearance if None.
    palette
        Colour by group.
    filled
        Column that is true for the patients that medians, n and tests count; the others are
        drawn hollow. All if None.
    tests
        What to write over two groups, by their names.

    Returns
    -------
    The same ``ax``; a bar marks each group's median, n stands under its name.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> import cartscope as cs, pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"grade": ["low", "low", "high"], "share": [0.1, 0.2, 0.4]})
    >>> ax = cs.pl.strip(table, x="grade", y="share", ax=Figure().subplots(),
    ...                  tests={("low", "high"): "p = 0.67"})
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['low\nn = 2', 'high\nn = 1']
    """
    require_columns(table, [x, y, *([filled] if filled else [])], name="table")
    groups = list(order) if order is not None else list(dict.fromkeys(table[x]))
    shades = dict(palette) if palette is not None else colors(groups)
    counted = table[filled].to_numpy(bool) if filled else np.ones(len(table), bool)
    names = table[x].to_numpy()
    values = table[y].to_numpy(float)
    labels, top = [], {}
    near = (
        (np.nanmax(values) - min(np.nanmin(values), 0)) / 30 if np.isfinite(values).any() else 0.0
    )
    for i, group in enumerate(groups):
        here = (names == group) & np.isfinite(values)
        shade = shades.get(group, GREY)
        at = i + _spread(values[here], near)
        faces = [shade if c else "none" for c in counted[here]]
        ax.scatter(at, values[here], s=16, c=faces, edgecolors=shade, linewidths=0.8, zorder=3)
        used = values[here & counted]
        if used.size:
            ax.hlines(np.median(used), i - 0.32, i + 0.32, colors="black", linewidths=1.2, zorder=4)
        top[group] = values[here].max() if here.any() else np.nan
        labels.append(f"{group}\nn = {used.size}")
    ax.set_xticks(range(len(groups)), labels)
    ax.set(xlim=(-0.6, len(groups) - 0.4), ylabel=y)
    for (left, right), text in (tests or {}).items():
        _bracket(ax, (groups.index(left), groups.index(right)), text=text, above=max(
            (top[g] for g in groups[groups.index(left) : groups.index(right) + 1]
             if np.isfinite(top[g])), default=1.0))  # fmt: skip
    return ax


def _spread(values: np.ndarray, near: float) -> np.ndarray:
    """Return sideways shifts that keep dots of like value apart, the same every time."""
    shift = np.zeros(values.size)
    order = np.argsort(values, kind="stable")
    for place, now in enumerate(order):
        before = [b for b in order[:place] if values[now] - values[b] < near]
        taken = {shift[b] for b in before}
        free = (s for s in _SHIFTS if s not in taken)
        shift[now] = next(free, _SHIFTS[place % len(_SHIFTS)])  # full: spread the overlap
    return shift


def _bracket(ax: Axes, ends: tuple[int, int], *, text: str, above: float) -> None:
    """Write a test over two groups, in points above the dots, so that no later scale moves it."""
    from matplotlib.transforms import ScaledTranslation

    def raised(points: float) -> Transform:
        return ax.transData + ScaledTranslation(0, points / 72, ax.figure.dpi_scale_trans)

    for points, x in ((8, ends), (6.5, (ends[0],)), (6.5, (ends[1],))):
        marker = {} if len(x) > 1 else {"marker": "|", "markersize": 3}
        ax.plot(x, [above] * len(x), color="black", linewidth=0.6, transform=raised(points),
                scaley=False, scalex=False, **marker)  # fmt: skip
    ax.text(sum(ends) / 2, above, text, ha="center", va="bottom", fontsize=6,
            transform=raised(9.5))  # fmt: skip
    low, high = ax.get_ylim()
    room = 12 + 8 * (text.count("\n") + 1)
    # the layout will take some of the height for titles and labels
    share = min(room / (0.75 * ax.get_window_extent().height * 72 / ax.figure.dpi), 0.6)
    ax.set_ylim(low, max(high, (above - share * low) / (1 - share)))
