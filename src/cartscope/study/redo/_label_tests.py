"""Where a claim's statistic lies among those of the patients' labels permuted within strata."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.study.comparisons._fits import carried
from cartscope.study.comparisons._groups import GROUP, REFERENCE, Split, split
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.redo._label_statistics import log_cpm, mean_differences, shrunken_t
from cartscope.study.redo._permuted import permuted_sides, position
from cartscope.study.steps._profiles import rows_of, too_few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from anndata import AnnData

    from cartscope.study._context import Context
    from cartscope.study.redo._patient_values import Family

RELABELLINGS = 10_000
_CHUNK = 500
_NAME = re.compile(r"[A-Za-z_]\w*")


def permute_families(ctx: Context, families: Iterable[Family]) -> Iterator[dict[str, Any]]:
    """Permute the labels behind rank tests; the statistic is the difference of mean ranks.

    Parameters
    ----------
    ctx
        The run.
    families
        Values per patient.

    Yields
    ------
    Rows of ``PERMUTATIONS`` but for the table.
    """
    for family in families:
        statistic = _rank_statistic(family.numbers, family.strata)

        s = _split(ctx, family.contrast)
        yield from _rows(ctx, s, family.patients, statistic=statistic, entries=family.entries)


def permute_sets(
    ctx: Context, contrast: str, names: Sequence[str], *, genes: Sequence[Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Permute the labels behind gene sets' scores; the scores themselves know no labels.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id.
    names
        Of the sets.
    genes
        Of each set.
    """
    s = _split(ctx, contrast)
    rows = _profiles(ctx, s)
    if rows is None:
        return
    values = log_cpm(rows)
    spread = values.std(axis=0, ddof=1)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    usable = spread > 0
    scores = np.full((rows.n_obs, len(names)), np.nan)
    for j, members in enumerate(genes):
        chosen = usable & rows.var_names.isin(list(members))
        if chosen.any():
            scores[:, j] = z[:, chosen].mean(axis=1)
    if s.within_patient:
        yield from _flipped(ctx, s, rows, values=scores, entries=names, fudge=0.0)
        return
    patients = tuple(rows.obs[k.obs.patient].astype(str))
    strata = strata_of(ctx, s, ctx.read_table("tables/samples.csv"))
    within = None if strata is None else np.array([strata.of[p] for p in patients])
    statistic = _rank_statistic(scores, within)
    yield from _rows(ctx, s, patients, statistic=statistic, entries=names)


