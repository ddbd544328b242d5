"""Derive the simulator's expression table from public blood data.

    python benchmarks/simulate_profiles.py REFERENCE OUT.csv.gz

REFERENCE holds ``pbmc3k`` (10x Genomics, CC BY 4.0), ``kang2k`` (GEO GSE96583, of which only
aggregates enter) and ``genes/GRCh38-2020-A.tsv.gz``. The table has a row per gene of GRCh38-2020-A:

* a column per blood cell type: mean expression in counts per million, rare types shrunk towards
  the mean of all cells, genes that nothing was seen of given a share of the unseen mass
  (Good-Turing) of pbmc3k;
* ``dispersion``: negative-binomial dispersion between cells of one type (moments, median of types);
* ``donor_sd``: standard deviation of log expression between donors (kang2k, unstimulated);
* ``ifn``: log2 change of CD14 monocytes under interferon beta (kang2k).
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

# symbols of the annotation pbmc3k was counted with, and what GRCh38-2020-A calls the same gene
RENAMED = {
    "GNB2L1": "RACK1", "GLTSCR2": "NOP53", "ATP5G2": "ATP5MC2", "TMEM66": "SARAF",
    "ATP5E": "ATP5F1E", "ATP5L": "ATP5MG", "GPX1": "GPX1", "C19orf43": "TRIR",
    "C6orf48": "SNHG32", "UQCR11.1": "UQCR11", "ATP5D": "ATP5F1D", "AES": "TLE5",
    "RARRES3": "PLAAT4", "TCEB2": "ELOB", "ATP5O": "ATP5PO", "C11orf31": "SELENOH",
    "ATP5G3": "ATP5MC3", "ATP5A1": "ATP5F1A", "ATP5B": "ATP5F1B", "C10orf54": "VSIR",
    "FYB": "FYB1", "NDUFB8.1": "NDUFB8", "NHP2L1": "SNU13", "ATP5H": "ATP5PD",
    "ATP5F1": "ATP5PB", "SEPT7": "SEPTIN7", "LINC00936": "ATP2B1-AS1", "SEPT9": "SEPTIN9",
    "ATP5J2": "ATP5MF", "CCDC109B": "MCUB", "ATP5C1": "ATP5F1C", "C14orf166": "RTRAF",
    "C20orf24": "RAB5IF", "ATPIF1": "ATP5IF1", "FAM26F": "CALHM6", "AMICA1": "JAML",
    "TMBIM4.1": "TMBIM4", "FAM65B": "RIPOR2", "ATP5J": "ATP5PF", "SELT": "SELENOT",
    "ATP5I": "ATP5ME", "HN1": "JPT1", "SEP15": "SELENOF", "FAM96B": "CIAO2B",
    "SELK": "SELENOK", "MINOS1": "MICOS10", "C9orf142": "PAXX", "SEPW1": "SELENOW",
    "PSMA2.1": "PSMA2", "CD97": "ADGRE5", "SEPT1": "SEPTIN1", "C19orf10": "MYDGF",
    "MYEOV2": "COPS9", "C19orf70": "MICOS13", "FAIM3": "FCMR", "HMHA1": "ARHGAP45",
    "RTFDC1": "RTF2", "MRP63": "MRPL57", "SEPT6": "SEPTIN6", "ATP5G1": "ATP5MC1",
    "SHFM1": "SEM1", "SF3B14": "SF3B6", "LINC00493": "SMIM26", "C1orf63": "RSRP1",
    "USMG5": "ATP5MD", "C14orf2": "ATP5MPL", "NDNL2": "NSMCE3", "C19orf66": "SHFL",
    "IL8": "CXCL8", "WBSCR22": "BUD23", "VIMP": "SELENOS", "UFD1L": "UFD1", "SQRDL": "SQOR",
    "IGJ": "JCHAIN", "NAPRT1": "NAPRT", "TCEB1": "ELOC", "C10orf32": "BORCS7",
    "ASNA1": "GET3", "STRA13": "CENPX", "FAM96A": "CIAO2A", "CECR1": "ADA2",
    "APOA1BP": "NAXE", "NGFRAP1": "BEX3", "LINC00152": "CYTOR", "ADRBK1": "GRK2",
    "SELM": "SELENOM", "MGEA5": "OGA", "WHSC1L1": "NSD3", "PQLC3": "SLC66A3", "SEPT2": "SEPTIN2",
}  # fmt: skip
TYPES = ["CD4 naive", "CD4 memory", "CD8 effector", "NK", "B", "CD14", "CD16", "cDC", "platelet"]
SHRINK_UMI = 15_000  # pseudo-counts of the overall profile in every type: matters for rare ones


def label_clusters(counts: sp.csr_matrix, genes: np.ndarray) -> np.ndarray:
    """Name the blood cell types of pbmc3k by their markers' cluster means."""
    import anndata as ad
    import scanpy as sc

    adata = ad.AnnData(counts.astype(np.float32))
    adata.var_names = genes
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=2000)
    small = adata[:, adata.var["highly_variable"].to_numpy()].copy()
    sc.pp.scale(small, max_value=10)
    sc.pp.pca(small, n_comps=20, random_state=0)
    sc.pp.neighbors(small, n_neighbors=12, random_state=0)
    sc.tl.leiden(small, resolution=1.6, flavor="igraph", n_iterations=-1, random_state=0)
    labels = np.full(adata.n_obs, "", dtype=object)
    for cluster in small.obs["leiden"].cat.categories:
        inside = (small.obs["leiden"] == cluster).to_numpy()
        rows = adata[inside]

        def mean(gene: str, rows: ad.AnnData = rows) -> float:
            return float(rows[:, gene].X.mean())

        if mean("PPBP") > 3:
            name = "platelet"
        elif mean("MS4A1") > 1:
            name = "B"
        elif mean("FCER1A") > 1:
            name = "cDC"
        elif mean("LYZ") > 2.5:
            name = "CD16" if mean("FCGR3A") > 1.5 else "CD14"
        elif mean("NKG7") > 2 and mean("CD3D") < 1:
            name = "NK"
        elif mean("CD3D") > 1.5:
            if mean("NKG7") > 1.5:
                name = "CD8 effector"
            else:
                name = "CD4 naive" if mean("S100A4") < 2.15 else "CD4 memory"
        else:
            name = ""
        labels[inside] = name
    return labels


