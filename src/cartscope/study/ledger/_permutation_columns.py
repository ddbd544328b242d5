"""The ledger's columns on permuted labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study._registry import all_evidence

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.manifest import Claim
    from cartscope.study._context import Context

TABLE = "tables/permutations.csv"
NOT_DEEP = "not asked for: --deep"
NO_LABELS = "no labels of patients to permute"
OF_GENES = "see the row `per patient`: prerank permutes genes"


def add_permutations(ctx: Context, claim: Claim, detail: pd.DataFrame) -> dict[str, Any]:
    """Fill in where each row lies among permuted labels.

    Parameters
    ----------
    ctx
        The run.
    claim
        The claim.
    detail
        Follows ``CLAIMS_DETAIL``; its columns on permutations are filled in.

    Returns
    -------
    ``permutation_p`` and ``permutation`` of the claim: of a test, which has to hold in every row,
    the largest p; of a null, which no row may deny, the smallest.
    """
    detail["permutation_p"] = np.nan
    known = np.isfinite(detail["effect"])
    if not known.any():
        return {"permutation_p": float("nan"), "permutation": ""}
    if not ctx.settings.deep:
        detail.loc[known, "permutation"] = NOT_DEEP
        return {"permutation_p": float("nan"), "permutation": NOT_DEEP}
    found = ctx.read_table(TABLE).set_index(["table", "contrast", "entry"])
    for i in detail.index[known]:
        key = tuple(detail.loc[i, ["table", "contrast", "entry"]])
        if key in found.index:
            row = found.loc[key]
            detail.loc[i, "permutation_p"] = row["permutation_p"]
            detail.loc[i, "n_permutations"] = int(row["n_permutations"])
            detail.loc[i, "permutation"] = _text(row, alpha=claim.alpha)
        else:
            detail.loc[i, "permutation"] = _why_not(str(key[0]))
    p = detail["permutation_p"]
    if p.isna().all():
        said = dict.fromkeys(t for t in detail.loc[known, "permutation"] if t)
        return {"permutation_p": float("nan"), "permutation": "; ".join(said)}
    worst = p.min() if claim.kind == "null" else p.max()
    i = p.idxmin() if claim.kind == "null" else p.idxmax()
    below = int((p <= claim.alpha).sum())
    text = f"{below} of {int(p.notna().sum())} at or below {claim.alpha:g}; "
    return {"permutation_p": float(worst), "permutation": text + detail.loc[i, "permutation"]}


def _text(row: pd.Series, *, alpha: float) -> str:
    if row["reason"]:
        return str(row["reason"])
    if row["min_p"] > alpha:
        return f"not attainable: {row['how']} give at least {row['min_p']:.2g}"
    return str(row["how"])


def _why_not(table: str) -> str:
    if table == "gsea":
        return OF_GENES
    if all_evidence()[table].permuted is None:
        return NO_LABELS
    return "not permuted: the profiles or values are not there"
