from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import GENE_SET_SCORES
from cartscope.stats import signed_rank
from cartscope.tl._gene_sets import checked_sets
from cartscope.tl._patient_groups import Contrast, Groups, level_text, patient_groups, within_of
from cartscope.tl._patient_test import adjust, empty_reason, rank_columns, shift_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anndata import AnnData

_TESTED = ["u", "superiority", "p_value", "min_p", "effect", "ci_low", "ci_high"]


def gene_set_patient_test(
    pdata: AnnData,
    gene_sets: Mapping[str, Iterable[str]],
    *,
    contrast: Contrast,
    unit: str = k.obs.patient,
    paired: bool = False,
    min_size: int = 5,
    max_size: int = 500,
    name: str | None = None,
) -> pd.DataFrame:
    """Compare gene set scores between groups of patients, one value a patient.

    The score is the mean over the set's genes of log2 counts per million, each gene standardised
    over the rows of the contrast without looking at groups. Unlike the p-value of :func:`gsea`
    this one permutes patients, so that correlation between the genes of a set is no evidence.

    Parameters
    ----------
    pdata
        Pseudobulk of one population: sums of raw counts in ``layers["counts"]``, else ``X``; a row
        per patient, or two where ``paired``.
    gene_sets
        Name -> genes.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text; with
        a fourth entry ``{"within": "study"}`` patients are compared within the levels of that obs
        column (:func:`cartscope.stats.van_elteren`).
    unit
        obs column that names the patients.
    paired
        Compare the two rows of each patient by the signed-rank test; patients with one row are
        left out.
    min_size
        Smallest number of a set's genes that vary between the rows.
    max_size
        Largest number.
    name
        Fills the ``contrast`` column.

    Returns
    -------
    One row per set: contrast, gene_set, size, n_group, n_reference, median_group,
    median_reference (mean z), effect with ci_low and ci_high (Hodges-Lehmann, 95%), u, p_value,
    fdr (Benjamini-Hochberg over the sets), family_size, min_p, reason, superiority
    (nan where paired), within, n_alone.

    Raises
    ------
    InputError
        If a level is absent, a patient has more rows than allowed, counts are not raw, or pairs
        are to be compared within strata.

    References
    ----------
    The mean z-score: Lee et al. 2008, doi 10.1371/journal.pcbi.1000217.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import pandas as pd
    >>> counts = np.random.default_rng(0).poisson(20, (8, 40))
    >>> counts[:4, :10] += 20
    >>> obs = pd.DataFrame({"patient": list("abcdefgh"), "crs": ["high"] * 4 + ["low"] * 4})
    >>> obs.index = obs["patient"].astype(str).tolist()
    >>> genes = pd.DataFrame(index=[f"G{i}" for i in range(40)])
    >>> pdata = ad.AnnData(counts.astype(float), obs=obs, var=genes)
    >>> sets = {"up": genes.index[:10]}
    >>> table = gene_set_patient_test(pdata, sets, contrast=("crs", "high", "low"))
    >>> table[["size", "n_group", "p_value"]].round(3).values.tolist()
    [[10.0, 4.0, 0.029]]
    """
    sets = checked_sets(gene_sets)
    rows, groups = _paired_rows(pdata, contrast, unit) if paired else _rows(pdata, contrast, unit)
    counts = _check.raw_counts(pdata)[rows]
    values = log_cpm(counts)
    place = {str(gene): i for i, gene in reversed(list(enumerate(pdata.var_names)))}
    scores, sizes = set_scores(
        values, [[place[g] for g in genes if g in place] for genes in sets.values()]
    )
    if paired:
        table = _paired_test(scores)
    else:
        who = groups.in_group, groups.strata
        parts = rank_columns(scores, *who), shift_columns(scores, *who)
        table = pd.concat(parts, axis=1).rename(
            columns={"shift": "effect", "shift_low": "ci_low", "shift_high": "ci_high"}
        )
        table["within"] = groups.within
    table.insert(0, "gene_set", list(sets))
    table["size"] = sizes
    few = empty_reason(
        (int(table["n_group"].max()), int(table["n_reference"].max())),
        need="a row",
        alone=int(table["n_alone"].max()),
    )
    table["reason"] = [
        f"size {n} is below min_size={min_size}"
        if n < min_size
        else (f"size {n} is above max_size={max_size}" if n > max_size else few)
        for n in sizes
    ]
    off = table["reason"] != ""
    table.loc[off, _TESTED] = np.nan
    table["contrast"] = groups.title if name is None else name
    out = GENE_SET_SCORES.check(adjust(table))
    out = out.sort_values(["p_value", "gene_set"], na_position="last", ignore_index=True)
    out.attrs.update(left_out=list(groups.left_out), test="signed rank" if paired else "exact U")
    return out


