"""Null cohorts at the level of patients: sums of counts and numbers of cells, no single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope import stats, tl
from cartscope._rng import stream
from cartscope.simulate import simulate_pseudobulk
from cartscope.simulate._deal import deal
from cartscope.simulate._design import Library, libraries
from cartscope.simulate._sizes import library_sizes
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._groups import GROUP, REFERENCE, split
from cartscope.study._in_memory import InMemory
from cartscope.study._patients import SIDE, cells_of
from cartscope.study._permuted import STEPS
from cartscope.study._profiles import rows_of
from cartscope.study._pseudobulk import pseudobulk_artifact
from cartscope.study._registry import annotating_before

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES, CALLS = "tables/samples.csv", "tables/car_calls.csv"
DETECTION = 0.8  # of CAR T cells, as published: 75 to 82%
CELLS = 60  # of a population in a patient, the median
STUDY_CELLS = 20_000  # of the cohort whose cells are dealt
DEPTH = 0.4  # spread of the log depth of cells: shallow CAR T cells are missed more often
CYCLING_DEPTH = 1.5
GSEA = ("mono_crs_anakinra", "ip_cd4_crs_no_anakinra")
DE = (
    "mono_crs_anakinra",
    "mono_crs_no_anakinra",
    "mono_crs_interaction",
    "ctl_anakinra_low_crs",
    "ip_cd4_crs_no_anakinra",
    "car_neg_cd8_nt_anakinra",
)
LR = {  # population -> what its cells are
    "cd14_monocyte": ("CD14 monocyte", "", ""),
    "nk": ("NK", "", ""),
    "car_pos_cd4": ("T", "CD4", k.car.positive),
    "car_pos_cd8": ("T", "CD8", k.car.positive),
    "car_neg_cd4": ("T", "CD4", k.car.negative),
    "car_neg_cd8": ("T", "CD8", k.car.negative),
}


def sample_table() -> pd.DataFrame:
    """Return samples.csv of the simulated study."""
    rows = []
    for lib in libraries():
        p = lib.patient
        rows.append(
            {
                "sample_id": lib.sample_id,
                "path": "",
                "patient": p.name,
                "study": p.study,
                "timepoint": lib.timepoint,
                "sorted": str(lib.sorted).lower(),
                "anakinra": str(p.anakinra).lower(),
                "crs_grade": float(p.crs),
                "nt_grade": float(p.nt),
                "simulated": "true",
            }
        )
    return pd.DataFrame(rows)


def dealt_cells(
    seed: int, *, detection: float = DETECTION, strength: float = 0.0
) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return the cells of a cohort without their counts, and what the CAR audit would say.

    Numbers of cells are those of :func:`cartscope.simulate.simulate` with ``null=True``: shares and
    cycling differ between patients more than cells of one pot do, and expansion differs by CRS
    grade. Labels are right but for CAR T cells whose transcript was not found, the shallow ones
    more often; the audit knows the rate of detection.
    """
    sizes = library_sizes(STUDY_CELLS, random_state=seed, failed_library=False)
    parts, calls = [], []
    for lib in libraries():
        if lib.timepoint == k.timepoints.baseline:
            continue
        dealt = deal(lib, sizes[lib.sample_id], strength=strength, random_state=seed)
        part = _with_calls(lib, dealt, seed=seed, detection=detection)
        parts.append(part)
        calls.append(_audited(lib, part))
    obs = pd.concat(parts, ignore_index=True)
    # as the road leaves it, so that nothing is named "patient" or "sorted" by another type
    for column in obs.select_dtypes(object).columns:
        obs[column] = obs[column].astype("category")
    obs.index = obs.index.astype(str)
    return ad.AnnData(obs=obs), pd.DataFrame(calls)


