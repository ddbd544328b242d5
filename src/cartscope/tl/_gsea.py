from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _rng
from cartscope._errors import InputError
from cartscope._schema import GSEA
from cartscope.stats import benjamini_hochberg
from cartscope.tl._gene_sets import checked_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike

# of the first, plain stage, on which p above 1e-3 rests; ten times GSEApy's default costs nothing
PERMUTATIONS = 10_000
# GSEApy's sampling turns weights into integers of 2**30 in all; a set of zeros would then be 0 / 0,
# which ends the process in a panic that no `except Exception` catches
SMALLEST_WEIGHT = 2.0**-29
_NUMBERS = ["es", "nes", "p_value"]


def gsea(
    ranking: pd.Series,
    gene_sets: Mapping[str, Iterable[str]],
    *,
    min_size: int = 5,
    max_size: int = 500,
    weight: float = 1.0,
    random_state: int = 0,
    n_jobs: int = 1,
    name: str = "",
) -> pd.DataFrame:
    """Gene set enrichment of a ranked list, with p-values that are never 0.

    GSEApy's ``prerank`` with fgsea's multilevel sampling. The p-value shuffles genes, so it asks
    whether the set is more concentrated than a random set of its size and ignores that genes of a
    set rise and fall together: read it beside :func:`gene_set_patient_test`.

    Parameters
    ----------
    ranking
        Gene -> statistic, for instance DESeq2's Wald statistic, in any order. Missing statistics
        are dropped; of a gene that occurs twice the entry with the largest absolute statistic
        stays; ties are ordered by gene name.
    gene_sets
        Name -> genes. Never a library's name: nothing is fetched from the network.
    min_size
        Smallest number of a set's genes in the ranking.
    max_size
        Largest number.
    weight
        Exponent of the statistic in the running sum (gseaParam of fgsea).
    random_state
        Seed.
    n_jobs
        Threads.
    name
        Fills the ``contrast`` column.

    Returns
    -------
    One row per set, by p-value: contrast, gene_set, size (its genes in the ranking), es, nes,
    p_value, fdr (Benjamini-Hochberg), leading_edge (genes joined by ";", most extreme first) and
    reason. Sets outside the size limits, and sets whose p GSEApy cannot estimate, are rows with a
    reason; p-values below 1e-50 read 1e-50. ``attrs`` has n_genes, n_missing, duplicates,
    family_size and tied_share.

    Raises
    ------
    InputError
        If gene_sets is a name, the ranking is not a Series of finite numbers, or it is empty or 0
        throughout.

    References
    ----------
    .. [1] Subramanian et al. (2005), doi 10.1073/pnas.0506580102
    .. [2] Korotkevich et al., fgsea, doi 10.1101/060012
    .. [3] Fang et al. (2023), GSEApy, doi 10.1093/bioinformatics/btac757

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> ranking = pd.Series(np.linspace(3, -3, 200), index=[f"G{i}" for i in range(200)])
    >>> table = gsea(ranking, {"top": ranking.index[:10], "tiny": ["G0", "G1"]})
    >>> table[["gene_set", "size", "reason"]].values.tolist()
    [['top', 10, ''], ['tiny', 2, 'size 2 is below min_size=5']]
    """
    sets = checked_sets(gene_sets)
    stats, facts = ordered_ranking(ranking)
    position = {gene: i for i, gene in enumerate(stats.index)}
    hits = {
        term: np.unique([position[g] for g in genes if g in position]).astype(int)
        for term, genes in sets.items()
    }
    tested = {
        t: h for t, h in hits.items() if min_size <= h.size <= max_size and h.size < len(stats)
    }
    found = _prerank(
        stats.to_numpy(),
        tested,
        weight=weight,
        seed=_rng.seed_for(random_state, "gsea"),
        n_jobs=n_jobs,
    )
    genes = stats.index.to_numpy()
    rows = []
    for term, where in hits.items():
        row = GSEA.blank(contrast=name, gene_set=term, size=int(where.size))
        if term in tested:
            row.update(found.get(term, {}))
            row["leading_edge"] = ";".join(genes[row.pop("edge", np.array([], int))])
            if not np.isfinite(row["p_value"]):
                row["reason"] = "p not estimable: no random set of this size reached this side"
        else:
            row["reason"] = _size_reason(where.size, min_size, max_size, n_genes=len(stats))
        rows.append(row)
    table = GSEA.check(pd.DataFrame(rows, columns=list(GSEA.columns)))
    p = table["p_value"].to_numpy()
    able = np.isfinite(p)
    if able.any():
        table.loc[able, "fdr"] = benjamini_hochberg(p[able])
    table = table.sort_values(["p_value", "gene_set"], na_position="last", ignore_index=True)
    table.attrs.update(facts, family_size=int(able.sum()))
    return table


