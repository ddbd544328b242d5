"""Ligand-receptor scores per patient, compared between patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import io, tl
from cartscope._schema import LIGREC, LIGREC_PATIENTS
from cartscope.study._context import cell_artifact
from cartscope.study._groups import GROUP, REFERENCE, Split, in_population, split
from cartscope.study._model import Step
from cartscope.study._rows import not_tested, stack

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

_POPULATION = "population"
_SIDE = "group"


def run(ctx: Context) -> None:
    """Score every pair in every patient, zeros included, and test between groups."""
    samples = ctx.read_table("tables/samples.csv")
    manifest, named = ctx.manifests.contrasts, ctx.manifests.ligand_receptor
    p = ctx.preset.values("ligrec")
    resource = io.read_lr_resource(named.resources.names)
    adata = ctx.cells("ligrec")
    genes = _genes(resource, adata)
    pairs = [(pair.ligand, pair.receptor) for pair in named.pair]
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("ligrec")]
    tables, shown = [], [LIGREC_PATIENTS.empty()]
    for s in splits:
        if s.reason:
            continue
        cells = _cells(ctx, adata[:, genes], s)
        there = set(cells.obs[_POPULATION].dropna().unique())
        senders = [x for x in s.contrast.senders if x in there]
        receivers = [x for x in s.contrast.receivers if x in there]
        if not senders or not receivers:
            reason = "too few cells: no cell of any sender or receiver"
            tables.append(not_tested(LIGREC, s.contrast.id, reason=reason))
            continue
        tables.append(
            tl.ligand_receptor(
                cells,
                groupby=_POPULATION,
                contrast=(_SIDE, GROUP, REFERENCE),
                resource=resource,
                senders=senders,
                receivers=receivers,
                name=s.contrast.id,
                score=p["score"],
                min_cells=p["min_cells"],
                min_fraction=p["min_fraction"],
                primary=pairs,
            )
        )
        scores = tl.ligand_receptor_scores(
            cells,
            groupby=_POPULATION,
            resource=resource,
            senders=senders,
            receivers=receivers,
            score=p["score"],
            min_cells=p["min_cells"],
        )
        shown.append(_per_patient(scores.to_frame(pairs), s))
    ctx.write_table("tables/ligrec.csv", stack(LIGREC, tables, splits=splits))
    ctx.write_table("tables/ligrec_patients.csv", pd.concat(shown, ignore_index=True))


def _per_patient(scores: pd.DataFrame, s: Split) -> pd.DataFrame:
    side = dict(zip(s.patients[s.side != ""], s.side[s.side != ""], strict=True))
    return scores.assign(contrast=s.contrast.id, side=scores["patient"].map(side))


def _genes(resource: pd.DataFrame, adata: AnnData) -> np.ndarray:
    subunits = {g for c in ("ligand", "receptor") for pair in resource[c] for g in pair.split("_")}
    return np.flatnonzero(adata.var_names.isin(subunits))


def _cells(ctx: Context, adata: AnnData, s: Split) -> AnnData:
    """Return a contrast's cells with their population and side."""
    manifest = ctx.manifests.contrasts
    side = adata.obs[k.obs.sample].astype(str).map(s.side).fillna("").to_numpy()
    label = np.full(adata.n_obs, "", dtype=object)
    for name in s.contrast.uses():
        label[in_population(adata.obs, manifest.population[name])] = name
    chosen = (side != "") & (label != "")
    cells = adata[chosen].copy()
    cells.obs[_POPULATION] = pd.Categorical(label[chosen])
    cells.obs[_SIDE] = pd.Categorical(side[chosen])
    return cells


STEP = Step(
    name="ligrec",
    title="Ligands and receptors between patients",
    needs=(cell_artifact("car"), cell_artifact("t_subsets"), "tables/samples.csv"),
    makes=("tables/ligrec.csv", "tables/ligrec_patients.csv"),
    params=("ligrec",),
    manifests=("contrasts.toml", "ligand_receptor.toml"),
    run=run,
)
