from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cartscope._errors import InputError
from cartscope.io._tables import read_text

if TYPE_CHECKING:
    import pandas as pd

_CELL = "cell"


def read_labels(path: str | Path) -> pd.DataFrame:
    r"""Read labels of cells that somebody else gave, for instance the authors' cell types.

    Parameters
    ----------
    path
        CSV or TSV, gzipped or not, with ``cell`` (``<sample_id>_<barcode>``) or ``sample_id`` and
        ``barcode``, and one or more columns of labels (cell_type, t_subset, ...).

    Returns
    -------
    ``cell``, named as the cells of a cohort are, and the labels: text, ``""`` where there is none.

    Raises
    ------
    InputError
        The cells are not named, a cell stands twice, or there is no label column.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels.csv")
    ...     _ = path.write_text("sample_id,barcode,cell_type\nP1_D7,AAAC-1,NK\n")
    ...     cs.io.read_labels(path).values.tolist()
    [['P1_D7_AAAC-1', 'NK']]
    """
    table = read_text(Path(path))
    if _CELL in table:
        cells = table.pop(_CELL).str.strip()
    elif {"sample_id", "barcode"} <= set(table.columns):
        cells = table.pop("sample_id").str.strip() + "_" + table.pop("barcode").str.strip()
    else:
        msg = (
            f"{path}: does not name its cells; give a column cell, or sample_id and barcode. "
            f"It has {list(table.columns)}."
        )
        raise InputError(msg)
    if table.columns.empty:
        msg = f"{path}: has no column of labels, as cell_type; add one."
        raise InputError(msg)
    if cells.duplicated().any():
        msg = f"{path}: cell {cells[cells.duplicated()].iloc[0]!r} stands in several rows."
        raise InputError(msg)
    table.insert(0, _CELL, cells)
    return table
