"""Sum counts per patient and time point, one file per population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pp
from cartscope._schema import PSEUDOBULK
from cartscope.study._context import cell_artifact
from cartscope.study._groups import in_population
from cartscope.study._model import Step
from cartscope.study._pseudobulk import GROUPS, populations_for_de, pseudobulk_artifact

if TYPE_CHECKING:
    from cartscope.study._context import Context

TABLE = "tables/pseudobulk.csv"
DROPPED = "tables/pseudobulk_dropped.csv"
_LABEL = "population"
_FEMALE, _MALE = "XIST", "RPS4Y1"  # either may fall to the gene filter in a small cohort


def run(ctx: Context) -> None:
    """Write the profiles and the table of how many cells stand behind each."""
    p = ctx.preset.values("pseudobulk")
    manifest = ctx.manifests.contrasts
    adata = ctx.cells("pseudobulk")
    tables = []
    for name in populations_for_de(manifest):
        chosen = in_population(adata.obs, manifest.population[name])
        # a label and a missing value instead of a subset: no copy of the matrix
        adata.obs[_LABEL] = pd.Categorical.from_codes(chosen.astype("int8") - 1, [name])
        try:
            pdata = pp.pseudobulk(adata, by=[*GROUPS, _LABEL], min_cells=p["min_cells"])
        finally:
            del adata.obs[_LABEL]
        # which annotations are in memory depends on what ran before; the cohort's columns do not
        known = [*GROUPS, _LABEL, k.obs.n_cells, *ctx.read_table("tables/samples.csv").columns]
        pdata.obs = pdata.obs[[c for c in dict.fromkeys(known) if c in pdata.obs]]
        if pdata.n_obs and {_FEMALE, _MALE} <= set(pdata.var_names):
            pp.infer_sex(pdata, female=[_FEMALE], male=[_MALE])
        else:
            pdata.obs[k.obs.sex_inferred] = "unknown"
        with ctx.writing(pseudobulk_artifact(name)) as temporary:
            pdata.write_h5ad(temporary)
        tables.append(_ledger(adata.obs[chosen], p["min_cells"]).assign(population=name))
    table = pd.concat([PSEUDOBULK.empty(), *tables], ignore_index=True)
    kept = table["kept"].astype(bool)
    ctx.write_table(TABLE, table[kept])
    ctx.write_table(DROPPED, table[~kept])


def _ledger(obs: pd.DataFrame, min_cells: int) -> pd.DataFrame:
    """List every group of cells, kept or dropped, with the reason."""
    groups = obs[list(GROUPS)].astype(str).value_counts(sort=False).sort_index()
    table = groups.rename(k.obs.n_cells).reset_index()
    table["kept"] = table[k.obs.n_cells] >= min_cells
    table["reason"] = np.where(table["kept"], "", f"fewer than {min_cells} cells")
    return table


STEP = Step(
    name="pseudobulk",
    title="Sum counts per patient and population",
    needs=(cell_artifact("car"), cell_artifact("t_subsets"), "tables/samples.csv"),
    makes=(TABLE, DROPPED),
    params=("pseudobulk",),
    manifests=("contrasts.toml",),
    also=lambda ctx: map(pseudobulk_artifact, populations_for_de(ctx.manifests.contrasts)),
    run=run,
)
