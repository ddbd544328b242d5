"""Where two engines call different genes, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cartscope._check import require_columns
from cartscope._errors import InputError
from cartscope._schema import DE, ENGINE_COMPARISON, ENGINE_DISAGREEMENT

_FAR = 10.0  # ratio of p-values that counts as another answer, not as another side of the line


def compare_engines(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    names: tuple[str, str] = ("a", "b"),
    alpha: float = 0.05,
    detail: bool = False,
) -> pd.DataFrame:
    """Say how far two results of the same contrasts agree.

    Run it on ``engine="deseq2"`` with and without ``r_faithful`` to see what PyDESeq2's departures
    from DESeq2 do to your data, or on two engines to see which genes rest on the choice.

    Parameters
    ----------
    a
        Table of :func:`differential_expression`, one contrast or several.
    b
        Another, of the same contrasts.
    names
        What to call them.
    alpha
        Level of the adjusted p-value at which a gene is called.
    detail
        Return a row per gene that only one of them calls, instead of a row per contrast.

    Returns
    -------
    A table with the columns of ``cartscope._schema.ENGINE_COMPARISON``, or of
    ``ENGINE_DISAGREEMENT`` with ``detail``.

    Raises
    ------
    InputError
        The tables share no contrast, or a contrast holds a gene twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from cartscope.tl import compare_engines
    >>> a = pd.DataFrame({"contrast": "x", "gene": list("pqr"), "base_mean": 9.0,
    ...     "log2_fc": [2.0, 1, 0], "se": 1.0, "stat": [4.0, 3, 0], "p_value": [1e-4, 0.01, 1],
    ...     "fdr": [3e-4, 0.02, 1]})
    >>> compare_engines(a, a.assign(fdr=[3e-4, 0.06, 1]))["jaccard"].tolist()
    [0.5]
    """
    for name, table in zip(names, (a, b), strict=True):
        require_columns(table, [c for c in DE.columns if c not in DE.optional], name=name)
        if table.duplicated(["contrast", "gene"]).any():
            msg = f"{name}: a contrast holds a gene twice; make the genes unique."
            raise InputError(msg)
    both = a.merge(b, on=["contrast", "gene"], suffixes=("_a", "_b"))
    if both.empty:
        msg = (
            f"{names[0]} has contrasts {sorted(set(a['contrast']))}, {names[1]} has "
            f"{sorted(set(b['contrast']))}: nothing to compare; give both the same `name`."
        )
        raise InputError(msg)
    both["called_a"], both["called_b"] = both["fdr_a"] < alpha, both["fdr_b"] < alpha
    if detail:
        apart = both[both["called_a"] != both["called_b"]]
        rows = [
            {
                "contrast": r["contrast"],
                "gene": r["gene"],
                "called_by": names[0] if r["called_a"] else names[1],
                **{
                    f"{c}_{s}": r[f"{c}_{s}"]
                    for c in ("log2_fc", "se", "p_value", "fdr")
                    for s in "ab"
                },
                "why": _why(r, names),
            }
            for r in apart.to_dict("records")
        ]
        return ENGINE_DISAGREEMENT.check(
            pd.DataFrame(rows, columns=list(ENGINE_DISAGREEMENT.columns))
        )
    rows = [_summary(str(c), g, names) for c, g in both.groupby("contrast", sort=False)]
    return ENGINE_COMPARISON.check(pd.DataFrame(rows))


def _summary(contrast: str, genes: pd.DataFrame, names: tuple[str, str]) -> dict[str, object]:
    first, second = genes["called_a"], genes["called_b"]
    shared, either = int((first & second).sum()), int((first | second).sum())
    jaccard = shared / either if either else np.nan
    tested = genes[genes["stat_a"].notna() & genes["stat_b"].notna()]
    rho = tested["stat_a"].rank().corr(tested["stat_b"].rank()) if len(tested) > 1 else np.nan
    opposite = int(
        (genes.loc[first | second, "log2_fc_a"] * genes.loc[first | second, "log2_fc_b"] < 0).sum()
    )
    verdict = "neither calls a gene"
    if either:
        verdict = (
            f"{names[0]} and {names[1]} share {shared} of {either} genes called; "
            f"{int((first & ~second).sum())} rest on {names[0]}, "
            f"{int((second & ~first).sum())} on {names[1]}"
        )
    return {
        "contrast": contrast,
        "a": names[0],
        "b": names[1],
        "n_genes": len(tested),
        "n_a": int(first.sum()),
        "n_b": int(second.sum()),
        "n_both": shared,
        "jaccard": jaccard,
        "rank_correlation": rho,
        "n_opposite_sign": opposite,
        "verdict": verdict,
    }


def _why(row: dict[str, object], names: tuple[str, str]) -> str:
    """Return the first reason that accounts for a gene that only one side calls."""
    caller, other = ("a", "b") if row["called_a"] else ("b", "a")
    silent = names[1] if row["called_a"] else names[0]
    given = row.get("reason_" + other)
    if given:
        return f"{silent}: {given}"
    if np.isnan(float(row[f"p_value_{other}"])):  # type: ignore[arg-type]
        return f"{silent}: no p-value"
    if float(row["log2_fc_a"]) * float(row["log2_fc_b"]) < 0:  # type: ignore[arg-type]
        return "opposite signs"
    ratio = float(row[f"p_value_{other}"]) / max(float(row[f"p_value_{caller}"]), 1e-300)  # type: ignore[arg-type]
    if ratio < _FAR:
        return "close to the line in both"
    spread = float(row[f"se_{other}"]) / float(row[f"se_{caller}"])  # type: ignore[arg-type]
    shift = float(row[f"log2_fc_{caller}"]) / float(row[f"log2_fc_{other}"])  # type: ignore[arg-type]
    if np.isnan(spread) or abs(np.log(abs(shift))) > abs(np.log(spread)):
        return f"{silent}: smaller effect"
    return f"{silent}: larger standard error"
