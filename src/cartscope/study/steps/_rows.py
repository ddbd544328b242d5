"""A result table is never empty without saying why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope._schema import Schema
    from cartscope.study.comparisons._groups import Split


def not_tested(schema: Schema, contrast: str, *, reason: str, **values: object) -> pd.DataFrame:
    """Return one row that says why a contrast has no result.

    Parameters
    ----------
    schema
        Of the table.
    contrast
        Its id.
    reason
        Why.
    values
        What is known all the same, numbers of patients say.
    """
    row = schema.blank(contrast=contrast, reason=reason, **values)
    numbers = {c for c, (kind, _) in schema.columns.items() if kind == "number"}
    return pd.DataFrame([{**row, **{c: float("nan") for c in numbers if c not in values}}])


def stack(
    schema: Schema, tables: Sequence[pd.DataFrame], *, splits: Sequence[Split]
) -> pd.DataFrame:
    """Put the tables of several contrasts together.

    A contrast whose groups are not there gives no rows, unless nothing at all would be left: then
    one row per contrast says why.

    Parameters
    ----------
    schema
        Of the table.
    tables
        One per contrast that was tested.
    splits
        Of every contrast of the analysis.
    """
    kept = [t for t in tables if len(t)]
    if not kept:
        kept = [not_tested(schema, s.contrast.id, reason=s.reason) for s in splits]
    if not kept:
        return schema.empty()
    return schema.check(pd.concat(kept, ignore_index=True))