def _with_calls(
    lib: Library, dealt: list[tuple[Any, int]], *, seed: int, detection: float
) -> pd.DataFrame:
    rng = stream(seed, "called", lib.sample_id)
    numbers = [n for _, n in dealt]
    columns = {
        k.obs.cell_type: [s.cell_type for s, _ in dealt],
        k.obs.t_subset: [s.t_subset or k.UNASSIGNED for s, _ in dealt],
        k.obs.t_lineage: [s.t_lineage or k.UNASSIGNED for s, _ in dealt],
        "true_car": [s.car for s, _ in dealt],
        k.obs.cycling: [s.phase != "G1" for s, _ in dealt],
    }
    obs = pd.DataFrame({name: np.repeat(values, numbers) for name, values in columns.items()})
    depth = np.exp(rng.normal(0, DEPTH, len(obs)))
    depth = np.where(obs[k.obs.cycling], CYCLING_DEPTH * depth, depth)
    chance = 1 - (1 - detection) ** depth
    found = obs["true_car"].to_numpy() & (rng.random(len(obs)) < chance)
    other = k.car.unknown if lib.sorted else k.car.negative
    obs[k.obs.car_status] = np.where(found, k.car.positive, other)
    obs["car_found"], obs["car_detection"] = found, chance
    obs["car_detection_se"] = 0.0
    given = {
        k.obs.sample: lib.sample_id,
        k.obs.patient: lib.patient.name,
        k.obs.study: lib.patient.study,
        k.obs.timepoint: lib.timepoint,
    }
    obs = obs.assign(**given)
    obs[k.obs.sorted] = lib.sorted
    return obs


def _audited(lib: Library, obs: pd.DataFrame) -> dict[str, Any]:
    """Say what share of the CAR- T cells are CAR T cells, from those found and their chance."""
    t = obs[obs[k.obs.cell_type] == "T"]
    found = t["car_found"].to_numpy()
    # every cell found stands for 1 / chance cells
    there = (1 / t["car_detection"].to_numpy()[found]).sum()
    missed = max(there - found.sum(), 0.0)
    rest = max((~found).sum(), 1)
    return {
        "sample": lib.sample_id,
        "patient": lib.patient.name,
        "timepoint": lib.timepoint,
        "sorted": str(lib.sorted).lower(),
        "missed_share": min(missed / rest, 0.95),
        "reason": "",
    }


def write_profiles(
    folder: Path, seed: int, *, populations: list[str], strength: float = 0.0
) -> dict[str, ad.AnnData]:
    """Write pseudobulk where the steps look for it, and return it by population."""
    out = {}
    for name in populations:
        pdata = simulate_pseudobulk(
            name, cells=CELLS, seed=seed, null=not strength, effect=strength, detection=DETECTION
        )
        product = name in {"cd4", "cd8"}
        pdata.obs[k.obs.timepoint] = k.timepoints.infusion_product if product else k.timepoints.day7
        pdata = pdata[pdata.obs[k.obs.n_cells] >= 25].copy()
        path = folder / pseudobulk_artifact(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pdata.write_h5ad(path)
        out[name] = pdata
    return out


def stacked(profiles: dict[str, ad.AnnData]) -> ad.AnnData:
    """Return the profiles of the populations that talk, one row each in place of its cells."""
    genes = sorted(set().union(*(profiles[name].var_names for name in LR)))
    blocks, tables = [], []
    unsorted = {
        lib.patient.name: lib.sample_id
        for lib in libraries()
        if lib.timepoint == k.timepoints.day7 and not lib.sorted
    }
    for name, (cell_type, lineage, status) in LR.items():
        pdata = profiles[name]
        counts = np.zeros((pdata.n_obs, len(genes)))
        counts[:, np.searchsorted(genes, pdata.var_names)] = pdata.X
        blocks.append(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4))
        obs = pdata.obs[[k.obs.patient, k.obs.study, k.obs.timepoint]].astype(str)
        obs[k.obs.sample] = obs[k.obs.patient].map(unsorted)
        obs[k.obs.cell_type], obs[k.obs.t_lineage] = cell_type, lineage
        obs[k.obs.car_status] = status
        obs[k.obs.sorted] = False
        tables.append(obs.set_index(name + "_" + obs.index.astype(str)))
    x = sparse.csr_matrix(np.vstack(blocks))
    return ad.AnnData(x, obs=pd.concat(tables), var=pd.DataFrame(index=genes))


