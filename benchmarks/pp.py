"""CPU seconds and peak memory of every step from counts to clusters, on SIMULATED counts.

usage: python benchmarks/pp.py [--cells 40000] [--genes 22000] [--samples 8] [--jobs 1]
                               [--out pp.jsonl] [--cold]

The counts have 12 planted types in several libraries with a library effect, and about 1,860 genes
per cell. Prints one JSON line per step: CPU seconds of the process, wall seconds, peak GB of the
process during the step, and what came of it. Steps compile on their first use; a small run before
the clock starts takes that out (with --cold, it stays in).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numba import njit
from scipy import sparse

import cartscope as cs

N_TYPES = 12


@njit
def _draw(cumulative, totals, kinds, rng):
    n_genes = cumulative.shape[1]
    indptr = np.zeros(totals.size + 1, np.int32)
    work = np.zeros(n_genes, np.int32)
    indices = np.empty(totals.sum(), np.int32)
    data = np.empty(indices.size, np.uint16)
    at = 0
    for i in range(totals.size):
        row = cumulative[kinds[i]]
        for _ in range(totals[i]):
            work[np.searchsorted(row, rng.random())] += 1
        for g in range(n_genes):
            if work[g]:
                indices[at], data[at] = g, min(work[g], 65_535)
                work[g] = 0
                at += 1
        indptr[i + 1] = at
    return data[:at].copy(), indices[:at].copy(), indptr


def simulate(n_cells: int, n_genes: int, n_samples: int, seed: int = 0) -> ad.AnnData:
    """Cells of 12 types; 30 markers a type, and a library effect on every gene."""
    rng = np.random.default_rng(seed)
    base = rng.gamma(0.35, 1.0, n_genes)
    profile = np.tile(base, (N_TYPES, 1))
    for kind in range(N_TYPES):
        markers = rng.choice(n_genes, 150, replace=False)
        profile[kind, markers] *= rng.lognormal(1.5, 0.7, markers.size)
    sample = np.sort(rng.integers(0, n_samples, n_cells))
    kind = rng.choice(N_TYPES, n_cells, p=rng.dirichlet(np.full(N_TYPES, 3.0)))
    parts = []
    for own in range(n_samples):
        shifted = profile * rng.lognormal(0, 0.25, n_genes)
        cumulative = np.cumsum(shifted / shifted.sum(axis=1, keepdims=True), axis=1)
        cumulative[:, -1] = 1.0
        rows = np.flatnonzero(sample == own)
        totals = rng.lognormal(7.72, 0.35, rows.size).astype(np.int64)
        data, indices, indptr = _draw(cumulative, totals, kind[rows], rng)
        parts.append(sparse.csr_matrix((data, indices, indptr), shape=(rows.size, n_genes)))
    counts = sparse.vstack(parts, format="csr")
    names = [f"GENE{i}" for i in range(n_genes)]
    names[:2] = ["MT-CO1", "HBB"]
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical([f"s{s:02d}" for s in sample]),
            "patient": pd.Categorical([f"p{s // 2:02d}" for s in sample]),
            "kind": pd.Categorical([f"type{t:02d}" for t in kind]),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=names))
    adata.layers["counts"] = counts
    return adata


def peak_gb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    return float("nan")


def run(adata: ad.AnnData, jobs: int, write) -> None:
    @contextmanager
    def step(name: str):
        Path("/proc/self/clear_refs").write_text("5")
        cpu, wall, result = time.process_time(), time.perf_counter(), {}
        yield result
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        used = {"cpu": round(cpu, 2), "wall": round(wall, 2), "gb": round(peak_gb(), 2)}
        write({"step": name, "cells": adata.n_obs} | used | result)

    few = {"n_jobs": jobs}
    with step("qc") as r:
        cs.pp.qc(adata, mad=5)
        r["kept"] = int(cs.pp.kept_cells(adata).sum())
    with step("doublets") as r:
        cs.pp.doublets(adata, **few)
        r["called"] = int(adata.obs["predicted_doublet"].sum())
    with step("normalize"):
        cs.pp.normalize(adata)
    with step("variable_genes"):
        cs.pp.variable_genes(adata, n_top=min(2000, adata.n_vars // 2), **few)
    with step("pca"):
        cs.pp.pca(adata, regress=["total_counts", "pct_counts_mt"], **few)
    with step("harmony"):
        cs.pp.harmony(adata, "sample", **few)
    with step("neighbors") as r:
        cs.pp.neighbors(adata, **few)
        r["recall"] = recall(adata)
    with step("leiden") as r:
        cs.tl.leiden(adata)
        from sklearn.metrics import adjusted_rand_score

        r["clusters"] = int(adata.obs["leiden"].nunique())
        r["ari"] = round(adjusted_rand_score(adata.obs["kind"], adata.obs["leiden"]), 3)
    with step("umap"):
        cs.pp.umap(adata)
    with step("pseudobulk") as r:
        r["rows"] = cs.pp.pseudobulk(adata, by=["kind", "sample"]).n_obs


def recall(adata: ad.AnnData, n_checked: int = 500) -> float:
    """Share of the true neighbors of some cells that were found."""
    points = adata.obsm["X_pca_harmony"].astype(np.float64)
    rows = np.linspace(0, adata.n_obs - 1, n_checked).astype(int)
    found = adata.obsp["distances"]
    k = found[rows[0]].nnz
    hits = 0
    for row in rows:
        distance = np.linalg.norm(points - points[row], axis=1)
        distance[row] = np.inf
        hits += np.isin(np.argpartition(distance, k)[:k], found[row].indices).sum()
    return round(hits / (k * n_checked), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=40_000)
    parser.add_argument("--genes", type=int, default=22_000)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()

    def write(row: dict) -> None:
        line = json.dumps(row)
        print(line, flush=True)
        if given.out:
            with given.out.open("a") as file:
                file.write(line + "\n")

    if not given.cold:
        run(simulate(1500, 400, 2), given.jobs, lambda _: None)
    adata = simulate(given.cells, given.genes, given.samples)
    nnz = adata.layers["counts"].nnz
    write({"step": "simulate", "nnz_per_cell": round(nnz / adata.n_obs), "cores": os.cpu_count()})
    run(adata, given.jobs, write)


if __name__ == "__main__":
    main()
