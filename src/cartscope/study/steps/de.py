"""Differential expression between patients, by both presets, contrast by contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd

from cartscope import pp, tl
from cartscope._errors import EstimabilityError
from cartscope._schema import DE, ENGINE_COMPARISON, GENE_FILTER
from cartscope.study._groups import GROUP, REFERENCE, Split, split
from cartscope.study._model import Step
from cartscope.study._profiles import rows_of, too_few
from cartscope.study._pseudobulk import pseudobulk_artifact
from cartscope.study._rows import not_tested, stack
from cartscope.study._settings import PRESETS
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Preset
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Test every contrast of contrasts.toml that asks for it, by both presets side by side."""
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("de")]
    min_cells = ctx.preset.values("pseudobulk")["min_cells"]
    profiles: dict[str, AnnData] = {}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in PRESETS}
    filtered: list[dict[str, Any]] = []
    for s in splits:
        if s.reason:
            continue
        population = s.contrast.population
        if population not in profiles:
            profiles[population] = anndata.read_h5ad(ctx.path(pseudobulk_artifact(population)))
        rows = rows_of(profiles[population], s)
        reason = too_few(rows, min_cells)
        for name in PRESETS:
            if reason:
                tables[name].append(not_tested(DE, s.contrast.id, reason=reason))
            else:
                preset = ctx.manifests.preset(name)
                keep, told = _tested_genes(rows, preset)
                filtered.append({"contrast": s.contrast.id, "preset": name, **told})
                passed = rows[:, keep].copy()
                tables[name].append(_test(passed, s, preset=preset, n_jobs=ctx.jobs))
    stacked = {name: stack(DE, parts, splits=splits) for name, parts in tables.items()}
    for name, table in stacked.items():
        ctx.write_table(f"tables/de_{name}.csv", table)
    ctx.write_table("tables/de.csv", stacked[ctx.settings.preset])
    ctx.write_table("tables/engine_comparison.csv", _compare(ctx, stacked))
    ledger = pd.DataFrame(filtered) if filtered else GENE_FILTER.empty()
    ctx.write_table("tables/gene_filter.csv", ledger)


def _tested_genes(rows: AnnData, preset: Preset) -> tuple[np.ndarray, dict[str, Any]]:
    method = preset.values("pseudobulk")["gene_filter"]
    # the published rule looks at the whole table before it is split; here the contrast's rows
    keep = pp.filter_genes(rows, method=method, group="group").to_numpy()
    n_genes = int((np.asarray(rows.X.sum(axis=0)).ravel() > 0).sum())
    tested = int(keep.sum())
    told = {"n_genes": n_genes, "n_tested": tested, "n_dropped": n_genes - tested}
    return keep, {"rule": method, **told}


def _test(rows: AnnData, s: Split, *, preset: Preset, n_jobs: int) -> pd.DataFrame:
    c = s.contrast
    engine = preset.values("de")["engine"]
    design, options = c.design, {}
    if s.within_patient and engine == "limma_voom":
        design, options = "~ group", {"block": "patient"}  # as the group did: patients as blocks
    try:
        fit = tl.fit_differential_expression(
            rows, design=design, engine=engine, n_jobs=n_jobs, **options
        )
        if c.interaction:
            return tl.interaction_effects(fit, "group", c.interaction, name=c.id)
        return fit.test(("group", GROUP, REFERENCE), name=c.id)
    except EstimabilityError as error:
        return not_tested(DE, c.id, reason=f"not estimable: {error}")


def _compare(ctx: Context, stacked: dict[str, pd.DataFrame]) -> pd.DataFrame:
    names: tuple[Any, Any] = tuple(PRESETS)
    a, b = (stacked[name][stacked[name]["p_value"].notna()] for name in names)
    shared = set(a["contrast"]) & set(b["contrast"])
    if not shared:
        return ENGINE_COMPARISON.empty()
    a, b = (t[t["contrast"].isin(shared)] for t in (a, b))
    alpha = ctx.preset.values("de")["alpha"]
    return tl.compare_engines(a, b, names=names, alpha=alpha)


STEP = Step(
    name="de",
    title="Differential expression between patients",
    needs=(TABLE, "tables/samples.csv"),
    makes=(
        "tables/de.csv",
        *(f"tables/de_{name}.csv" for name in PRESETS),
        "tables/engine_comparison.csv",
        "tables/gene_filter.csv",
    ),
    params=("pseudobulk", "de"),
    settings=("preset",),
    manifests=("contrasts.toml",),
    inputs=lambda ctx: {
        f"{name} {section}": ctx.manifests.preset(name).values(section)
        for name in PRESETS
        for section in ("pseudobulk", "de")
    },
    run=run,
)
