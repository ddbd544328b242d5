from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope._schema import DROPPED, QC
from cartscope.pp import _qc
from cartscope.pp._core import group_codes

if TYPE_CHECKING:
    from anndata import AnnData

USABLE = "usable"
FEW_CELLS = "few cells"
FAILED = "failed library"


def qc_table(
    adata: AnnData,
    *,
    sample_key: str = k.obs.sample,
    min_cells: int = 50,
    min_median_counts: float = 500.0,
    min_kept_share: float = 0.1,
) -> pd.DataFrame:
    """Give every library a verdict: usable, few cells or failed library.

    Parameters
    ----------
    adata
        Cells after :func:`qc` and, if it is run, :func:`doublets`.
    sample_key
        Column of ``obs`` with the library.
    min_cells
        Libraries that keep fewer cells have "few cells".
    min_median_counts
        Libraries whose cells, as read, have a lower median of UMI have failed.
    min_kept_share
        Libraries that keep a smaller share of their cells (0-1) have failed.

    Returns
    -------
    One row per library, columns of ``qc.csv`` in ``cartscope._schema``. A cell that fails for
    several reasons counts in each ``n_`` column.

    Raises
    ------
    MissingKeyError
        If :func:`qc` has not been run.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.ones((3, 2), dtype=int))
    >>> adata.obs["sample"] = "s1"
    >>> cs.pp.qc(adata, min_genes=2)
    >>> cs.pp.qc_table(adata)[["sample", "n_kept", "verdict"]].values.tolist()
    [['s1', 3, 'failed library']]
    """
    require(adata, "obs", k.obs.qc_pass, made_by="cs.pp.qc")
    codes, names = group_codes(adata, sample_key)
    obs = adata.obs
    kept = kept_cells(adata)
    doublet = _doublets(adata)
    passed = obs[k.obs.qc_pass].to_numpy(dtype=bool)
    reason = obs[k.obs.qc_reason].astype(str)
    scoring = adata.uns.get(k.uns.cartscope, {}).get("doublets", {})
    methods = dict(zip(scoring.get("samples", ()), scoring.get("how", ()), strict=True))
    rows = []
    for code, name in enumerate(names):
        own = np.flatnonzero(codes == code)
        counts = obs[k.obs.total_counts].to_numpy()[own]
        why = reason.iloc[own]
        row = QC.blank(
            sample=name,
            patient=_only(adata, k.obs.patient, own),
            timepoint=_only(adata, k.obs.timepoint, own),
            n_cells=own.size,
            n_kept=int(kept[own].sum()),
            median_counts=float(np.median(counts)),
            median_genes=float(np.median(obs[k.obs.n_genes].to_numpy()[own])),
            median_pct_mito=float(np.median(obs[k.obs.pct_mito].to_numpy()[own])),
            n_few_genes=int(why.str.contains(_qc.FEW_GENES, regex=False).sum()),
            n_high_mito=int(why.str.contains("mitochondrial", regex=False).sum()),
            n_high_hbb=int(why.str.contains(_qc.HIGH_HBB, regex=False).sum()),
            n_doublets=int((doublet & passed)[own].sum()),
            doublets_by=str(methods.get(name, "not scored: cs.pp.doublets was not run")),
        )
        row["verdict"], row["reason"] = verdict(
            row["n_cells"],
            row["n_kept"],
            row["median_counts"],
            min_cells=min_cells,
            min_median_counts=min_median_counts,
            min_kept_share=min_kept_share,
        )
        rows.append(row)
    return QC.check(pd.DataFrame(rows, columns=list(QC.columns)))


def verdict(
    n_cells: int,
    n_kept: int,
    median_counts: float,
    *,
    min_cells: int,
    min_median_counts: float,
    min_kept_share: float,
) -> tuple[str, str]:
    """Return the verdict on a library and what it rests on.

    Parameters
    ----------
    n_cells
        Cells read.
    n_kept
        Cells kept.
    median_counts
        Median UMI of the cells read.
    min_cells
        Fewest cells of a usable library.
    min_median_counts
        Lowest median of a library that has not failed, in UMI.
    min_kept_share
        Lowest kept share of a library that has not failed, 0-1.
    """
    failures = []
    if median_counts < min_median_counts:
        failures.append(f"median of {median_counts:g} UMI per cell is below {min_median_counts:g}")
    if n_kept < min_kept_share * n_cells:
        failures.append(f"{n_kept} of {n_cells} cells kept, below {100 * min_kept_share:g}%")
    if failures:
        return FAILED, "; ".join(failures)
    if n_kept < min_cells:
        return FEW_CELLS, f"{n_kept} cells kept, below {min_cells}"
    return USABLE, f"{n_kept} of {n_cells} cells kept, median of {median_counts:g} UMI per cell"


