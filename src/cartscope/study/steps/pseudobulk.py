"""Sum counts per patient and time point, one file per population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pp
from cartscope._schema import PSEUDOBULK
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import in_population
from cartscope.study.comparisons._pseudobulk import GROUPS, populations_for_de, pseudobulk_artifact

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

TABLE = "tables/pseudobulk.csv"
DROPPED = "tables/pseudobulk_dropped.csv"
_LABEL = "population"
_UNKNOWN = "unknown"
_FEMALE, _MALE = "XIST", "RPS4Y1"  # either may fall to the gene filter in a small cohort


def run(ctx: Context) -> None:
    """Write the profiles and the table of how many cells stand behind each."""
    p = ctx.preset.values("pseudobulk")
    manifest = ctx.manifests.contrasts
    adata = ctx.cells("pseudobulk")
    tables = []
    profiles: dict[str, AnnData] = {}
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
            pdata.obs[k.obs.sex_inferred] = _UNKNOWN
        profiles[name] = pdata
        tables.append(_ledger(adata.obs[chosen], p["min_cells"]).assign(population=name))
    sex_of_patients(profiles)
    kept = above_cpm(profiles)
    for name, pdata in profiles.items():
        pdata.var[k.var.above_cpm] = kept
        with ctx.writing(pseudobulk_artifact(name)) as temporary:
            pdata.write_h5ad(temporary)
    table = pd.concat([PSEUDOBULK.empty(), *tables], ignore_index=True)
    enough = table["kept"].astype(bool)
    ctx.write_table(TABLE, table[enough])
    ctx.write_table(DROPPED, table[~enough])


def sex_of_patients(profiles: dict[str, AnnData]) -> None:
    """Give every profile of a patient the sex that others show: small ones leave it unknown.

    Parameters
    ----------
    profiles
        Population -> profiles; ``obs`` is changed.
    """
    column = k.obs.sex_inferred
    seen = pd.concat([p.obs[[k.obs.patient, column]].astype(str) for p in profiles.values()])
    seen = seen[seen[column] != _UNKNOWN].drop_duplicates()
    # two sexes in one patient: a transplant, or a mix-up, and nothing to lend
    once = seen[~seen[k.obs.patient].duplicated(keep=False)].set_index(k.obs.patient)[column]
    for p in profiles.values():
        own = p.obs[column].astype(str)
        lent = p.obs[k.obs.patient].astype(str).map(once).fillna(_UNKNOWN).astype(str)
        p.obs[column] = own.where(own != _UNKNOWN, lent)


def above_cpm(profiles: dict[str, AnnData]) -> np.ndarray | bool:
    """Return the genes that the published rule keeps, on the rows of every population together.

    Parameters
    ----------
    profiles
        Population -> profiles.
    """
    some = {name: p for name, p in profiles.items() if p.n_obs}
    if not some:
        return False
    return pp.filter_genes(anndata.concat(some, index_unique=" "), method="cpm").to_numpy()


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
