from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import chdtri

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope._schema import AMBIENT
from cartscope.pp import _kernels
from cartscope.pp._core import counts_csr, group_codes
from cartscope.pp._pseudobulk import sum_by_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

_LEAST_EXPECTED = 10.0  # counts in a type, were all of its RNA ambient
_OWN_SHARE = 0.5  # of a gene's counts must come from the types that express it
_WIDEST = 0.05  # from the share to its upper limit: beyond, the library does not tell it
_LEAST_CONTROLS = 20  # control cells below which their CAR counts say nothing


def ambient_share(
    sums: np.ndarray, owners: Mapping[int, Sequence[int]]
) -> tuple[float, float, int, np.ndarray]:
    """Return the ambient share of one library, from genes seen where they cannot be expressed.

    What a gene shows in cells of another type is ambient or expressed after all, so every such
    pair bounds the share from above. The lowest of their upper limits, each widened for the number
    of pairs, is a bound whichever pair it is. The share is that of all pairs together that do not
    lie above it: the lowest pair alone would be the one with the fewest counts by chance.

    Parameters
    ----------
    sums
        Types x genes, counts summed over the cells of each type.
    owners
        For each gene, the types that express it.

    Returns
    -------
    The share of a cell's counts that is ambient and its upper 95% limit, nan where there is no
    pair; the number of genes that were looked at; and the ambient profile, the library's own mean
    composition.
    """
    profile = sums.sum(axis=0) / max(sums.sum(), 1)
    seen, expected, genes = [], [], set()
    for gene, own in owners.items():
        if sums[list(own), gene].sum() < _OWN_SHARE * sums[:, gene].sum():
            continue  # the types that express it are hardly here: others would judge themselves
        others = np.setdiff1d(np.arange(len(sums)), own)
        all_ambient = profile[gene] * sums[others].sum(axis=1)
        enough = all_ambient >= _LEAST_EXPECTED
        seen.extend(sums[others, gene][enough])
        expected.extend(all_ambient[enough])
        if enough.any():
            genes.add(gene)
    if not seen:
        return float("nan"), float("nan"), 0, profile
    counts, of = np.asarray(seen, dtype=float), np.asarray(expected)
    bound = float((_upper(counts, 0.025 / counts.size) / of).min())
    alike = counts / of <= bound
    share = float(counts[alike].sum() / of[alike].sum())
    return min(share, 1.0), min(bound, 1.0), len(genes), profile


def _upper(counts: np.ndarray, beyond: float = 0.025) -> np.ndarray:
    """Return the upper limit of the exact interval of Poisson means, 95% unless told."""
    return chdtri(2 * (counts + 1), beyond) / 2