def trimmed(counts: sp.csr_matrix, share: float = 0.005) -> sp.csr_matrix:
    """Lower each gene's largest counts (half a percent of cells, at least 2) to the next one.

    pbmc3k has genes with a count of 50 in one cell and of 0 to 3 everywhere else, an artefact of
    its early chemistry that would be most of their variance.
    """
    top = max(2, round(share * counts.shape[0]))
    columns = counts.tocsc(copy=True)
    for j in range(columns.shape[1]):
        part = slice(columns.indptr[j], columns.indptr[j + 1])
        values = columns.data[part]
        limit = np.sort(values)[-top - 1] if len(values) > top else 1
        columns.data[part] = np.minimum(values, max(limit, 1))
    return columns.tocsr()


def moments_dispersion(counts: sp.csr_matrix, labels: np.ndarray) -> np.ndarray:
    """Median over types of (variance - mean) / mean^2, at the cells' own depth."""
    depth = np.asarray(counts.sum(1)).ravel()
    out = []
    for name in ("CD4 naive", "CD4 memory", "CD8 effector", "CD14", "B"):
        rows = labels == name
        size = depth[rows] / np.median(depth[rows])
        block = sp.diags(1 / size) @ trimmed(counts[rows])
        mean = np.asarray(block.mean(0)).ravel()
        square = np.asarray(block.multiply(block).mean(0)).ravel()
        poisson = mean * np.mean(1 / size)
        with np.errstate(divide="ignore", invalid="ignore"):
            phi = (square - mean**2 - poisson) / mean**2
        phi[mean < 0.1] = np.nan
        out.append(phi)
    with np.errstate(all="ignore"):
        return np.nanmedian(np.array(out), axis=0)