def ordered_ranking(ranking: pd.Series) -> tuple[pd.Series, dict[str, object]]:
    """Return the ranking from top to bottom, the same for any order of rows.

    Parameters
    ----------
    ranking
        Gene -> statistic.

    Returns
    -------
    The ordered Series, and what was done to get it.
    """
    if not isinstance(ranking, pd.Series):
        msg = f"ranking must be a pandas Series (gene -> statistic), not {type(ranking).__name__}."
        raise InputError(msg)
    frame = pd.DataFrame({"gene": ranking.index.map(str), "stat": _numbers(ranking.to_numpy())})
    missing = frame["stat"].isna() | pd.isna(ranking.index)
    frame = frame[~missing]
    infinite = frame.loc[np.isinf(frame["stat"]), "gene"]
    if len(infinite):
        msg = (
            f"ranking holds {len(infinite)} infinite statistics, first {infinite.iloc[0]!r}; "
            "rank by a finite statistic (a Wald z, not a log p that underflows)."
        )
        raise InputError(msg)
    if not (frame["stat"] != 0).any():
        msg = "ranking has no gene with a statistic other than 0; give gene -> statistic."
        raise InputError(msg)
    frame["size"] = frame["stat"].abs()
    frame = frame.sort_values(["gene", "size", "stat"], ascending=[True, False, False])
    twice = frame["gene"].duplicated()
    duplicates = sorted(frame.loc[twice, "gene"].unique())
    frame = frame[~twice].sort_values(["stat", "gene"], ascending=[False, True])
    stats = pd.Series(frame["stat"].to_numpy(), index=frame["gene"].to_numpy())
    facts = {
        "n_genes": len(stats),
        "n_missing": int(missing.sum()),
        "duplicates": duplicates,
        "tied_share": float(stats.duplicated(keep=False).mean()),
    }
    return stats, facts


def _numbers(values: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"ranking must hold numbers: {error}."
        raise InputError(msg) from error


def _size_reason(size: int, low: int, high: int, *, n_genes: int) -> str:
    if size < low:
        return f"size {size} is below min_size={low}"
    if size > high:
        return f"size {size} is above max_size={high}"
    return f"holds all {n_genes} genes of the ranking"


def _prerank(
    stats: np.ndarray, tested: Mapping[str, np.ndarray], *, weight: float, seed: int, n_jobs: int
) -> dict[str, dict[str, object]]:
    """Run GSEApy on positions instead of names: it upper-cases, re-sorts and renames genes."""
    if not tested:
        return {}
    from gseapy.gsea import Prerank

    codes = [f"G{i}" for i in range(stats.size)]
    run = Prerank(
        rnk=pd.Series(_no_zeros(stats, weight), index=codes),
        gene_sets={term: [codes[i] for i in where] for term, where in tested.items()},
        outdir=None,
        min_size=1,
        max_size=stats.size,
        permutation_num=PERMUTATIONS,
        weight=weight,
        ascending=None,
        threads=n_jobs,
        no_plot=True,
        seed=seed,
        method="multilevel",
    )
    # it warns of ties on a handler of its own; they are ordered by name, and counted in attrs
    run._logger.setLevel(logging.ERROR)
    try:
        run.run()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        msg = f"GSEApy's compiled core gave up: {error}. Give a statistic with fewer ties."
        raise InputError(msg) from error
    out = {}
    for term, entry in run.results.items():
        edge = [int(code[1:]) for code in str(entry["lead_genes"]).split(";") if code]
        values = (float(entry[key]) for key in ("es", "nes", "pval"))
        out[term] = dict(zip(_NUMBERS, values, strict=True))
        # most extreme first on either side: from the top of the list, or from its bottom
        out[term]["edge"] = np.array(sorted(edge, reverse=entry["es"] < 0), dtype=int)
    return out


def _no_zeros(stats: np.ndarray, weight: float) -> np.ndarray:
    """Lift statistics that would weigh nothing; enrichment scores move by less than 1e-7."""
    if weight == 0:
        return stats
    weights = np.abs(stats) ** weight
    floor = SMALLEST_WEIGHT * weights.sum()
    lifted = np.where(stats < 0, -1.0, 1.0) * floor ** (1 / weight)
    return np.where(weights < floor, lifted, stats)
