from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._ligrec_scores import ligand_receptor_scores
from cartscope.tl._ligrec_test import LigandReceptorTestOptions, compare_scores
from cartscope.tl._patient_groups import Contrast, patient_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData


class LigandReceptorOptions(LigandReceptorTestOptions, total=False):
    """Further options of :func:`ligand_receptor`."""

    score: str
    min_cells: int


def ligand_receptor(
    adata: AnnData,
    *,
    groupby: str,
    contrast: Contrast,
    resource: pd.DataFrame,
    unit: str = k.obs.patient,
    senders: Sequence[str] | None = None,
    receivers: Sequence[str] | None = None,
    **options: Unpack[LigandReceptorOptions],
) -> pd.DataFrame:
    """Compare ligand-receptor scores between two groups of patients.

    One score per patient, ordered pair of populations and ligand-receptor pair, compared by the
    exact U test. A pair is tested between two populations when as many patients as the smaller
    group has express ligand and receptor there, whichever group they are in: choosing pairs by
    their differential expression in the same patients and then testing them would use the data
    twice. ``genes`` does so all the same, and the rows say it.

    Parameters
    ----------
    adata
        Cells with log1p expression in ``X``.
    groupby
        obs column with the populations; cells without one are left out.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text; with
        a fourth entry ``{"within": "study"}`` patients are compared within the levels of that obs
        column (:func:`cartscope.stats.van_elteren`).
    resource
        Pairs: columns ligand and receptor, subunits of a complex joined by "_".
    unit
        obs column that names the patients.
    senders
        Populations that send; None: all.
    receivers
        Populations that receive; None: all.
    options
        name (fills the ``contrast`` column), score (``"product"``, the default,
        ``"geometric_mean"`` or ``"mean"``), min_cells (10: cells of a population a patient needs),
        min_fraction (0.02: share of the patient's cells that have the ligand in the source, and
        the receptor in the target; receptors are sparse, CXCR3 shows in 2% of blood CD4 T
        cells), expr_min (0: likewise for mean log1p expression), genes (None, or genes of which a
        candidate has at least one), report (pairs that get a row even where they are not tested),
        primary (pairs named before looking: reported, and a family of
        their own), alpha (0.1: level of q that "not attainable" refers to).

    Returns
    -------
    One row per tested pair, source and target, and per reported pair: contrast, source, target,
    ligand, receptor, n_group, n_reference (patients), median_group, median_reference (score),
    log2_change (of the medians; infinite where one is 0), u, p_value, fdr (Benjamini-Hochberg
    over the rows of its family without a reason), family_size, min_p (the smallest p that any
    assignment of these scores to the groups could give), reason, superiority, within, n_alone,
    effect (rank-biserial, -1 to 1), databases, candidates (how they were chosen), family
    ("primary" or "exploratory": at 4 against 6 patients q below 0.1 needs a tenth of a family at
    its floor, which thousands of pairs never reach and a few named ones can). A row whose min_p is
    not below alpha says "not attainable" beside its p and is not in the family, whoever is in which
    group. ``attrs`` has family,
    smallest_q (of a family that lies at its floor), n_not_attainable, n_considered and left_out.

    Raises
    ------
    InputError
        If a level, population or option is unknown, or a patient has both levels.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": np.repeat(list("abcdef"), 20)})
    >>> obs["crs"] = np.repeat(["high", "low"], 60)
    >>> obs["type"] = np.tile(np.repeat(["mono", "T"], 10), 6)
    >>> obs.index = obs.index.astype(str)
    >>> x = np.stack([np.repeat([6, 5, 4, 3, 2, 1], 20), np.ones(120)], axis=1)
    >>> cells = ad.AnnData(x.astype(float), obs=obs, var=pd.DataFrame(index=["CXCL10", "CXCR3"]))
    >>> pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    >>> table = ligand_receptor(cells, groupby="type", contrast=("crs", "high", "low"),
    ...     resource=pairs, senders=["mono"], receivers=["T"])
    >>> table[["median_group", "median_reference", "log2_change", "p_value"]].round(2)
       median_group  median_reference  log2_change  p_value
    0           5.0               2.0         1.32      0.1
    """
    _known(options)
    groups = patient_groups(adata, contrast=contrast, unit=unit)
    scores = ligand_receptor_scores(
        adata,
        groupby=groupby,
        resource=resource,
        unit=unit,
        senders=senders,
        receivers=receivers,
        score=options.get("score", "product"),
        min_cells=options.get("min_cells", 10),
    )
    return compare_scores(scores, groups, options)


def _known(options: LigandReceptorOptions) -> None:
    unknown = sorted(set(options) - set(LigandReceptorOptions.__annotations__))
    if unknown:
        msg = (
            f"ligand_receptor has no option {unknown}; it has "
            f"{sorted(LigandReceptorOptions.__annotations__)}."
        )
        raise InputError(msg)