def donor_spread(path: Path) -> tuple[pd.Series, pd.Series]:
    """Donor-to-donor standard deviation of log expression, and interferon's log2 change."""
    import anndata as ad

    adata = ad.read_h5ad(path)
    mono = adata[adata.obs["derived_cell_type"] == "CD14+ Monocytes"]
    x = sp.csr_matrix(mono.X)
    stim = (mono.obs["condition"] == "stim").to_numpy()
    ctrl = np.asarray(x[~stim].sum(0)).ravel().astype(float)
    plus = np.asarray(x[stim].sum(0)).ravel().astype(float)
    prior = 30e-6  # of all counts: keeps rare genes from large changes
    change = np.log2((plus / plus.sum() + prior) / (ctrl / ctrl.sum() + prior))
    spreads = []
    for cell_type in ("CD14+ Monocytes", "CD4 T cells"):
        part = adata[(adata.obs["derived_cell_type"] == cell_type)]
        part = part[part.obs["condition"] == "ctrl"]
        y = sp.csr_matrix(part.X)
        donors = part.obs["donor"].astype(str).to_numpy()
        keep = [d for d in np.unique(donors) if (donors == d).sum() >= 15]
        sums = np.array([np.asarray(y[donors == d].sum(0)).ravel() for d in keep], dtype=float)
        size = sums.sum(1) / sums.sum(1).mean()
        scaled = sums / size[:, None]
        mean = scaled.mean(0)
        extra = scaled.var(0, ddof=1) - mean * np.mean(1 / size)
        with np.errstate(divide="ignore", invalid="ignore"):
            cv2 = np.where(mean > 5, extra / mean**2, np.nan)
        spreads.append(cv2)
    with np.errstate(all="ignore"):
        both = np.nanmean(np.array(spreads), axis=0)
    sd = np.sqrt(np.log1p(np.clip(both, 0, None)))
    return pd.Series(sd, adata.var_names), pd.Series(change, adata.var_names)


def main(reference: Path, out: Path) -> None:
    counts = sp.csr_matrix(
        scipy.io.mmread(reference / "pbmc3k" / "counts_genes_x_cells.mtx.gz").T.tocsr()
    )
    genes = pd.read_csv(reference / "pbmc3k" / "genes.txt.gz", header=None)[0].to_numpy()
    labels = label_clusters(counts, genes)
    print(pd.Series(labels).value_counts().to_string())
    table = pd.read_csv(
        reference / "genes" / "GRCh38-2020-A.tsv.gz",
        sep="\t",
        header=None,
        names=["gene_id", "symbol"],
    )
    named = pd.Series(genes).map(lambda g: RENAMED.get(g, g)).to_numpy()
    first = table.drop_duplicates("symbol").reset_index().set_index("symbol")["index"]
    known = pd.Index(first.index).get_indexer(named)
    position = np.where(known >= 0, first.to_numpy()[known], -1)
    print(f"mapped {np.mean(position >= 0):.3f} of genes")

    total = np.asarray(counts.sum(0)).ravel().astype(float)
    # pbmc3k comes without genes of fewer than 3 cells, so the mass of what it never saw is set
    # above Good-Turing's bound from the genes of exactly 3 cells
    thin = np.sum(np.asarray((counts > 0).sum(0)).ravel() <= 3) / total.sum()
    unseen_mass = max(thin, 1e-3)
    overall = np.zeros(len(table))
    np.add.at(overall, position[position >= 0], total[position >= 0])
    overall /= overall.sum()
    empty = overall == 0
    # what was never seen gets equal odds, spread over a log-normal so that no two genes are alike
    rng = np.random.default_rng(20200)
    weight = np.exp(rng.normal(0, 1.5, empty.sum()))
    overall[empty] = unseen_mass * weight / weight.sum()
    overall /= overall.sum()
    for name in TYPES:
        sums = np.asarray(counts[labels == name].sum(0)).ravel().astype(float)
        own = np.zeros(len(table))
        np.add.at(own, position[position >= 0], sums[position >= 0])
        own += SHRINK_UMI * overall
        own /= own.sum()
        own[empty] = overall[empty]
        table[name] = own / own.sum() * 1e6

    phi = np.full(len(table), np.nan)
    found = moments_dispersion(counts, labels)
    phi[position[position >= 0]] = found[position >= 0]
    table["dispersion"] = phi
    sd, change = donor_spread(reference / "kang2k" / "kang_pbmc_2000cells_with_donor.h5ad")
    sd.index = change.index = [RENAMED.get(g, g) for g in sd.index]
    table["donor_sd"] = table["symbol"].map(sd[~sd.index.duplicated()])
    table["ifn"] = table["symbol"].map(change[~change.index.duplicated()]).fillna(0.0)
    print(table[["dispersion", "donor_sd"]].describe().to_string())
    for name in TYPES:
        table[name] = table[name].map(lambda v: f"{v:.3g}")
    for name in ("dispersion", "donor_sd", "ifn"):
        table[name] = table[name].map(lambda v: "" if np.isnan(v) else f"{v:.2g}")
    text = table.to_csv(index=False).encode()
    with out.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as handle:
        handle.write(text)
    print(out.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
