"""Which model each contrast of genes was tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study.report._table import Table, table_of

if TYPE_CHECKING:
    from cartscope.study._context import Context


def models_table(ctx: Context) -> Table:
    """Return the models of the run's preset, one row per contrast.

    Parameters
    ----------
    ctx
        The run.
    """
    table = ctx.read_table("tables/fits.csv")
    return table_of(
        table[table["preset"] == ctx.preset.name],
        {
            "contrast": ("contrast", "id in contrasts.toml"),
            "design": ("design", "formula of the model"),
            "term": ("effect", "what of the model the contrast is"),
            "n_profiles": ("profiles", "that the model was fitted to"),
            "caveat": ("caveat", "what the contrast cannot be told apart from"),
            "note": ("note", "what was left out of the model and why"),
        },
    )