def kept_cells(adata: AnnData) -> np.ndarray:
    """Return which cells passed QC and are no predicted doublets.

    Parameters
    ----------
    adata
        Cells after :func:`qc` and, if it is run, :func:`doublets`.

    Returns
    -------
    Boolean array of shape (cells,).

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.array([[1, 1], [1, 0]]))
    >>> cs.pp.qc(adata, min_genes=2)
    >>> cs.pp.kept_cells(adata)
    array([ True, False])
    """
    require(adata, "obs", k.obs.qc_pass, made_by="cs.pp.qc")
    return adata.obs[k.obs.qc_pass].to_numpy(dtype=bool) & ~_doublets(adata)


def dropped_table(
    adata: AnnData,
    *,
    sample_key: str = k.obs.sample,
    min_cells_per_gene: int = 3,
    libraries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """List every dropped cell, library and gene with its reason, as counts that add up.

    Parameters
    ----------
    adata
        Cells after :func:`qc` and, if it is run, :func:`doublets`, before any is removed.
    sample_key
        Column of ``obs`` with the library.
    min_cells_per_gene
        Genes with a count in fewer cells are dropped.
    libraries
        Result of :func:`qc_table`; made with its defaults when None. Cells kept so far of a failed
        library stand in a row of kind "sample".

    Returns
    -------
    Columns of ``dropped.csv`` in ``cartscope._schema``. Each cell is counted once, under all of
    its reasons together.

    Raises
    ------
    MissingKeyError
        If :func:`qc` has not been run.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.array([[1, 1], [1, 0]]))
    >>> adata.obs["sample"] = "s1"
    >>> cs.pp.qc(adata, min_genes=2)
    >>> cs.pp.dropped_table(adata, min_cells_per_gene=2)[["kind", "n"]].values.tolist()
    [['cell', 1], ['sample', 1], ['gene', 1]]
    """
    require(adata, "obs", k.obs.qc_pass, made_by="cs.pp.qc")
    if libraries is None:
        libraries = qc_table(adata, sample_key=sample_key)
    codes, names = group_codes(adata, sample_key)
    reason = adata.obs[k.obs.qc_reason].astype(str).to_numpy().astype(object)
    passed = adata.obs[k.obs.qc_pass].to_numpy(dtype=bool)
    reason[passed & _doublets(adata)] = "predicted doublet"
    lost = ~kept_cells(adata)
    cells = pd.DataFrame({"code": codes[lost], "reason": reason[lost]})
    rows = [
        DROPPED.blank(kind="cell", sample=names[code], n=int(n), reason=why)
        for (code, why), n in cells.groupby(["code", "reason"]).size().items()
    ]
    rows += [
        DROPPED.blank(kind="sample", sample=row.sample, n=int(row.n_kept), reason=row.reason)
        for row in libraries.rename(columns={"sample": "library"})
        .assign(sample=libraries["sample"])
        .itertuples()
        if row.verdict == FAILED
    ]
    few = adata.var[k.var.n_cells].to_numpy() < min_cells_per_gene
    if few.any():
        why = f"in fewer than {min_cells_per_gene} cells"
        rows.append(DROPPED.blank(kind="gene", n=int(few.sum()), reason=why))
    return DROPPED.check(pd.DataFrame(rows, columns=list(DROPPED.columns)))


def _doublets(adata: AnnData) -> np.ndarray:
    if k.obs.predicted_doublet not in adata.obs:
        return np.zeros(adata.n_obs, dtype=bool)
    return adata.obs[k.obs.predicted_doublet].fillna(value=False).to_numpy(dtype=bool)


def _only(adata: AnnData, column: str, rows: np.ndarray) -> str:
    if column not in adata.obs:
        return ""
    values = adata.obs[column].iloc[rows].dropna().astype(str).unique()
    return " ".join(sorted(values))
