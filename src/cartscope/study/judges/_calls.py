"""When a claim's row is called a difference: in its family, by every way to ask, in the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cartscope import stats

if TYPE_CHECKING:
    from collections.abc import Iterable

# two tables that ask the same of the same patients; a difference has to show in both, because
# missed CAR T cells make one in the first, and genes that move together in the second
_SAME_QUESTION: Final = {
    "composition": "share",
    "cycling": "share",
    "corrected": "share",
    "gsea": "set",
    "gene_set_scores": "set",
}
_BY_PATIENTS: Final = {"set": "gene_set_scores"}


def decide(detail: pd.DataFrame, *, alpha: float) -> pd.DataFrame:
    """Say which rows of a claim are called, so that a claim calls falsely at most at its level.

    A row is called where q is below the level in its family, in every table that asks the same
    question (shares with and without missed CAR T cells, a gene set along the genes and between
    patients), and over the claim's own questions (Benjamini-Hochberg, p of a question the largest
    of its tables'). A claim with all rows below the level is not touched by the last: then q over
    its own questions is at most their largest p.

    Parameters
    ----------
    detail
        Follows ``CLAIMS_DETAIL``.
    alpha
        Level for the corrected p.

    Returns
    -------
    ``called``, ``fdr_claim`` and ``but``, why a row with q below the level is not called, by the
    rows of ``detail``.
    """
    q = detail["fdr"].to_numpy(float)
    p = detail["p_value"].to_numpy(float)
    p = np.where(np.isfinite(p), p, q)
    places = _questions(detail)
    largest = np.array([_largest(p, place) for place in places])
    fdr = np.full(len(places), np.nan)
    some = np.isfinite(largest)
    if some.any():
        fdr[some] = stats.benjamini_hochberg(largest[some])
    out = pd.DataFrame({"called": False, "fdr_claim": np.nan, "but": ""}, index=detail.index)
    for place, together in zip(places, fdr, strict=True):
        known = [i for i in place if np.isfinite(q[i])]
        other = _denied(detail, place, known, q=q, alpha=alpha)
        for i in known:
            index = detail.index[i]
            out.loc[index, "fdr_claim"] = together
            below = bool(q[i] < alpha)
            own = "" if together < alpha else f"{together:.2g} over the claim's own rows"
            out.loc[index, "called"] = below and not other and not own
            out.loc[index, "but"] = (other or own) if below else ""
    return out


def _questions(detail: pd.DataFrame) -> list[list[int]]:
    """Return the places of the rows that ask the same."""
    out: dict[object, list[int]] = {}
    columns = (detail[c] for c in ("table", "feature", "contrast", "entry"))
    for i, (table, feature, contrast, entry) in enumerate(zip(*columns, strict=True)):
        kind = _SAME_QUESTION.get(table)
        # not the population: it says how missed cells were taken out
        who = entry if kind == "share" else ""
        key: object = i if kind is None else (kind, feature, contrast, who)
        out.setdefault(key, []).append(i)
    return list(out.values())


def _largest(p: np.ndarray, place: Iterable[int]) -> float:
    known = [p[i] for i in place if np.isfinite(p[i])]
    return max(known) if known else float("nan")


def _denied(
    detail: pd.DataFrame, place: list[int], known: list[int], *, q: np.ndarray, alpha: float
) -> str:
    """Return which table of a question does not call it; empty if all do."""
    tables = detail["table"].to_numpy()
    needed = _BY_PATIENTS.get(_SAME_QUESTION.get(tables[place[0]], ""))
    if needed and known and needed not in {tables[i] for i in known}:
        return f"not asked of patients: no result in {needed}"
    above = [i for i in known if not q[i] < alpha]
    return f"q = {q[above[0]]:.2g} in {tables[above[0]]}" if above and len(known) > 1 else ""
