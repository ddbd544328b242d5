from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

TYPES = {
    "T": ["CD3D", "CD3E", "CD3G", "TRAC", "TRBC2", "CD2"],
    "NK": ["NKG7", "GNLY", "KLRD1", "KLRF1", "PRF1", "TYROBP", "FCER1G", "SPON2"],
    "B": ["CD79A", "MS4A1", "CD79B", "BANK1", "CD74"],
    "CD14 monocyte": ["CD14", "S100A8", "S100A9", "LYZ", "FCN1", "VCAN"],
}
S_GENES = [f"S{i}" for i in range(20)]
G2M_GENES = [f"G2M{i}" for i in range(20)]
CAR_RATE = 6e-4  # counts per count


@pytest.fixture(scope="session")
def planted():
    """Four cell types in three samples, cycling cells and CAR T cells; X_pca is the type."""
    from anndata import AnnData

    rng = np.random.default_rng(7)
    markers = [gene for genes in TYPES.values() for gene in genes]
    genes = [*markers, *S_GENES, *G2M_GENES, *[f"gene{i}" for i in range(400)], "yescarta"]
    index = {gene: i for i, gene in enumerate(genes)}
    parts, rows = [], []
    for sample, is_sorted, share, n in (
        ("blood", False, 0.3, 700),
        ("sorted", True, 0.97, 500),
        ("none", False, 0.0, 500),
    ):
        kinds = ["T"] * n if is_sorted else rng.choice(list(TYPES), n, p=[0.5, 0.15, 0.15, 0.2])
        for kind in kinds:
            rate = np.full(len(genes), 1.0)
            rate[: len(markers)] = 0.05
            rate[[index[gene] for gene in TYPES[kind]]] = 8.0
            rate[[index[gene] for gene in (*S_GENES, *G2M_GENES)]] = 0.3
            cycling = kind == "T" and rng.random() < 0.2
            phase = "G1"
            if cycling:
                phase = str(rng.choice(["S", "G2M"]))
                rate[[index[gene] for gene in (S_GENES if phase == "S" else G2M_GENES)]] = 3.0
            rate[-1] = 0.0
            car = kind == "T" and rng.random() < share
            if car:  # CAR T cells differ a little from other T cells
                rate[60:90] *= 1.8
            depth = rng.lognormal(np.log(2500), 0.4)
            counts = rng.poisson(rate / rate.sum() * depth)
            mean = depth * (CAR_RATE * rng.gamma(4, 0.25) if car else 2e-6)
            counts[-1] = rng.poisson(mean)
            parts.append(counts)
            rows.append((sample, is_sorted, kind, car, cycling, phase))
    columns = ["sample", "sorted", "truth", "true_car", "true_cycling", "true_phase"]
    obs = pd.DataFrame(rows, columns=columns, index=[f"c{i}" for i in range(len(rows))])
    obs["patient"], obs["timepoint"] = "p", "day7"
    counts = sparse.csr_matrix(np.array(parts, dtype=np.uint16))
    total = np.asarray(counts.sum(axis=1)).ravel()
    x = counts.astype(np.float32)
    x = sparse.diags((1e4 / total).astype(np.float32)) @ x
    x.data = np.log1p(x.data)
    adata = AnnData(x.tocsr(), obs=obs, var=pd.DataFrame(index=genes), layers={"counts": counts})
    dense = x.toarray()[:, :-1]
    dense -= dense.mean(axis=0)
    u, s, _ = np.linalg.svd(dense, full_matrices=False)
    adata.obsm["X_pca"] = (u * s)[:, :10]
    adata.obs["leiden"] = obs["truth"].map({t: str(i) for i, t in enumerate(TYPES)}).to_numpy()
    return adata


@pytest.fixture
def cells(planted):
    """A fresh copy of the planted cells, with cell types."""
    adata = planted.copy()
    adata.obs["cell_type"] = pd.Categorical(adata.obs["truth"])
    return adata


def read_seurat(folder, name):
    return pd.read_csv(folder / name, index_col=0)


@pytest.fixture(scope="session")
def kang(reference):
    """Real PBMC, normalised in double precision, restricted to the cells that Seurat scored."""
    import anndata as ad

    folder = reference / "kang2k"
    adata = ad.read_h5ad(folder / "kang_pbmc_2000cells_with_donor.h5ad")
    adata.layers["counts"] = adata.X.astype(np.int32)
    adata.X = normalized(adata.X)
    scores = read_seurat(folder / "seurat", "seurat_scores.csv.gz")
    bins = read_seurat(folder / "seurat", "seurat_gene_bins.csv.gz")
    controls = json.loads((folder / "seurat" / "seurat_cc_controls.json").read_text())
    return adata, scores, bins, controls


@pytest.fixture(scope="session")
def pbmc3k(reference):
    """10x PBMC, normalised in double precision, with Seurat's scores."""
    from anndata import AnnData
    from scipy.io import mmread

    folder = reference / "pbmc3k"
    counts = mmread(folder / "counts_genes_x_cells.mtx.gz").T.tocsr()
    names = [pd.read_csv(folder / f, header=None)[0].astype(str) for f in ("cells.txt.gz",)]
    genes = pd.read_csv(folder / "genes.txt.gz", header=None)[0].astype(str)
    adata = AnnData(
        normalized(counts), obs=pd.DataFrame(index=names[0]), var=pd.DataFrame(index=genes)
    )
    adata.layers["counts"] = counts.astype(np.int32)
    controls = json.loads((folder / "seurat_cc_controls.json").read_text())
    scores = read_seurat(folder, "seurat_scores.csv.gz")
    return adata, scores, read_seurat(folder, "seurat_gene_bins.csv.gz"), controls


def normalized(counts):
    x = sparse.csr_matrix(counts, dtype=np.float64)
    x = sparse.diags(1e4 / np.asarray(x.sum(axis=1)).ravel()) @ x
    x.data = np.log1p(x.data)
    return x.tocsr()


@pytest.fixture(scope="session")
def carpall(reference):
    """Real CAR T samples of two patients, CAR-sorted and not, with cell types; no sort flag."""
    import anndata as ad

    import cartscope as cs

    folder = reference / "carpall"
    author = pd.read_csv(folder / "author_car_t_cells.tsv", sep="\t")
    author = set(author["CellID"][author["CARTcell"] == "YES"])
    parts = []
    for sample in ("CAR-T10310323", "CAR-T10310325", "CAR-T10484041", "CAR-T10484042"):
        part = cs.io.read_10x(folder / f"{sample}.filtered_feature_bc_matrix.h5")
        part.obs_names = [f"{sample}_{barcode}" for barcode in part.obs_names]
        part.obs["sample"] = sample
        parts.append(part)
    adata = ad.concat(parts, merge="first")
    adata.obs["author"] = adata.obs_names.isin(author)
    adata = adata[adata.layers["counts"].getnnz(axis=1) >= 200].copy()
    cs.pp.normalize(adata)
    exclude = ["TR[ABGD]V.*", "IG[HKL]V.*", "CAT_scFv", "XIST", "RPS4Y1"]
    cs.pp.variable_genes(adata, n_top=2000, exclude=exclude)
    cs.pp.pca(adata, n_comps=30)
    cs.pp.neighbors(adata, use_rep="X_pca")
    cs.tl.leiden(adata)
    manifest = cs.manifest.read_annotation(cs.manifest.manifest_dir() / "annotation.toml")
    cs.tl.annotate(adata, markers=manifest.markers())
    return adata
