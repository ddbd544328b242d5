"""Differential expression done again without each patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope.study.comparisons._fits import plan_models
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.steps._profiles import too_few
from cartscope.study.steps.de import kept_genes, test_model

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import pandas as pd
    from anndata import AnnData

    from cartscope.study._context import Context
    from cartscope.study.comparisons._fits import Model

REFIT = "model fitted again"
THINNED = 400
REFIT_THINNED = f"model fitted again on the claim's genes and {THINNED} others"


@dataclass(frozen=True, kw_only=True)
class Refit:
    """The contrasts of one model without one patient.

    ``tables`` are by contrast and follow ``DE``, or say why there is none; ``thinned`` says whether
    some genes alone were fitted.
    """

    patient: str
    tables: dict[str, pd.DataFrame | str]
    thinned: bool


def refits(ctx: Context, wanted: Mapping[str, Collection[str]]) -> Iterator[Refit]:
    """Fit every model that is asked for again without each patient of its contrasts.

    The genes are those tested with every patient. A model within patients has a coefficient per
    patient, and is fitted on the genes given and ``THINNED`` others, spread over all levels of
    expression.

    Parameters
    ----------
    ctx
        The run.
    wanted
        Contrasts, and the genes that claims name in each.
    """
    preset = ctx.preset
    for model in plan_models(ctx).models:
        asked = [t for t in model.tested if t.split.contrast.id in wanted]
        if not asked:
            continue
        tested = kept_genes(model, preset.values("pseudobulk")["gene_filter"])
        tested &= np.asarray(model.rows.X.sum(axis=0)).ravel() > 0
        rows = model.rows[:, tested].copy()
        thin = any(t.split.within_patient for t in asked)
        if thin:
            rows = thinned(rows, {g for t in asked for g in wanted[t.split.contrast.id]})
        patients = rows.obs[k.obs.patient].astype(str)
        theirs = {p for t in asked for side in (GROUP, REFERENCE) for p in t.split.members(side)}
        for patient in sorted(theirs & set(patients)):
            left = rows[(patients != patient).to_numpy()].copy()
            # a level that has gone would stay a column of the design
            left.obs = left.obs.apply(_without_lost_levels)
            smaller = replace(model, rows=left, tested=asked, fitted=None)
            yield Refit(patient=patient, tables=_tables(ctx, smaller), thinned=thin)


def _tables(ctx: Context, model: Model) -> dict[str, pd.DataFrame | str]:
    least = ctx.preset.values("pseudobulk")["min_cells"]
    out: dict[str, pd.DataFrame | str] = {}
    able = []
    for t in model.tested:
        members = {*t.split.members(GROUP), *t.split.members(REFERENCE)}
        here = model.rows[model.rows.obs[k.obs.patient].astype(str).isin(members).to_numpy()]
        reason = too_few(here, least)
        if reason:
            out[t.split.contrast.id] = reason
        else:
            able.append(t)
    if able:
        smaller = replace(model, tested=able)
        found, _ = test_model(smaller, smaller.rows, preset=ctx.preset, n_jobs=ctx.jobs)
        out |= found
    return out


def _without_lost_levels(column: pd.Series) -> pd.Series:
    return column.cat.remove_unused_categories() if column.dtype == "category" else column


def thinned(rows: AnnData, genes: Iterable[str]) -> AnnData:
    """Return profiles with fewer genes, spread over all levels of expression.

    Parameters
    ----------
    rows
        Profiles.
    genes
        To keep in any case.
    """
    level = np.asarray(rows.X.sum(axis=0)).ravel()
    order = np.argsort(level, kind="stable")
    places = np.linspace(0, order.size - 1, min(THINNED, order.size)).round().astype(int)
    keep = rows.var_names.isin(list(genes))
    keep[order[places]] = True
    return rows[:, keep].copy()
