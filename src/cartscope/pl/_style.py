"""One look for every panel: small, editable text in the PDF, colours that all eyes tell apart."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cartscope.pl._footnote import add_band

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), the yellow last for want of contrast
PALETTE: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555", "#882255",
    "#117733", "#AA4499", "#332288", "#DDCC77",
)  # fmt: skip
GREY: Final = "#C8CCD0"
GROUP: Final = "#D55E00"
REFERENCE: Final = "#0072B2"
_BAND: Final = 0.14  # inches

_RC: Final = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 0.8,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # shipped with matplotlib: the same on every machine
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in cartscope's style inside the block, and leave matplotlib as it was.

    Returns
    -------
    A context manager.

    Examples
    --------
    >>> import cartscope as cs
    >>> with cs.pl.style():
    ...     pass
    """
    import matplotlib as mpl

    interactive = mpl.rcParams["interactive"]
    try:
        with mpl.rc_context(_RC):
            try:
                yield
            finally:
                interactive = mpl.rcParams["interactive"]
    finally:
        # a notebook's backend may be chosen inside the block; forgetting that hides later figures
        mpl.rcParams["interactive"] = interactive


def colors(names: Sequence[str]) -> dict[str, str]:
    """Return one colour per name, the same for the same names in the same order.

    Parameters
    ----------
    names
        Names in the order of the legend; "unassigned" and "unknown" are grey.

    Returns
    -------
    Colour by name.

    Examples
    --------
    >>> import cartscope as cs
    >>> cs.pl.colors(["T", "NK"])["T"]
    '#0072B2'
    """
    grey = {"unassigned", "unknown", ""}
    named = [n for n in names if n not in grey]
    out = {n: PALETTE[i % len(PALETTE)] for i, n in enumerate(named)}
    return {n: out.get(n, GREY) for n in names}


def stamp(figure: Figure, text: str) -> None:
    """Write a mark on a figure that no crop of a single axis takes away.

    Parameters
    ----------
    figure
        The figure; it is changed.
    text
        The mark, ``"SIMULATED"`` say.

    Returns
    -------
    Nothing.

    Examples
    --------
    >>> import cartscope as cs
    >>> from matplotlib.figure import Figure
    >>> cs.pl.stamp(Figure(), "SIMULATED")
    """
    # a band of its own above the panel, so that the mark covers no title
    add_band(figure, above=_BAND)
    figure.text(
        0.995, 0.995, text, ha="right", va="top", fontsize=6.5, weight="bold", color="#8A2B06"
    ).set_in_layout(False)
    for ax in figure.axes:
        if ax.axison and ax.get_label() != "<colorbar>":
            ax.text(
                0.5,
                0.5,
                text,
                transform=ax.transAxes,
                ha="center",
                va="center",
                rotation=25,
                fontsize=16,
                alpha=0.10,
                color="#8A2B06",
                zorder=0,
            )
