"""Tables that several panels draw: libraries, pseudobulk expression, means of named genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cartscope.study._context import Context

SET_SCORES = "tables/gene_set_scores.csv"
_TIMEPOINTS = {
    k.timepoints.infusion_product: "infusion product",
    k.timepoints.baseline: "baseline",
    k.timepoints.day7: "day 7",
}


def text_of(obs: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of obs as text, empty where the cohort does not give it.

    Parameters
    ----------
    obs
        Of the annotated cells.
    column
        Its name.
    """
    values = obs.get(column, pd.Series("", index=obs.index))
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy()


def libraries(ctx: Context) -> pd.DataFrame:
    """Return one row per library: its QC, its cohort and what kind of sample it is.

    Parameters
    ----------
    ctx
        The run.
    """
    qc = _panels.read(ctx, "tables/qc.csv")
    samples = _panels.read(ctx, "tables/samples.csv").astype({"sample_id": str})
    more = [c for c in samples.columns if c not in qc.columns and c != "sample_id"]
    table = qc.astype({"sample": str}).merge(
        samples[["sample_id", *more]], left_on="sample", right_on="sample_id", how="left"
    )
    if "study" not in table:
        table["study"] = ""
    table["study"] = table["study"].replace("", "one study")
    sort = table.get("sorted", pd.Series("", table.index)).astype(str).str.lower()
    suffix = np.where(sort == "true", ", CAR-sorted", "")
    table["kind"] = [
        f"{_TIMEPOINTS.get(t, t or 'time point unknown')}{s}"
        for t, s in zip(table["timepoint"].astype(str), suffix, strict=True)
    ]
    return table


def kind_order(kind: str) -> tuple[int, str]:
    """Return where a kind of sample stands: products, then day 7, then the rest.

    Parameters
    ----------
    kind
        From :func:`libraries`.
    """
    known = list(_TIMEPOINTS.values())
    name = kind.partition(",")[0]
    return (known.index(name) if name in known else len(known), kind)


def log_cpm(ctx: Context, contrast: str, genes: Iterable[str]) -> pd.DataFrame:
    """Return pseudobulk expression of the patients that a DE test compares.

    Parameters
    ----------
    ctx
        The run.
    contrast
        Id in contrasts.toml; its patients must differ between the sides.
    genes
        Those that the profiles lack are left out.

    Returns
    -------
    One row per patient, the reference first: side, n_cells, then log2(1 + counts per million).
    """
    import anndata

    c = next(c for c in ctx.manifests.contrasts.contrast if c.id == contrast)
    pdata = anndata.read_h5ad(ctx.path(pseudobulk_artifact(c.population)))
    obs = pdata.obs.astype({k.obs.patient: str, k.obs.timepoint: str})
    timepoints = [str(t) for t in c.samples.get("timepoint", ())]
    side = {p: s for s, ps in _panels.profiled(ctx, contrast).items() for p in ps}
    rows = obs[k.obs.patient].isin(side)
    if timepoints:
        rows &= obs[k.obs.timepoint].isin(timepoints)
    chosen = pdata[rows.to_numpy()]
    there = [g for g in dict.fromkeys(genes) if g in pdata.var_names]
    counts = _check.raw_counts(chosen)
    depth = np.asarray(counts.sum(axis=1), float).ravel()
    of = counts[:, pdata.var_names.get_indexer(there)]
    dense = np.asarray(of.todense() if hasattr(of, "todense") else of, float)
    table = pd.DataFrame(np.log2(1 + 1e6 * dense / depth[:, None]), columns=there)
    names = obs.loc[rows, k.obs.patient].to_numpy()
    table.insert(0, "patient", names)
    table.insert(1, "side", [side[p] for p in names])
    table.insert(2, "n_cells", obs.loc[rows, k.obs.n_cells].to_numpy())
    table = table.sort_values(["side", "patient"], ascending=[False, True])
    return table.reset_index(drop=True)


def mean_expression(ctx: Context, genes: Iterable[str], *, by: list[str]) -> pd.DataFrame:
    """Return mean and share of cells for some genes, over coarser groups of cells.

    Parameters
    ----------
    ctx
        The run.
    genes
        Those that the table lacks are left out.
    by
        Columns of expression.csv that stay apart.

    Returns
    -------
    Columns gene, those of ``by``, mean, share and n_cells.
    """
    table = _panels.read(ctx, "tables/expression.csv")
    table = table[table["gene"].isin(set(genes))]
    sums = table.assign(
        mean=table["mean"] * table["n_cells"], share=table["share"] * table["n_cells"]
    )
    out = sums.groupby(["gene", *by], sort=False)[["mean", "share", "n_cells"]].sum().reset_index()
    out[["mean", "share"]] = out[["mean", "share"]].div(out["n_cells"], axis=0)
    return out


def set_scores(ctx: Context, contrasts: Mapping[str, str], sets: Mapping[str, str]) -> list[str]:
    """Return what the test between patients says of gene sets, one line per set.

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Id by the name to print; an empty name prints none.
    sets
        What to call each set, by its name in the tables.
    """
    table = _panels.read(ctx, SET_SCORES)
    lines = []
    for name, text in sets.items():
        parts = []
        for word, contrast in contrasts.items():
            rows = table[(table["contrast"] == contrast) & (table["gene_set"] == name)]
            rows = rows[rows["p_value"].notna()]
            if len(rows):
                row = rows.iloc[0]
                test = f"p = {_panels.number(row['p_value'])}, q = {_panels.number(row['fdr'])}"
                parts.append(f"{word} {test}".strip())
        lines.append(f"{text}: {'; '.join(parts) or 'not tested'}")
    return lines
