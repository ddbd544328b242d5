"""What each design can estimate, and what it cannot be told apart from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import tl
from cartscope._schema import ESTIMABILITY
from cartscope.study._model import Step
from cartscope.study.comparisons._fits import plan_models
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Contrast
    from cartscope.study._context import Context
    from cartscope.study.comparisons._fits import Model

_CONFOUNDERS = (k.obs.study, k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample)


def run(ctx: Context) -> None:
    """Report on every de contrast, on the model that it is tested on.

    An interaction without a shared fit is looked at with and without the study.
    """
    tables = []
    for model in plan_models(ctx).models:
        for t in model.tested:
            c = t.split.contrast
            for design in _designs(c, model):
                rows = model.rows.copy()
                report = tl.estimability(
                    rows.obs,
                    design=design,
                    contrast=t.term,
                    patient=k.obs.patient,
                    confounders=_confounders(rows, design),
                )
                tables.append(report.table.assign(id=c.id))
    columns = ["id", *ESTIMABILITY.columns]
    table = pd.concat(tables, ignore_index=True)[columns] if tables else ESTIMABILITY.empty()
    ctx.write_table("tables/estimability.csv", table)


def _designs(contrast: Contrast, model: Model) -> list[str]:
    designs = [model.design]
    own = contrast.interaction and model.name == contrast.id
    if own and len(set(model.rows.obs[k.obs.study])) > 1:
        designs.append(f"{model.design} + {k.obs.study}")
    return designs


def _confounders(rows: AnnData, design: str) -> list[str]:
    """Return what else differs between these patients and is known for some of them."""
    out = []
    for column in _CONFOUNDERS:
        if column not in rows.obs or column in design:
            continue
        known = rows.obs[column].astype(str)
        rows.obs[column] = known.where(~known.isin(["", "unknown", "nan", "<NA>"]))
        if len(set(rows.obs[column].dropna())) > 1:
            out.append(column)
    return out


STEP = Step(
    name="estimability",
    title="What the designs can estimate",
    needs=(TABLE, "tables/samples.csv"),
    makes=("tables/estimability.csv",),
    params=("pseudobulk",),
    manifests=("contrasts.toml",),
    run=run,
)