def null_tables(seed: int, folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Return every table of one null cohort, and the numbers of patients of its de contrasts."""
    base = Context(Settings(out=folder, jobs=1, seed=seed), annotating_before=annotating_before)
    contrasts = base.manifests.contrasts
    de = {c.id: c for c in contrasts.contrast if c.id in DE}
    populations = list(dict.fromkeys([*(c.population for c in de.values()), *LR]))
    profiles = write_profiles(folder, seed, populations=populations)
    cells, calls = dealt_cells(seed)
    given = {SAMPLES: sample_table(), CALLS: calls}
    shares = [c.id for c in contrasts.contrast if {"composition", "cycling"} & set(c.analyses)]
    quick = {"gsea": {"collections": ("study",)}}
    run = InMemory(base, tables=given, contrasts=[*DE, *shares], cells=cells)
    first = ("de", "composition", "cycling", "corrected")
    tables = run.run(STEPS[name] for name in first)
    sets = InMemory(base, tables=tables, contrasts=GSEA, preset=quick)
    tables |= sets.run([STEPS["gsea"], STEPS["gene_set_scores"]])
    tables |= _other_compositions(run, cells)
    pairs = [c.id for c in contrasts.contrast if "ligrec" in c.analyses]
    one_row = {"ligrec": {"min_cells": 1}}
    talk = InMemory(base, tables=given, contrasts=pairs, preset=one_row, cells=stacked(profiles))
    tables |= talk.run([STEPS["ligrec"]])
    ranked, sizes = [], {}
    for name, contrast in de.items():
        rows = rows_of(profiles[contrast.population], split(contrast, contrasts, given[SAMPLES]))
        in_group = (rows.obs["group"] == GROUP).to_numpy()
        sizes[name] = int(in_group.sum()), int((~in_group).sum())
        tested = tables["tables/de_recommended.csv"]
        genes = tested.loc[tested["contrast"] == name, "gene"].unique()
        if not contrast.interaction:
            ranked.append(_rank_test(rows, genes, in_group, name=name))
    return {**tables, "rank.csv": pd.concat(ranked)}, sizes


def _rank_test(
    rows: ad.AnnData, genes: np.ndarray, in_group: np.ndarray, *, name: str
) -> pd.DataFrame:
    counts = np.asarray(rows.X, dtype=float)
    logs = np.log2((counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1) * 1e6)
    values = logs[:, rows.var_names.get_indexer(genes)]
    p = stats.mann_whitney(values[in_group], values[~in_group]).p_value
    fdr = stats.benjamini_hochberg(p)
    return pd.DataFrame({"contrast": name, "gene": genes, "p_value": p, "fdr": fdr})


def _other_compositions(run: InMemory, cells: ad.AnnData) -> dict[str, pd.DataFrame]:
    out: dict[str, list[pd.DataFrame]] = {"clr": [], "propeller": []}
    manifest = run.manifests.contrasts
    for contrast in manifest.by_analysis("composition"):
        s = split(contrast, manifest, run.read_table(SAMPLES))
        part = cells_of(cells, s, manifest.population[contrast.population])
        for name, found in out.items():
            for parts in contrast.parts:
                found.append(
                    tl.composition(
                        part,
                        parts=parts,
                        contrast=(SIDE, GROUP, REFERENCE),
                        min_cells=run.preset.values("composition")["min_cells"],
                        name=contrast.id,
                        test=name,
                    )
                )
    return {f"{name}.csv": pd.concat(found) for name, found in out.items()}
