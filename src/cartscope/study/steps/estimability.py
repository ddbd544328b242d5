"""What each design can estimate, and what it cannot be told apart from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import pandas as pd

from cartscope import _keys as k
from cartscope import tl
from cartscope._schema import ESTIMABILITY
from cartscope.study._groups import GROUP, REFERENCE, split
from cartscope.study._model import Step
from cartscope.study._profiles import rows_of, too_few
from cartscope.study._pseudobulk import pseudobulk_artifact
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Contrast
    from cartscope.study._context import Context

_CONFOUNDERS = (k.obs.study, k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample)


def run(ctx: Context) -> None:
    """Report on every de contrast; an interaction is looked at with and without the study."""
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    min_cells = ctx.preset.values("pseudobulk")["min_cells"]
    tables = []
    for contrast in manifest.by_analysis("de"):
        s = split(contrast, manifest, samples)
        if s.reason:
            continue
        pdata = anndata.read_h5ad(ctx.path(pseudobulk_artifact(contrast.population)))
        rows = rows_of(pdata, s)
        if too_few(rows, min_cells):
            continue
        for design in _designs(contrast, rows):
            report = tl.estimability(
                rows.obs,
                design=design,
                contrast=_term(contrast),
                patient=k.obs.patient,
                confounders=_confounders(rows, design),
            )
            tables.append(report.table.assign(id=contrast.id))
    columns = ["id", *ESTIMABILITY.columns]
    table = pd.concat(tables, ignore_index=True)[columns] if tables else ESTIMABILITY.empty()
    ctx.write_table("tables/estimability.csv", table)


def _designs(contrast: Contrast, rows: AnnData) -> list[str]:
    designs = [contrast.design]
    if contrast.interaction and len(set(rows.obs[k.obs.study])) > 1:
        designs.append(f"{contrast.design} + {k.obs.study}")
    return designs


def _term(contrast: Contrast) -> str | tuple[str, str, str]:
    if contrast.interaction:
        return f"{contrast.interaction}:group"
    return ("group", GROUP, REFERENCE)


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
