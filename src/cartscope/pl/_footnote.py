"""What a panel rests on, in the panel itself: it goes where the picture goes."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE: Final = 5.5  # points
_LETTER: Final = 0.56  # mean width of a letter, in sizes of the font
_LEADING: Final = 1.35
_MARGIN: Final = 0.04  # inches
_INCH: Final = 72.0  # points


def footnote(figure: Figure, text: str) -> None:
    """Write lines under a figure, on a band that is added for them.

    Parameters
    ----------
    figure
        The figure; it grows downwards and its panels keep their size.
    text
        What to write; broken into lines that fit.

    Returns
    -------
    Nothing.

    Examples
    --------
    >>> import cartscope as cs
    >>> from matplotlib.figure import Figure
    >>> cs.pl.footnote(Figure(layout="constrained"), "no test")
    """
    width = figure.get_size_inches()[0]
    lines = wrap(text, int((width - 2 * _MARGIN) * _INCH / (_SIZE * _LETTER)))
    band = len(lines) * _SIZE * _LEADING / _INCH + 2 * _MARGIN
    add_band(figure, below=band)
    height = figure.get_size_inches()[1]
    figure.text(
        _MARGIN / width, _MARGIN / height, "\n".join(lines), ha="left", va="bottom",
        fontsize=_SIZE, linespacing=_LEADING, color="#555555",
    ).set_in_layout(False)  # fmt: skip


def add_band(figure: Figure, *, above: float = 0.0, below: float = 0.0) -> None:
    """Let a laid-out figure grow by empty bands, its panels unchanged.

    Parameters
    ----------
    figure
        The figure; left alone unless its layout can be kept off the bands.
    above, below
        Inches.
    """
    engine = figure.get_layout_engine()
    if not (hasattr(engine, "get") and "rect" in engine.get()):
        return
    width, height = figure.get_size_inches()
    left, bottom, right, top = engine.get()["rect"]
    whole = height + above + below
    figure.set_size_inches(width, whole)
    engine.set(rect=(left, (bottom * height + below) / whole, right, top * height / whole))
