"""Null cohorts at the level of patients: sums of counts and numbers of cells, no single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from _calibration import dealt
from _calibration.draws import Called, called_cells
from cartscope import _keys as k
from cartscope import io, pp, stats
from cartscope._rng import stream
from cartscope.simulate import simulate_pseudobulk
from cartscope.simulate._design import Library, libraries
from cartscope.simulate._sizes import library_sizes
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import GROUP, split
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import STEPS
from cartscope.study.steps._profiles import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Tables = dict[str, pd.DataFrame]
Sizes = dict[str, tuple[int, int]]
SAMPLES, CALLS = "tables/samples.csv", "tables/car_calls.csv"
TOGETHER = 0.4  # spread between patients of the log of what the genes of a set share
DETECTION = 0.8  # of CAR T cells, as published: 75 to 82%
MIN_CPM = 15.0  # genes that are rarer, and that no test of genes would keep, cost time alone
CELLS = 60  # of a population in a patient, the median
MIN_CELLS = 25  # of a profile
STUDY_CELLS = 20_000  # of the cohort whose cells are dealt
GSEA = ("mono_crs_anakinra",)
DE = (
    "mono_crs_anakinra",
    "mono_crs_no_anakinra",
    "mono_crs_interaction",
    "ctl_anakinra_low_crs",
)
SENDERS = ("cd14_monocyte",)  # of every pair that a claim names; the others take most of the time
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
    """Return the cells of a cohort as steps read them, and what the CAR audit would say.

    The audit knows each cell's chance to be found.
    """
    sizes = library_sizes(STUDY_CELLS, random_state=seed, failed_library=False)
    parts, calls = [], []
    for lib in libraries():
        if lib.timepoint == k.timepoints.baseline:
            continue
        c = called_cells(
            lib, sizes[lib.sample_id], seed=seed, detection=detection, strength=strength
        )
        other = k.car.unknown if lib.sorted else k.car.negative
        columns = {
            k.obs.cell_type: c.cell_type,
            k.obs.t_subset: c.t_subset,
            k.obs.t_lineage: c.t_lineage,
            "true_car": c.car,
            k.obs.cycling: c.cycling,
            k.obs.car_status: np.where(c.found, k.car.positive, other),
            k.obs.car_counts: c.found.astype(int),
            k.obs.car_found: c.found.astype(float),
            k.obs.car_detection: c.chance,
            k.obs.car_detection_se: 0.0,
            k.obs.sample: lib.sample_id,
            k.obs.patient: lib.patient.name,
            k.obs.study: lib.patient.study,
            k.obs.timepoint: lib.timepoint,
            k.obs.sorted: lib.sorted,
        }
        parts.append(pd.DataFrame(columns))
        calls.append(_audited(lib, c))
    obs = pd.concat(parts, ignore_index=True)
    for column in obs.select_dtypes(object).columns:
        obs[column] = obs[column].astype("category")
    obs.index = obs.index.astype(str)
    return ad.AnnData(obs=obs), pd.DataFrame(calls)


def _audited(lib: Library, c: Called) -> dict[str, Any]:
    """Say what share of the CAR- T cells are CAR T cells, from those found and their chance."""
    t = c.cell_type == "T"
    # every cell found stands for 1 / chance cells
    missed = (1 / c.chance[t & c.found] - 1).sum()
    rest = max((t & ~c.found).sum(), 1)
    return {
        "sample": lib.sample_id,
        "patient": lib.patient.name,
        "timepoint": lib.timepoint,
        "sorted": str(lib.sorted).lower(),
        "missed_share": min(missed / rest, 0.95),
        "reason": "",
    }


def draw_profiles(
    seed: int, *, populations: Iterable[str], min_cpm: float, strength: float = 0.0
) -> dict[str, ad.AnnData]:
    """Return pseudobulk by population, as the step leaves it: profiles of enough cells."""
    out = {}
    for name in populations:
        pdata = simulate_pseudobulk(
            name,
            cells=CELLS,
            seed=seed,
            null=not strength,
            effect=strength,
            detection=DETECTION,
            min_cpm=min_cpm,
        )
        product = name in {"cd4", "cd8"}
        pdata.obs[k.obs.timepoint] = k.timepoints.infusion_product if product else k.timepoints.day7
        pdata.obs[k.obs.sex_inferred] = pdata.obs[k.obs.sex]
        out[name] = pdata[pdata.obs[k.obs.n_cells] >= MIN_CELLS].copy()
    return out


def write_profiles(folder: Path, profiles: dict[str, ad.AnnData]) -> None:
    """Write pseudobulk where the steps look for it, with the published rule's filter of genes."""
    whole = ad.concat(profiles, join="outer", fill_value=0, index_unique=" ")
    kept = pp.filter_genes(whole, method="cpm")
    for name, pdata in profiles.items():
        pdata.var[k.var.above_cpm] = kept.reindex(pdata.var_names).to_numpy(dtype=bool)
        path = folder / pseudobulk_artifact(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pdata.write_h5ad(path)


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


def _base(seed: int, folder: Path) -> Context:
    settings = Settings(out=folder, jobs=1, seed=seed)
    return Context(settings, annotating_before=annotating_before)


def genes(seed: int, folder: Path) -> tuple[Tables, Sizes]:
    """Return the tests of genes and gene sets of one null cohort, and the numbers of patients."""
    base = _base(seed, folder)
    contrasts = base.manifests.contrasts
    chosen = {c.id: c for c in contrasts.contrast if c.id in DE}
    profiles = draw_profiles(
        seed, populations=dict.fromkeys(c.population for c in chosen.values()), min_cpm=MIN_CPM
    )
    write_profiles(folder, profiles)
    given = {SAMPLES: sample_table()}
    tables = InMemory(base, tables=given, contrasts=chosen).run([STEPS["de"]])
    quick = {"gsea": {"collections": ("study",)}}
    sets = InMemory(base, tables=tables, contrasts=GSEA, preset=quick)
    tables |= sets.run([STEPS["gsea"], STEPS["gene_set_scores"]])
    ranked, sizes = [], {}
    for name, contrast in chosen.items():
        rows = rows_of(profiles[contrast.population], split(contrast, contrasts, given[SAMPLES]))
        in_group = (rows.obs["group"] == GROUP).to_numpy()
        sizes[name] = int(in_group.sum()), int((~in_group).sum())
        tested = tables["tables/de_recommended.csv"]
        found = tested.loc[tested["contrast"] == name, "gene"].unique()
        if not contrast.interaction:
            study = rows.obs[k.obs.study].astype(str).to_numpy()
            ranked.append(_rank_test(rows, found, (in_group, study), name=name))
    return {**tables, "rank.csv": pd.concat(ranked)}, sizes


def programs(seed: int, folder: Path) -> tuple[Tables, Sizes]:
    """Return the tests of gene sets where the genes of a set move together, as in patients."""
    base = _base(seed, folder)
    contrasts = base.manifests.contrasts
    chosen = next(c for c in contrasts.contrast if c.id == GSEA[0])
    profiles = draw_profiles(seed, populations=[str(chosen.population)], min_cpm=MIN_CPM)
    sets = io.read_gene_sets(base.manifests.file("gene_sets/study.gmt"))
    for pdata in profiles.values():
        rng = stream(seed, "programs")
        for genes_of in sets.values():
            at = np.flatnonzero(pdata.var_names.isin(genes_of))
            factor = np.exp(rng.normal(0, TOGETHER, pdata.n_obs))
            # molecules are taken away, so that counts stay counts
            kept = np.broadcast_to((factor / factor.max())[:, None], (pdata.n_obs, len(at)))
            pdata.X[:, at] = rng.binomial(pdata.X[:, at], kept)
        pdata.layers[k.layers.counts] = pdata.X.copy()
    write_profiles(folder, profiles)
    quick = {"gsea": {"collections": ("study",)}}
    # by its own patients alone: one fit is enough to rank the genes
    own = chosen.model_copy(update={"fit": None, "at": {}})
    run = InMemory(base, tables={SAMPLES: sample_table()}, contrasts=[own], preset=quick)
    made = run.run([STEPS["de"], STEPS["gsea"], STEPS["gene_set_scores"]])
    names = ("gsea", "gene_set_scores")
    return {f"programs_{name}.csv": made[f"tables/{name}.csv"] for name in names}, {}


def pairs(seed: int, folder: Path) -> tuple[Tables, Sizes]:
    """Return the tests of ligands and receptors of one null cohort."""
    base = _base(seed, folder)
    cells = stacked(draw_profiles(seed, populations=LR, min_cpm=5.0))
    chosen = [
        c.model_copy(update={"senders": SENDERS})
        for c in base.manifests.contrasts.by_analysis("ligrec")
    ]
    run = InMemory(
        base,
        tables={SAMPLES: sample_table()},
        contrasts=chosen,
        preset={"ligrec": {"min_cells": 1}},  # a profile stands for its cells
        cells=cells,
    )
    return run.run([STEPS["ligrec"]]), {}


def shares(seed: int, folder: Path) -> tuple[Tables, Sizes]:
    """Return the tests of compositions and cycling cells of one null cohort."""
    base = _base(seed, folder)
    drawn = dealt.draw(seed, cells=STUDY_CELLS, detection=DETECTION)
    return dealt.tables(drawn, base, samples=sample_table()), {}


def found(seed: int, folder: Path) -> tuple[Tables, Sizes]:
    """Return the tests of shares where every CAR T cell is found: the tests themselves."""
    base = _base(seed, folder)
    drawn = dealt.draw(seed, cells=STUDY_CELLS, detection=1.0)
    made = dealt.tables(drawn, base, samples=sample_table())
    names = ("tables/composition.csv", "tables/cycling.csv", "clr.csv", "propeller.csv")
    return {f"found_{name.removeprefix('tables/')}": made[name] for name in names}, {}


PARTS = {"genes": genes, "programs": programs, "pairs": pairs, "shares": shares, "found": found}


def _rank_test(
    rows: ad.AnnData, genes: np.ndarray, who: tuple[np.ndarray, np.ndarray], *, name: str
) -> pd.DataFrame:
    counts = np.asarray(rows.X, dtype=float)
    logs = np.log2((counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1) * 1e6)
    values = logs[:, rows.var_names.get_indexer(genes)]
    in_group, study = who
    within = stats.van_elteren(
        values[in_group], values[~in_group], strata=(study[in_group], study[~in_group])
    )
    return pd.DataFrame(
        {
            "contrast": name,
            "gene": genes,
            "n_group": within.n_x,
            "n_reference": within.n_y,
            "p_value": within.p_value,
            "min_p": within.min_p,
            "fdr": stats.benjamini_hochberg(within.p_value),
        }
    )
