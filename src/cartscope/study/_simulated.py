"""Whether the data of a run are simulated; everything drawn from such data says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cartscope.study._context import Context

MARK = "SIMULATED"


def is_simulated(ctx: Context) -> bool:
    """Return whether any library of the run is simulated.

    Parameters
    ----------
    ctx
        The run, past the step ``samples``.
    """
    table = ctx.read_table("tables/samples.csv")
    if "simulated" in table:
        return bool(table["simulated"].astype(str).str.lower().eq("true").any())
    return ctx.settings.data == "simulated"
