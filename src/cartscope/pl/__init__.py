"""Drawing: finished tables or an AnnData in, the Axes out; nothing is computed, saved or shown."""

from ._style import GREY, GROUP, PALETTE, REFERENCE, colors, stamp, style
from ._umap import umap

__all__ = ["umap", "style", "stamp", "colors", "PALETTE", "GREY", "GROUP", "REFERENCE"]
