"""Whole null cohorts: single cells from the simulator through every step up to the tables."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import anndata as ad

from cartscope import simulate
from cartscope.study import Settings, all_steps, reproduce
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.comparisons._pseudobulk import populations_for_de, pseudobulk_artifact
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import SAMPLES, STEPS
from cartscope.study.steps._profiles import rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

IDENTITY = ("annotate", "car", "cycle", "t_subsets")
# day 7 and product differ in any cohort, so there is no null
NOT_NULL = frozenset({"t_day7_vs_product"})
COLLECTIONS = ("study", "hallmark")  # Reactome's thousand sets take most of a run's time


def prepare(folder: Path, seed: int, *, cells: int) -> None:
    """Simulate a null cohort and walk the road to its annotated cells."""
    done = folder / "prepared"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    simulate.simulate(folder / "study", cells=cells, seed=seed, null=True)
    reproduce(_settings(folder, seed), only=["contrasts", *IDENTITY])
    shutil.rmtree(folder / "study" / "geo")
    (folder / "run" / "work" / "ingest.h5ad").unlink()
    done.touch()


def _settings(folder: Path, seed: int) -> Settings:
    return Settings(out=folder / "run", data=str(folder / "study"), seed=seed, jobs=1)


def null_tables(
    folder: Path, seed: int, *, again: bool = False
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Return the tables of a prepared cohort, and the numbers of patients of its de contrasts.

    Parameters
    ----------
    folder
        From :func:`prepare`.
    seed
        Of the cohort.
    again
        Name the cells anew first, by the code as it is now.
    """
    base = Context(_settings(folder, seed), annotating_before=annotating_before)
    if again:
        for name in [n for n in all_steps() if n in IDENTITY]:
            all_steps()[name].run(base)
    all_steps()["pseudobulk"].run(base)
    manifest = base.manifests.contrasts
    contrasts = [c.id for c in manifest.contrast if c.id not in NOT_NULL]
    run = InMemory(base, contrasts=contrasts, preset={"gsea": {"collections": COLLECTIONS}})
    tables = run.run(STEPS.values())
    return tables, group_sizes(base)


def group_sizes(ctx: Context) -> dict[str, tuple[int, int]]:
    """Return how many profiles each de contrast compares."""
    samples = ctx.read_table(SAMPLES)
    manifest = ctx.manifests.contrasts
    observed = {
        name: ad.read_h5ad(ctx.path(pseudobulk_artifact(name)))[:, :1].copy()
        for name in populations_for_de(manifest)
    }
    out = {}
    for contrast in manifest.by_analysis("de"):
        rows = rows_of(observed[contrast.population], split(contrast, manifest, samples))
        side = rows.obs["group"].astype(str)
        out[contrast.id] = int((side == GROUP).sum()), int((side == REFERENCE).sum())
    return out
