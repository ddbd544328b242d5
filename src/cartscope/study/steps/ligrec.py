"""Ligand-receptor scores per patient, compared between patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import io, tl
from cartscope._schema import LIGREC, LIGREC_CANDIDATES, LIGREC_INTERACTION, LIGREC_PATIENTS
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step
from cartscope.study._settings import PRESETS
from cartscope.study.comparisons._groups import GROUP, REFERENCE, Split, in_population, split
from cartscope.study.comparisons._ligrec_arms import arms_table
from cartscope.study.comparisons._ligrec_candidates import (
    PICKED_FROM,
    TWICE,
    count_candidates,
    picking_genes,
    rule_options,
)
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.steps._rows import not_tested, stack

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context
    from cartscope.tl import LigandReceptorScores

_POPULATION = "population"


@dataclass
class _Tables:
    tests: list[pd.DataFrame] = field(default_factory=list)
    counts: list[pd.DataFrame] = field(default_factory=list)
    arms: list[pd.DataFrame] = field(default_factory=list)
    patients: list[pd.DataFrame] = field(default_factory=lambda: [LIGREC_PATIENTS.empty()])


def run(ctx: Context) -> None:
    """Score every pair in every patient, zeros included, and test between groups and arms."""
    samples = ctx.read_table("tables/samples.csv")
    manifest, named = ctx.manifests.contrasts, ctx.manifests.ligand_receptor
    resource = io.read_lr_resource(named.resources.names)
    adata = ctx.cells("ligrec")
    chosen = _genes(resource, adata)
    adata = anndata.AnnData(adata.X[:, chosen], obs=adata.obs, var=adata.var.iloc[chosen])
    genes = picking_genes(ctx)
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("ligrec")]
    known: dict[object, LigandReceptorScores | None] = {}
    out = _Tables()
    for s in splits:
        if s.reason:
            continue
        c = s.contrast
        # contrasts of the same patients share their scores
        key = tuple(sorted(s.side.index[s.side != ""])), c.senders, c.receivers, c.interaction
        if key not in known:
            known[key] = _scores(ctx, adata, s, resource=resource)
        scores = known[key]
        if scores is None:
            _no_cells(s, out)
        elif c.interaction:
            out.arms.append(arms_table(ctx, scores, s, samples=samples))
        else:
            _one_arm(ctx, scores, s, genes=genes, samples=samples, out=out)
    single = [s for s in splits if not s.contrast.interaction]
    double = [s for s in splits if s.contrast.interaction]
    ctx.write_table("tables/ligrec.csv", stack(LIGREC, out.tests, splits=single))
    counts = stack(LIGREC_CANDIDATES, out.counts, splits=single)
    ctx.write_table("tables/ligrec_candidates.csv", counts)
    arms = stack(LIGREC_INTERACTION, out.arms, splits=double)
    ctx.write_table("tables/ligrec_interaction.csv", arms)
    ctx.write_table("tables/ligrec_patients.csv", pd.concat(out.patients, ignore_index=True))


def _no_cells(s: Split, out: _Tables) -> None:
    reason = "too few cells: no cell of any sender or receiver"
    if s.contrast.interaction:
        out.arms.append(not_tested(LIGREC_INTERACTION, s.contrast.id, reason=reason))
        return
    out.tests.append(not_tested(LIGREC, s.contrast.id, reason=reason))
    out.counts.append(not_tested(LIGREC_CANDIDATES, s.contrast.id, reason=reason))


def _one_arm(
    ctx: Context,
    scores: LigandReceptorScores,
    s: Split,
    *,
    genes: frozenset[str],
    samples: pd.DataFrame,
    out: _Tables,
) -> None:
    values = ctx.preset.values("ligrec")
    side = {p: name for name in (GROUP, REFERENCE) for p in s.members(name)}
    pairs = [(p.ligand, p.receptor) for p in ctx.manifests.ligand_receptor.pair]
    picked = values["candidates"] == "de"
    # who looks first and names afterwards has no family of named pairs
    options: dict[str, Any] = {"report" if picked else "primary": pairs}
    if (strata := strata_of(ctx, s, samples)) is not None:
        options |= {"strata": strata.of, "within": strata.name}
    table = tl.ligand_receptor_test(
        scores, side, contrast=(GROUP, REFERENCE), name=s.contrast.id,
        **rule_options(values, genes), **options,
    )  # fmt: skip
    out.tests.append(table.assign(candidates=TWICE) if picked else table)
    out.counts.append(count_candidates(ctx, scores, s, genes=genes, samples=samples))
    out.patients.append(_per_patient(scores.to_frame(pairs), s))


def _scores(
    ctx: Context, adata: AnnData, s: Split, *, resource: pd.DataFrame
) -> LigandReceptorScores | None:
    p = ctx.preset.values("ligrec")
    cells = _cells(ctx, adata, s)
    there = set(cells.obs[_POPULATION].dropna().unique())
    senders = [x for x in s.contrast.senders if x in there]
    receivers = [x for x in s.contrast.receivers if x in there]
    if not senders or not receivers:
        return None
    named = [(pair.ligand, pair.receptor) for pair in ctx.manifests.ligand_receptor.pair]
    if s.contrast.interaction:  # asked of the named pairs only
        both = pd.MultiIndex.from_frame(resource[["ligand", "receptor"]])
        resource = resource[both.isin(named)]
    return tl.ligand_receptor_scores(
        cells,
        groupby=_POPULATION,
        resource=resource,
        senders=senders,
        receivers=receivers,
        score=p["score"],
        min_cells=p["min_cells"],
    )


def _per_patient(scores: pd.DataFrame, s: Split) -> pd.DataFrame:
    side = dict(zip(s.patients[s.side != ""], s.side[s.side != ""], strict=True))
    return scores.assign(contrast=s.contrast.id, side=scores["patient"].map(side))


def _genes(resource: pd.DataFrame, adata: AnnData) -> np.ndarray:
    subunits = {g for c in ("ligand", "receptor") for pair in resource[c] for g in pair.split("_")}
    return np.flatnonzero(adata.var_names.isin(subunits))


def _cells(ctx: Context, adata: AnnData, s: Split) -> AnnData:
    """Return a contrast's cells with their population."""
    manifest = ctx.manifests.contrasts
    side = adata.obs[k.obs.sample].astype(str).map(s.side).fillna("").to_numpy()
    label = np.full(adata.n_obs, "", dtype=object)
    for name in s.contrast.uses():
        label[in_population(adata.obs, manifest.population[name])] = name
    chosen = (side != "") & (label != "")
    cells = adata[chosen].copy()
    cells.obs[_POPULATION] = pd.Categorical(label[chosen])
    return cells


STEP = Step(
    name="ligrec",
    title="Ligands and receptors between patients",
    needs=(cell_artifact("car"), cell_artifact("t_subsets"), PICKED_FROM, "tables/samples.csv"),
    makes=(
        "tables/ligrec.csv",
        "tables/ligrec_candidates.csv",
        "tables/ligrec_interaction.csv",
        "tables/ligrec_patients.csv",
    ),
    params=("ligrec", "de", "between_patients"),
    manifests=("contrasts.toml", "ligand_receptor.toml"),
    inputs=lambda ctx: {
        f"{name} {section}": ctx.manifests.preset(name).values(section)
        for name in PRESETS
        for section in ("ligrec", "de", "between_patients")
    },
    seeded=True,
    run=run,
)
