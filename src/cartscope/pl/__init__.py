"""Drawing: finished tables or an AnnData in, the Axes out; nothing is tested, saved or shown."""

from ._bars import bars, stacked_bars
from ._dot_plot import dot_plot
from ._footnote import footnote
from ._labels import label_points
from ._matrix import heatmap, presence_matrix
from ._scatter import effect_scatter, volcano
from ._strip import strip
from ._style import GREY, GROUP, PALETTE, REFERENCE, colors, stamp, style
from ._umap import umap

__all__ = [
    "umap",
    "strip",
    "volcano",
    "effect_scatter",
    "dot_plot",
    "heatmap",
    "presence_matrix",
    "stacked_bars",
    "bars",
    "label_points",
    "style",
    "stamp",
    "footnote",
    "colors",
    "PALETTE",
    "GREY",
    "GROUP",
    "REFERENCE",
]
