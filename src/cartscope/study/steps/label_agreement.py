"""Whether the cell types stay when clustering starts from other seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import tl
from cartscope._schema import LABEL_AGREEMENT
from cartscope.study._context import cell_artifact
from cartscope.study._labels import own_labels
from cartscope.study._model import Step
from cartscope.study.steps.annotate import STEP as ANNOTATE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

OTHER_SEEDS = 2


def run(ctx: Context) -> None:
    """Cluster and name the cells again, and count those that keep their type."""
    adata = ctx.cells("label_agreement")
    manifest = ctx.manifests.annotation
    markers = manifest.markers(ctx.preset.cells.annotation.value)
    again = _panel(adata, markers)
    said = adata.obs[k.obs.cell_type].astype(str).to_numpy()
    judged = ~_given(ctx, adata)
    tables = []
    for i in range(1, OTHER_SEEDS + 1):
        seed = ctx.seed + i
        resolution = ctx.preset.values("embedding")["resolution"]
        tl.leiden(again, resolution=resolution, random_state=seed)
        tl.annotate(
            again,
            markers=markers,
            minimum=manifest.assign.minimum,
            margin=manifest.assign.margin,
        )
        names = again.obs[k.obs.cell_type].astype(str).to_numpy()
        n_clusters = again.obs[k.obs.leiden].nunique()
        tables.append(
            agreement(said[judged], names[judged]).assign(seed=seed, n_clusters=n_clusters)
        )
    ctx.write_table("tables/label_agreement.csv", LABEL_AGREEMENT.check(pd.concat(tables)))


def agreement(said: np.ndarray, again: np.ndarray) -> pd.DataFrame:
    """Return the share of cells that keep their type, for all and by type.

    Parameters
    ----------
    said
        Types of the run.
    again
        Types of the same cells from another seed.
    """
    kept = pd.Series(said == again)
    rows = [("", len(said), kept.mean())]
    rows += [(str(name), len(part), part.mean()) for name, part in kept.groupby(said)]
    return pd.DataFrame(rows, columns=["cell_type", "n_cells", "agreement"])


def _panel(adata: AnnData, markers: object) -> AnnData:
    """Return cells x markers on the same graph, so that nothing is written to the run's cells."""
    if isinstance(markers, dict):
        genes = {g for m in markers.values() for g in (*m["positive"], *m["negative"])}
    else:
        genes = {rule["gene"] for rule in markers}
    at = np.flatnonzero(adata.var_names.isin(genes))
    out = anndata.AnnData(
        adata.X[:, at], obs=adata.obs.copy(), var=pd.DataFrame(index=adata.var_names[at])
    )
    out.obsp[k.obsp.connectivities] = adata.obsp[k.obsp.connectivities]
    return out


def _given(ctx: Context, adata: AnnData) -> np.ndarray:
    """Return which cells have a label of the user's, that no seed can change."""
    labels = own_labels(ctx)
    if labels is None:
        return np.zeros(adata.n_obs, dtype=bool)
    return adata.obs_names.isin(labels.index)


STEP = Step(
    name="label_agreement",
    title="Cell types from other seeds",
    needs=(cell_artifact("annotate"),),
    makes=("tables/label_agreement.csv",),
    params=("cells", "embedding"),
    manifests=("annotation.toml",),
    inputs=ANNOTATE.inputs,
    seeded=True,
    run=run,
)