def ambient(
    adata: AnnData,
    *,
    exclusive: Mapping[str, Sequence[str]],
    cell_type_key: str = k.obs.cell_type,
    sample_key: str = k.obs.sample,
    car_features: Sequence[str] | None = None,
    controls: Sequence[str] = (),
    sorted_key: str = k.obs.sorted,
    min_cells: int = 50,
) -> pd.DataFrame:
    """Estimate ambient RNA per library from the cells themselves, and what it does to CAR calls.

    Without empty droplets the library's mean composition stands for the ambient profile. A gene
    that only one cell type expresses shows in cells of the others how much of their RNA is ambient
    (the idea of SoupX, Young and Behjati 2020, doi 10.1093/gigascience/giaa151). The share times
    the CAR's part of the profile tells how many cells get a CAR UMI without being CAR T cells.
    Genes that other types express a little after all push it up, so the genes and types decide
    that do not lie above the best upper bound.
    Which share of the CAR's own UMI is ambient is measured apart, in control cells, that cannot
    carry the CAR: a transcript may spill less, or more, than the others.

    Parameters
    ----------
    adata
        Cells x genes with raw counts. Left as it is.
    exclusive
        For each cell type, genes that no other type expresses. A gene named for several types is
        expressed by each of them.
    cell_type_key
        Column of ``obs`` with the types; cells of types that ``exclusive`` does not name are left
        out.
    sample_key
        Column of ``obs`` with the library.
    car_features
        Genes that are CAR transcripts; ``uns["cartscope"]["car_features"]`` when None.
    controls
        Cell types that cannot carry the CAR.
    sorted_key
        Column of ``obs`` that says, where it is there, which libraries were sorted for the CAR:
        control cells that passed that gate are no controls.
    min_cells
        Libraries with fewer cells of known types get no estimate.

    Returns
    -------
    One row per library, columns of ``ambient.csv`` in ``cartscope._schema``.

    Raises
    ------
    InputError
        If none of the genes is there, or fewer than two types are named.
    MissingKeyError
        If a column is absent.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> counts = np.array([[90, 10], [10, 90]] * 30)
    >>> adata = anndata.AnnData(counts)
    >>> adata.var_names = ["CD3D", "LYZ"]
    >>> adata.obs["sample"], adata.obs["cell_type"] = "s1", ["T", "monocyte"] * 30
    >>> table = cs.pp.ambient(adata, exclusive={"T": ["CD3D"], "monocyte": ["LYZ"]})
    >>> table["ambient_share"].tolist()
    [0.2]
    """
    require(adata, "obs", cell_type_key, made_by="cs.tl.annotate")
    types = list(exclusive)
    if len(types) < 2:  # noqa: PLR2004
        msg = f"exclusive names {types}; give genes of at least two cell types."
        raise InputError(msg)
    owners = _owners(adata, exclusive)
    counts = counts_csr(adata)
    codes, names = group_codes(adata, sample_key)
    kind = pd.Index(types).get_indexer(adata.obs[cell_type_key].astype(object))
    joint = np.where(kind >= 0, codes * len(types) + kind, -1)
    sums = sum_by_group(counts, joint, len(names) * len(types))
    car = _car_columns(adata, car_features)
    all_genes = np.ones(adata.n_vars, dtype=bool)
    total = _kernels.row_totals(counts.data, counts.indices, counts.indptr, all_genes)
    of_car = np.zeros(adata.n_vars, dtype=bool)
    of_car[car] = True
    car_total = _kernels.row_totals(counts.data, counts.indices, counts.indptr, of_car)
    control = adata.obs[cell_type_key].isin(list(controls)).to_numpy()
    gated = np.zeros(adata.n_obs, dtype=bool)
    if sorted_key in adata.obs:
        gated = (adata.obs[sorted_key].astype(str).str.casefold() == "true").to_numpy()
    rows = []
    for code, name in enumerate(names):
        own = np.flatnonzero((codes == code) & (kind >= 0))
        part = sums[code * len(types) : (code + 1) * len(types)]
        row = AMBIENT.blank(sample=name, n_cells=own.size)
        said = []
        if own.size < min_cells:
            said.append(f"{own.size} cells of a known type, below {min_cells}")
        else:
            share, high, row["n_genes"], profile = ambient_share(part, owners)
            row["ambient_share_high"] = high
            if not row["n_genes"]:
                said.append("too few counts of genes of other types")
            elif high - share > _WIDEST:
                said.append(f"counts of genes of other types allow any ambient share to {high:.2f}")
                share = float("nan")
            row["ambient_share"] = share
            if car.size:
                row |= _of_car(total[own], car_total[own], share * float(profile[car].sum()))
                row["car_share"] = float(profile[car].sum())
        here = codes == code
        if not car.size:
            said = said or ["no CAR feature among the genes"]
        elif controls and gated[here].any():
            said.append("sorted for the CAR, so its control cells are none")
        elif controls:
            values, why = _car_reads(total[here], car_total[here], control[here])
            row |= values
            said += why
        row["reason"] = "; ".join(said)
        rows.append(row)
    return AMBIENT.check(pd.DataFrame(rows, columns=list(AMBIENT.columns)))


def _owners(adata: AnnData, exclusive: Mapping[str, Sequence[str]]) -> dict[int, list[int]]:
    owners: dict[int, list[int]] = {}
    for position, genes in enumerate(exclusive.values()):
        for column in np.flatnonzero(adata.var_names.isin(list(genes))):
            owners.setdefault(int(column), []).append(position)
    if not owners:
        asked = sorted({gene for genes in exclusive.values() for gene in genes})
        msg = f"none of the genes {asked} is in adata.var_names; give symbols as they stand there."
        raise InputError(msg)
    return owners


def _car_columns(adata: AnnData, car_features: Sequence[str] | None) -> np.ndarray:
    if car_features is None:
        car_features = adata.uns.get(k.uns.cartscope, {}).get(k.uns.car_features, ())
    names = [str(name) for name in car_features]
    missing = sorted(set(names) - set(adata.var_names))
    if missing:
        msg = f"car_features {missing} are not in adata.var_names."
        raise InputError(msg)
    return np.flatnonzero(adata.var_names.isin(names))


def _of_car(total: np.ndarray, car_total: np.ndarray, rate: float) -> dict[str, float]:
    """Return what CAR UMI per UMI at ``rate`` do to a library's cells."""
    n_car = int((car_total > 0).sum())
    hit = float((1 - np.exp(-rate * total)).sum())
    return {
        "ambient_car": rate * float(np.median(total)),
        "n_car": n_car,
        "n_car_ambient": hit,
        "car_from_ambient": min(hit / n_car, 1.0) if n_car else float("nan"),
    }


def _car_reads(
    total: np.ndarray, car_total: np.ndarray, control: np.ndarray
) -> tuple[dict[str, float], list[str]]:
    """Return the ambient share of a library's CAR UMI and its upper 95% limit, or why not."""
    if control.sum() < _LEAST_CONTROLS:
        return {}, [f"{int(control.sum())} control cells, below {_LEAST_CONTROLS}"]
    if not car_total.any():
        return {}, ["no CAR UMI"]
    seen, of = car_total[control].sum(), total[control].sum()
    per_umi = total.sum() / of / car_total.sum()
    return {
        "car_reads_ambient": min(float(seen * per_umi), 1.0),
        "car_reads_ambient_high": min(float(_upper(seen) * per_umi), 1.0),
    }, []
