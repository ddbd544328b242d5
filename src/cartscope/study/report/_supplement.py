"""The paper's supplementary tables and what stands in for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study.report._table import Table, table_of

if TYPE_CHECKING:
    from cartscope.study._context import Context


def supplement_table(ctx: Context) -> Table:
    """Return the index of the supplementary tables.

    Parameters
    ----------
    ctx
        The run.
    """
    table = ctx.read_table("tables/supplement.csv")
    answer = table["holds"].where(table["reason"] == "", table["reason"])
    note = table["note"].where(table["note"] == "", "; " + table["note"])
    table = table.assign(answer=answer + note, n_rows=table["n_rows"].where(table["file"] != ""))
    return table_of(
        table,
        {
            "table": ("table", "number in the paper's supplement"),
            "says": ("what the text says of it", ""),
            "file": ("file", "counterpart in this run"),
            "n_rows": ("rows", ""),
            "answer": ("what the counterpart holds, or why there is none", ""),
        },
    )


def left_out(ctx: Context) -> str:
    """Return the paper's panels that are not drawn, with the reason.

    Parameters
    ----------
    ctx
        The run.
    """
    parts = (f"{', '.join(x.panels)}: {x.why}" for x in ctx.manifests.supplement.left_out)
    return "; ".join(parts)
