from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope.pp._core import counts_csr, record, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

FEMALE, MALE, UNKNOWN = "female", "male", "unknown"


def infer_sex(
    pdata: AnnData,
    *,
    by: str | None = k.obs.patient,
    female: Sequence[str] = ("XIST",),
    male: Sequence[str] = ("RPS4Y1",),
    min_cpm: float = 5.0,
    key_added: str = k.obs.sex_inferred,
    copy: bool = False,
) -> AnnData | None:
    """Infer the sex of the blood from XIST and RPS4Y1.

    It is the donor's after an allogeneic transplant, which is why it is used as a covariate instead
    of the clinical sex. A unit is female or male when the one gene is above ``min_cpm`` and ten
    times the other, else unknown.

    Parameters
    ----------
    pdata
        Pseudobulk rows x genes with raw counts.
    by
        Column of ``obs`` whose rows are judged together; each row on its own when None.
    female
        Genes expressed in female cells.
    male
        Genes expressed in male cells.
    min_cpm
        Lowest counts per million of the gene that decides.
    key_added
        Column of ``obs``.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obs[key_added]``: category female, male or unknown.

    Raises
    ------
    InputError
        If neither gene is in ``var_names``.
    MissingKeyError
        If ``obs`` has no column ``by``.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> pdata = anndata.AnnData(np.array([[90, 0, 9000], [1, 80, 9000]]))
    >>> pdata.var_names = ["XIST", "RPS4Y1", "ACTB"]
    >>> cs.pp.infer_sex(pdata, by=None)
    >>> list(pdata.obs["sex_inferred"])
    ['female', 'male']
    """
    pdata = target(pdata, copy=copy)
    at = {"female": pdata.var_names.isin(female), "male": pdata.var_names.isin(male)}
    if not at["female"].any() or not at["male"].any():
        msg = (
            f"var_names need one of {list(female)} and one of {list(male)} to infer the sex; "
            "give the names that this annotation uses."
        )
        raise InputError(msg)
    counts = counts_csr(pdata)
    units = np.arange(pdata.n_obs)
    if by is not None:
        require(pdata, "obs", by, made_by="cs.pp.pseudobulk")
        units = pd.factorize(pdata.obs[by].astype(str))[0]
    n = units.max() + 1 if units.size else 0

    def per_unit(values: np.ndarray) -> np.ndarray:
        return np.bincount(units, weights=np.asarray(values, float).ravel(), minlength=n)

    total = np.maximum(per_unit(counts.sum(axis=1)), 1)
    cpm = {
        sex: 1e6 * per_unit(counts[:, np.flatnonzero(mask)].sum(axis=1)) / total
        for sex, mask in at.items()
    }
    clear = 10.0
    sex = np.full(n, UNKNOWN, dtype=object)
    sex[(cpm["female"] >= min_cpm) & (cpm["female"] >= clear * cpm["male"])] = FEMALE
    sex[(cpm["male"] >= min_cpm) & (cpm["male"] >= clear * cpm["female"])] = MALE
    pdata.obs[key_added] = pd.Categorical(sex[units], categories=[FEMALE, MALE, UNKNOWN])
    record(pdata, "infer_sex", {"by": by, "min_cpm": float(min_cpm)})
    return pdata if copy else None
