"""Sum counts per patient and time point, one file per population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import pp
from cartscope.study._context import cell_artifact
from cartscope.study._groups import in_population
from cartscope.study._model import Step
from cartscope.study._pseudobulk import GROUPS, populations_for_de, pseudobulk_artifact

if TYPE_CHECKING:
    from cartscope.study._context import Context

TABLE = "tables/pseudobulk.csv"
_LABEL = "population"


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
        if pdata.n_obs:
            pp.infer_sex(pdata)
        with ctx.writing(pseudobulk_artifact(name)) as temporary:
            pdata.write_h5ad(temporary)
        columns = [*GROUPS, k.obs.n_cells]
        tables.append(pdata.obs[columns].astype(dict.fromkeys(GROUPS, str)).assign(population=name))
    ctx.write_table(TABLE, pd.concat(tables, ignore_index=True))


STEP = Step(
    name="pseudobulk",
    title="Sum counts per patient and population",
    needs=(cell_artifact("car"), cell_artifact("t_subsets"), "tables/samples.csv"),
    makes=(TABLE,),
    params=("pseudobulk",),
    manifests=("contrasts.toml",),
    also=lambda ctx: map(pseudobulk_artifact, populations_for_de(ctx.manifests.contrasts)),
    run=run,
)