def gene_set_patient_scores(pdata: AnnData, gene_sets: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Return the scores that :func:`gene_set_patient_test` compares, one row per profile.

    Parameters
    ----------
    pdata
        Pseudobulk of the rows compared: each gene is standardised over them.
    gene_sets
        Name -> genes.

    Returns
    -------
    Rows of ``pdata`` x sets: the mean over the set's genes of standardised log2 counts per million;
    nan where no gene of the set varies.

    Raises
    ------
    InputError
        If counts are not raw, or a set is no collection of names.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> counts = np.array([[1, 50, 100], [2, 20, 90], [9, 10, 120]])
    >>> genes = pd.DataFrame(index=["A", "B", "C"])
    >>> scores = gene_set_patient_scores(ad.AnnData(counts, var=genes), {"up": ["A"]})
    >>> scores["up"].round(2).tolist()
    [-0.94, -0.11, 1.05]
    """
    sets = checked_sets(gene_sets)
    place = {str(gene): i for i, gene in reversed(list(enumerate(pdata.var_names)))}
    chosen = [[place[g] for g in genes if g in place] for genes in sets.values()]
    scores, sizes = set_scores(log_cpm(_check.raw_counts(pdata)), chosen)
    made = pd.DataFrame(scores, index=pdata.obs_names, columns=list(sets))
    made.loc[:, np.array(sizes) == 0] = np.nan
    return made


def log_cpm(counts: np.ndarray | sparse.csr_matrix) -> np.ndarray:
    """Return log2 counts per million, rows x genes, offset by half a count.

    Parameters
    ----------
    counts
        Rows x genes; few rows, so dense is fine.
    """
    dense = counts.toarray() if sparse.issparse(counts) else np.asarray(counts)
    total = dense.sum(axis=1, keepdims=True, dtype=float)
    return np.log2((dense + 0.5) / (total + 1.0) * 1e6)


def set_scores(values: np.ndarray, sets: list[list[int]]) -> tuple[np.ndarray, list[int]]:
    """Return the mean z-score of each set, rows x sets, and how many genes each rests on.

    Parameters
    ----------
    values
        Rows x genes, on a log scale.
    sets
        Columns of each set; genes that do not vary count for nothing.
    """
    spread = values.std(axis=0, ddof=1) if values.shape[0] > 1 else np.zeros(values.shape[1])
    varies = spread > 0
    z = np.zeros_like(values)
    z[:, varies] = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    scores = np.full((values.shape[0], len(sets)), np.nan)
    sizes = []
    for j, columns in enumerate(sets):
        kept = [column for column in columns if varies[column]]
        sizes.append(len(kept))
        if kept:
            scores[:, j] = z[:, kept].mean(axis=1)
    return scores, sizes


def _rows(pdata: AnnData, contrast: Contrast, unit: str) -> tuple[np.ndarray, Groups]:
    groups = patient_groups(pdata, contrast=contrast, unit=unit)
    names = pdata.obs[unit].astype(str).to_numpy()
    twice = pd.Series(names[np.isin(names, groups.names)])
    twice = twice[twice.duplicated()]
    if len(twice):
        msg = (
            f"{twice.iloc[0]!r} has several rows in pdata, but a patient is one value; give the "
            "pseudobulk of one population and time point, or pass paired=True."
        )
        raise InputError(msg)
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in groups.names]), groups


def _paired_rows(pdata: AnnData, contrast: Contrast, unit: str) -> tuple[np.ndarray, Groups]:
    """First the group's rows, then the reference's, patients in the same order."""
    factor, *levels = contrast[:3]
    if (within := within_of(contrast)) is not None:
        msg = f"a pair is compared with itself, not within {within!r}; leave out that or paired."
        raise InputError(msg)
    for key in (unit, factor):
        _check.require(pdata, "obs", key, made_by="cartscope.pp.pseudobulk")
    level = pdata.obs[factor].map(level_text).to_numpy()
    names = pdata.obs[unit].astype(str).to_numpy()
    places: list[dict[str, int]] = []
    for wanted in map(level_text, levels):
        _check.one_of(wanted, sorted(set(level)), name=f"a level of contrast[{factor!r}]")
        rows = np.flatnonzero(level == wanted)
        if len(set(names[rows])) < rows.size:
            msg = f"a patient has several rows with {factor} {wanted!r} in pdata; give one of each."
            raise InputError(msg)
        places.append({names[i]: int(i) for i in rows})
    both = sorted(set(places[0]) & set(places[1]))
    if not both:
        msg = f"no patient has both levels of {factor!r}; pass paired=False."
        raise InputError(msg)
    rows = np.array([place[name] for place in places for name in both])
    one_only = sorted(set(places[0]) ^ set(places[1]))
    in_group = np.repeat([True, False], len(both))
    return rows, Groups(tuple(both) * 2, in_group, contrast[:3], tuple(one_only))


def _paired_test(scores: np.ndarray) -> pd.DataFrame:
    half = scores.shape[0] // 2
    first, second = scores[:half], scores[half:]
    result = signed_rank(first, second)
    low, middle, high = _walsh(first - second)
    return pd.DataFrame(
        {
            "n_group": half,
            "n_reference": half,
            "median_group": np.median(first, axis=0),
            "median_reference": np.median(second, axis=0),
            "effect": middle,
            "ci_low": low,
            "ci_high": high,
            "u": result.v,
            "p_value": result.p_value,
            "min_p": min(1.0, 2.0 ** (1 - half)),
            "superiority": np.nan,
            "within": "",
            "n_alone": 0,
        }
    )


def _walsh(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """95% interval and median of the mean differences of all two patients, column by column."""
    n = differences.shape[0]
    first, second = np.triu_indices(n)
    ordered = np.sort((differences[first] + differences[second]) / 2, axis=0)
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.convolve(ways, np.r_[1.0, np.zeros(rank - 1), 1.0])
    outside = int(np.searchsorted(np.cumsum(ways) / 2.0**n, 0.025, side="right"))
    middle = np.median(ordered, axis=0)
    if outside == 0:
        return np.full_like(middle, -np.inf), middle, np.full_like(middle, np.inf)
    return ordered[outside - 1], middle, ordered[-outside]