def permute_genes(ctx: Context, contrast: str, genes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Permute the labels behind differential expression.

    The model is fitted with other labels by least squares to log2 counts per million; the statistic
    is the coefficient over its standard error and a constant, the median of the errors that a model
    without the group has (SAM, doi 10.1073/pnas.091062498): it knows nothing of the labels, and a
    gene of small variance does not win by it.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id.
    genes
        What claims rest on.
    """
    s = _split(ctx, contrast)
    rows = _profiles(ctx, s)
    if rows is None or too_few(rows, ctx.preset.values("pseudobulk")["min_cells"]):
        return
    tested = ctx.read_table("tables/de.csv")
    keep = rows.var_names.isin(tested.loc[tested["contrast"] == contrast, "gene"])
    if not keep.any():
        return
    values = log_cpm(rows)[:, keep]
    names = rows.var_names[keep]
    there = [g for g in genes if g in names]
    y = values[:, names.get_indexer(there)]
    if s.within_patient:
        differences = _paired(rows, values)[0]
        fudge = float(np.median(differences.std(axis=0, ddof=1) / np.sqrt(len(differences))))
        yield from _flipped(ctx, s, rows, values=y, entries=there, fudge=fudge)
        return
    fixed = _fixed(rows, s)
    residual = values - fixed @ np.linalg.lstsq(fixed, values, rcond=None)[0]
    freedom = len(values) - np.linalg.matrix_rank(fixed)
    group = (rows.obs["group"] == GROUP).to_numpy()
    scale = np.sqrt(1 / group.sum() + 1 / (~group).sum())
    fudge = float(np.median(np.sqrt((residual**2).sum(axis=0) / freedom)) * scale)
    modifier = fixed[:, 1] if s.contrast.interaction else None

    def statistic(sides: np.ndarray) -> np.ndarray:
        return shrunken_t(y, sides, fixed=fixed, modifier=modifier, fudge=fudge)

    patients = tuple(rows.obs[k.obs.patient].astype(str))
    yield from _rows(ctx, s, patients, statistic=statistic, entries=there)


def _rank_statistic(
    values: np.ndarray, strata: np.ndarray | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the statistic of the rank tests: difference of mean ranks, or van Elteren's sum."""
    if strata is None:
        ranks = pd.DataFrame(values).rank().to_numpy()
        return lambda sides: mean_differences(ranks, sides)
    by = pd.DataFrame(values).groupby(strata)
    size = by.transform("count")
    scores = ((by.rank() - (size + 1) / 2) / (size + 1)).fillna(0.0).to_numpy()
    known = np.isfinite(values).any(axis=0)
    return lambda sides: np.where(known, sides.astype(float) @ scores, np.nan)


def _split(ctx: Context, contrast: str) -> Split:
    manifest = ctx.manifests.contrasts
    chosen = next(c for c in manifest.contrast if c.id == contrast)
    return split(chosen, manifest, ctx.read_table("tables/samples.csv"))


def _profiles(ctx: Context, s: Split) -> AnnData | None:
    if s.reason:
        return None
    rows = rows_of(anndata.read_h5ad(ctx.path(pseudobulk_artifact(s.contrast.population))), s)
    return rows if set(rows.obs["group"]) == {GROUP, REFERENCE} else None


def _fixed(rows: AnnData, s: Split) -> np.ndarray:
    """Return intercept and covariates of the design; the interaction's other variable first."""
    design, _ = carried(str(s.contrast.design), rows.obs)
    names = [n for n in _NAME.findall(design) if n != GROUP]
    if s.contrast.interaction:
        names = [s.contrast.interaction, *(n for n in names if n != s.contrast.interaction)]
    columns = [np.ones(rows.n_obs)]
    for name in dict.fromkeys(names):
        values = rows.obs[name]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            columns.append(values.to_numpy(float))
        else:
            dummies = pd.get_dummies(values.astype(str), drop_first=True)
            columns += list(dummies.to_numpy(float).T)
    return np.column_stack(columns)


def _rows(
    ctx: Context,
    s: Split,
    patients: Sequence[str],
    *,
    statistic: Callable[[np.ndarray], np.ndarray],
    entries: Sequence[str],
) -> Iterator[dict[str, Any]]:
    samples = ctx.read_table("tables/samples.csv")
    base = {"contrast": s.contrast.id}
    if not entries:
        return
    placed = [(p, side) for side in (GROUP, REFERENCE) for p in s.members(side) if p in patients]
    here = pd.Series(dict(placed)).reindex(list(patients))
    try:
        made = permuted_sides(
            _only(s, set(patients)), samples, n=RELABELLINGS, random_state=ctx.seed
        )
    except InputError as error:
        reason = f"not attainable: {error}"
        yield from ({**base, "entry": e, "reason": reason} for e in entries)
        return
    observed = statistic((here == GROUP).to_numpy()[None, :])[0]
    parts = []
    sides = iter(made)
    while chunk := list(islice(sides, _CHUNK)):
        labels = np.array([[one[p] == GROUP for p in patients] for one in chunk])
        parts.append(statistic(labels))
    within = f"within {' x '.join(made.strata)}" if made.strata else "of all patients"
    text = f"all {made.n:,} relabellings" if made.exact else f"{made.n:,} relabellings drawn"
    yield from _placed(
        base,
        entries,
        (observed, np.concatenate(parts)),
        how=f"{text} {within}",
        exact=made.exact,
    )


def _placed(
    base: dict[str, Any],
    entries: Sequence[str],
    statistics: tuple[np.ndarray, np.ndarray],
    *,
    how: str,
    exact: bool,
) -> Iterator[dict[str, Any]]:
    observed, permuted = statistics
    for j, entry in enumerate(entries):
        # within strata that differ in size the labels alone move a difference from 0
        center = np.nanmean(permuted[:, j]) if np.isfinite(permuted[:, j]).any() else 0.0
        values = permuted[:, j] - center
        found = position(observed[j] - center, values, exact=exact)
        most = np.nanmax(np.abs(values)) if np.isfinite(values).any() else np.nan
        floor = position(most, values, exact=exact)["p_value"]
        yield {
            **base,
            "entry": entry,
            "permutation_p": found["p_value"],
            "n_permutations": found["n"],
            "min_p": min(floor, found["p_value"]),
            "how": how,
        }


def _only(s: Split, patients: set[str]) -> Split:
    """Return a split in which patients without a value stand on neither side."""
    return replace(s, side=s.side.where(s.patients.isin(patients), ""))


def _paired(rows: AnnData, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return group less reference of every patient with both."""
    patients = rows.obs[k.obs.patient].astype(str).to_numpy()
    group = (rows.obs["group"] == GROUP).to_numpy()
    both = sorted(set(patients[group]) & set(patients[~group]))
    first, second = (
        [int(np.flatnonzero((patients == p) & side)[0]) for p in both] for side in (group, ~group)
    )
    return values[first] - values[second], both


def _flipped(
    ctx: Context,
    s: Split,
    rows: AnnData,
    *,
    values: np.ndarray,
    entries: Sequence[str],
    fudge: float,
) -> Iterator[dict[str, Any]]:
    """Exchange the two samples of patients: labels within patients, the finest stratum."""
    differences, both = _paired(rows, values)
    n = len(both)
    exact = 2**n <= RELABELLINGS
    if exact:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        rng = stream(ctx.seed, "exchange within patients", s.contrast.id)
        signs = rng.choice([-1.0, 1.0], size=(RELABELLINGS, n))

    def statistic(sign: np.ndarray) -> np.ndarray:
        mean = sign @ differences / n
        square = (differences**2).sum(axis=0) / n
        error = np.sqrt(np.maximum(square - mean**2, 0.0) / max(n - 1, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean / (error + fudge)

    count = f"all {2**n:,}" if exact else f"{RELABELLINGS:,} drawn"
    yield from _placed(
        {"contrast": s.contrast.id}, entries, (statistic(np.ones((1, n)))[0], statistic(signs)),
        how=f"{count} exchanges of the two samples within {n} patients", exact=exact,
    )  # fmt: skip
