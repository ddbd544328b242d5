from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._car_features import UNSEEN, all_features, car_columns, own_car
from cartscope.tl._car_rule import CarRule, settings_of
from cartscope.tl._car_rules import before_infusion, published, recommended
from cartscope.tl._expression import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

logger = logging.getLogger(__name__)

RULES = ("published", "recommended")


def car_status(
    adata: AnnData,
    *,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    rule: str = "recommended",
    settings: CarRule | Mapping[str, Any] | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which cells carry the CAR: positive, negative or unknown.

    ``published``: positive from one UMI of the patient's product on; a cell without one is
    negative, in a CAR-sorted sample unknown; nothing is positive before the infusion.
    ``recommended``: the probability that a cell is a CAR T cell, from its CAR counts and depth, the
    detection rate in CAR T cells, the ambient floor in control cells and, as a prior, from how many
    of the transcriptionally similar T cells are CAR T cells. Whether the sample was sorted is not
    looked at, unless ``settings.sort_purity`` says what to expect of it. What no count can tell:
    zeros of a CAR T cell with silent CAR from those of a T cell without; the model extrapolates
    from how detection falls with depth. By either rule a cell is unknown if none of its CAR
    features is among the genes or has a count in any cell of the data: zeros alone do not tell a
    sample without CAR T cells from a transcript that was not looked for.

    Parameters
    ----------
    adata
        Cells x genes with the CAR among ``var_names``, in any case.
    features
        Names of the CAR transcripts; or, per value of ``settings.product_key``, their names. Where
        that value is missing, a cell may have any of them.
    rule
        "recommended" or "published".
    settings
        Fields of :class:`CarRule` that differ from the defaults.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the copy. ``obs`` gets car_counts (UMI), car_status and car_probability;
    ``obsm["car_counts"]`` the counts per feature; ``uns["cartscope"]["car_status"]`` the rule, the
    features found and those of them without a count (``unseen``), the samples that could not be
    called and why (``not_called``, ``not_called_because``) and, when none could be, the reason.

    Raises
    ------
    MissingKeyError
        If the sample or, for the recommended rule, the cell type is missing.
    InputError
        If a cell has no sample, or a rule, a setting or the product's column is unknown.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"sample": ["a", "a"], "cell_type": ["T", "T"]}, index=["1", "2"])
    >>> a = AnnData(np.array([[2, 5], [0, 9]], dtype="float32"), obs=obs)
    >>> a.var_names = ["YESCARTA", "CD3D"]
    >>> cs.tl.car_status(a, features=["Yescarta"], rule="published")
    >>> list(a.obs["car_status"])
    ['positive', 'negative']
    """
    adata = adata.copy() if copy else adata
    _check.one_of(rule, RULES, name="rule")
    how = settings_of(settings)
    _check.require(adata, "obs", how.sample_key, made_by="io.read_cohort")
    nameless = int(adata.obs[how.sample_key].isna().sum())
    if nameless:
        msg = f"adata.obs[{how.sample_key!r}] is missing for {nameless} cells; fill it in."
        raise InputError(msg)
    names = all_features(features)
    found = car_columns(adata.var_names, names)
    table = np.zeros((adata.n_obs, 0), dtype=np.int64)
    if found:
        table = columns(_check.raw_counts(adata), list(found.values())).astype(np.int64)
    own = own_car(table, adata.obs, features, found=list(found), how=how)
    note: dict[str, Any] = {"rule": rule, "features": list(found), "reason": ""}
    if not found:
        note["reason"] = (
            f"none of the CAR features {names} is in adata.var_names; every cell is unknown"
        )
    elif not table.any():
        note["reason"] = f"the CAR features {list(found)} are {UNSEEN}, so none can be called"
    note["unseen"] = [name for name, has in zip(found, table.T, strict=True) if not has.any()]
    note["not_called"] = np.array(list(own.reasons), dtype=object)
    note["not_called_because"] = np.array(list(own.reasons.values()), dtype=object)
    for sample, reason in own.reasons.items():
        logger.info("CAR status of %s unknown: %s", sample, reason)
    before = before_infusion(adata.obs, how)
    if rule == "published" or not own.seen.any():
        status, probability = published(adata.obs, own.counts, before=before, how=how)
    else:
        _check.require(adata, "obs", how.cell_type_key, made_by="tl.annotate")
        status, probability, fit = recommended(
            adata, own.counts, usable=own.seen, before=before, how=how
        )
        note.update(fit)
    unknown = ~own.seen & ~(before & own.in_reference)
    status[unknown], probability[unknown] = k.car.unknown, np.nan
    quiet = ~own.seen & ~unknown  # the time alone says that these have none
    status[quiet], probability[quiet] = k.car.negative, 0.0
    adata.obs[k.obs.car_counts] = own.counts
    adata.obs[k.obs.car_status] = pd.Categorical(
        status, categories=[k.car.positive, k.car.negative, k.car.unknown]
    )
    adata.obs[k.obs.car_probability] = probability
    if found:
        adata.obsm[k.obsm.car] = table
    ours = dict(adata.uns.get(k.uns.cartscope, {}))
    ours["car_status"] = note
    adata.uns[k.uns.cartscope] = ours
    return adata if copy else None
