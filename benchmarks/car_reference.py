"""CAR calls on real libraries of CAR T cells, sorted and not, and on mixtures made from them.

    python benchmarks/car_reference.py --reference DIR --out car_reference.csv

DIR holds ``carpall/`` (libraries of another trial; never redistributed). Two questions, and every
rule answers without seeing which library was sorted:

libraries   the authors call every T cell of a CAR-sorted library a CAR T cell: how many are found?
            And how many cells are called in unsorted blood, where hardly any is expected?
mixtures    cells of a sorted library with at least two CAR counts, thinned to a share of their
            reads, put into the unsorted blood of the same patient: recall, false calls, precision,
            Brier score, and the summed probability over the true number.

What this cannot show: the two libraries of a patient differ in more than the CAR (day, depth,
ambient), so similarity between cells is easier to use here than within one library; and cells
picked for two CAR counts express more CAR than most.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

import cartscope as cs
from cartscope import _keys as k

FEATURE = "CAT_scFv"
PAIRS = {"P10": ("CAR-T10310323", "CAR-T10310325"), "P11": ("CAR-T10484041", "CAR-T10484042")}
RULES = {
    "published": {"rule": "published"},
    "recommended, counts alone": {"rule": "recommended", "settings": {"use_rep": None}},
    "recommended": {"rule": "recommended"},
}
EXCLUDE = ["TR[ABGD]V.*", "IG[HKL]V.*", FEATURE, "XIST", "RPS4Y1"]


def read_libraries(folder: Path) -> ad.AnnData:
    author = pd.read_csv(folder / "author_car_t_cells.tsv", sep="\t")
    author = set(author["CellID"][author["CARTcell"] == "YES"])
    parts = []
    for patient, samples in PAIRS.items():
        for sample in samples:
            part = cs.io.read_10x(folder / f"{sample}.filtered_feature_bc_matrix.h5")
            part.obs_names = [f"{sample}_{barcode}" for barcode in part.obs_names]
            part.obs[k.obs.sample], part.obs[k.obs.patient] = sample, patient
            parts.append(part)
    adata = ad.concat(parts, merge="first")
    adata.obs["author"] = adata.obs_names.isin(author)
    return prepare(adata)


def prepare(adata: ad.AnnData) -> ad.AnnData:
    adata = adata[adata.layers[k.layers.counts].getnnz(axis=1) >= 200].copy()
    cs.pp.normalize(adata)
    cs.pp.variable_genes(adata, n_top=2000, exclude=EXCLUDE)
    cs.pp.pca(adata, n_comps=40)
    cs.pp.neighbors(adata, use_rep=k.obsm.pca)
    cs.tl.leiden(adata)
    manifest = cs.manifest.read_annotation(cs.manifest.manifest_dir() / "annotation.toml")
    cs.tl.annotate(adata, markers=manifest.markers())
    return adata


def mixture(
    adata: ad.AnnData, patient: str, *, thinning: float, share: float, seed: int
) -> ad.AnnData:
    """Put thinned CAR T cells of a patient's sorted library into the patient's unsorted blood."""
    rng = np.random.default_rng([seed, round(thinning * 100), round(share * 1000)])
    sorted_library, blood_library = PAIRS[patient]
    counts = adata.layers[k.layers.counts]
    car = counts[:, adata.var_names.get_loc(FEATURE)].toarray().ravel()
    sample = adata.obs[k.obs.sample].to_numpy()
    blood = np.flatnonzero((sample == blood_library) & (car == 0))
    donors = np.flatnonzero((sample == sorted_library) & (car >= 2) & adata.obs["author"])
    n = min(round(share / (1 - share) * len(blood)), len(donors))
    blood = rng.choice(blood, min(len(blood), round(n * (1 - share) / share)), replace=False)
    donors = rng.choice(donors, n, replace=False)
    thin = counts[donors].tocsr(copy=True)
    thin.data = rng.binomial(thin.data, thinning).astype(thin.dtype)
    thin.eliminate_zeros()
    obs = pd.DataFrame({"truth": np.repeat([False, True], [len(blood), n])})
    obs.index = [f"m{i}" for i in range(len(obs))]
    obs[k.obs.sample] = "mixture"
    both = sparse.vstack([counts[blood], thin]).tocsr()
    mixed = ad.AnnData(obs=obs, var=adata.var[[]], layers={k.layers.counts: both})
    return prepare(mixed)


def judge(adata: ad.AnnData, truth: np.ndarray) -> dict[str, float]:
    called = (adata.obs[k.obs.car_status] == k.car.positive).to_numpy()
    p = adata.obs[k.obs.car_probability].fillna(0).to_numpy()
    n_true = max(int(truth.sum()), 1)
    return {
        "n_cells": len(truth),
        "n_true": int(truth.sum()),
        "recall": called[truth].mean() if truth.any() else np.nan,
        "false_calls": int((called & ~truth).sum()),
        "precision": truth[called].mean() if called.any() else np.nan,
        "brier": float(((p - truth) ** 2).mean()),
        "summed_probability": float(p.sum() / n_true) if truth.any() else np.nan,
    }


def calibration(p: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    bins = pd.cut(p, [-0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
    table = pd.DataFrame({"said": p, "true": truth.astype(float)}).groupby(bins, observed=True)
    return table.mean().assign(n=table.size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("car_reference.csv"))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    adata = read_libraries(options.reference / "carpall")
    rows, said, true = [], [], []
    author = adata.obs["author"].to_numpy()
    for rule, how in RULES.items():
        cs.tl.car_status(adata, features=[FEATURE], **how)
        for patient, pair in PAIRS.items():
            for kind, sample in zip(("sorted", "unsorted"), pair, strict=True):
                here = (adata.obs[k.obs.sample] == sample).to_numpy()
                row = judge(adata[here], author[here])
                if kind == "sorted":  # the authors judged only the cells that passed their QC
                    row |= dict.fromkeys(["false_calls", "precision", "brier"], np.nan)
                    row["summed_probability"] = np.nan
                rows.append(
                    {"data": "library", "patient": patient, "what": kind, "rule": rule} | row
                )
    grid = itertools.product(PAIRS, (0.1, 0.4, 0.8), (0.01, 0.05, 0.2, 0.5), range(options.seeds))
    for patient, thinning, share, seed in grid:
        mixed = mixture(adata, patient, thinning=thinning, share=share, seed=seed)
        truth = mixed.obs["truth"].to_numpy()
        for rule, how in RULES.items():
            cs.tl.car_status(mixed, features=[FEATURE], **how)
            what = f"{share:.0%} CAR T cells, {thinning:.0%} of reads, seed {seed}"
            row = {"data": "mixture", "patient": patient, "what": what, "rule": rule}
            rows.append(row | judge(mixed, truth))
        said.append(mixed.obs[k.obs.car_probability].fillna(0).to_numpy())
        true.append(truth)
    table = pd.DataFrame(rows)
    table.to_csv(options.out, index=False)
    print(table.round(3).to_string(index=False))
    means = table[table["data"] == "mixture"].groupby("rule")
    print("\nmixtures, mean over all")
    print(means[["recall", "false_calls", "precision", "brier"]].mean().round(4).to_string())
    print("\ncalibration of the recommended rule, all mixtures")
    print(calibration(np.concatenate(said), np.concatenate(true)).round(3).to_string())


if __name__ == "__main__":
    main()
