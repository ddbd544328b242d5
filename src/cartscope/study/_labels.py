"""Cell types that the user gave with ``--labels``, read alike by every step that needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _keys as k
from cartscope import io
from cartscope._check import one_of
from cartscope._errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.study._context import Context


def own_labels(ctx: Context) -> pd.Series | None:
    """Return the cell type of each cell that the user's file names one for, None without a file.

    Parameters
    ----------
    ctx
        The run.

    Raises
    ------
    InputError
        If the file has no cell types, or one that no population could ever match.
    """
    path = ctx.settings.labels
    if path is None:
        return None
    table = io.read_labels(path)
    if k.obs.cell_type not in table:
        others = ", ".join(table.columns.drop("cell"))
        msg = f"{path}: has no column {k.obs.cell_type}; it has {others}. Rename the one you mean."
        raise InputError(msg)
    labels = table.set_index("cell")[k.obs.cell_type].astype(str)
    labels = labels[labels != ""]
    known = [*ctx.manifests.annotation.cell_type, k.UNASSIGNED]
    for name in sorted(set(labels)):
        one_of(name, known, name=f"{path}: cell_type")
    return labels
