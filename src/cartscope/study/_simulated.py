"""Whether the data of a run are simulated; everything drawn from such data says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope import geo

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cartscope.study._context import Context

MARK = "SIMULATED"
COLUMN = "simulated"


def says_simulated(series_dir: Path) -> bool:
    """Return whether a series' own SOFT file says that it is simulated.

    Parameters
    ----------
    series_dir
        Folder of the series.
    """
    for path in sorted((series_dir / "soft").glob("*_family.soft*")):
        series = geo.read_soft(path).series
        if series is not None and MARK in series.first("title"):
            return True
    return False


def mark_simulated(table: pd.DataFrame, series_dirs: list[Path]) -> pd.DataFrame:
    """Add the column that says which libraries are simulated, where any is.

    Parameters
    ----------
    table
        Sample table with the column ``study``.
    series_dirs
        Folders of the series, each called as its study.
    """
    simulated = {d.name for d in series_dirs if says_simulated(d)}
    if not simulated:
        return table
    said = np.where(table["study"].isin(simulated), "true", "false")
    return table.assign(**{COLUMN: said})


def is_simulated(ctx: Context) -> bool:
    """Return whether any library of the run is simulated.

    Parameters
    ----------
    ctx
        The run, past the step ``samples``.
    """
    table = ctx.read_table("tables/samples.csv")
    if COLUMN not in table:
        return False
    return bool(table[COLUMN].astype(str).str.lower().eq("true").any())
