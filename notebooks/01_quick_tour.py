# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. A quick tour on real blood cells
#
# From a count matrix to named cells, and to the question that cells alone cannot answer. The cells are 2,000 of the 2,700 of
# *3k PBMCs from a Healthy Donor* by 10x Genomics ([CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); see
# [data/README.md](data/README.md)): real data, one healthy donor, no CAR. No network is needed.
#
# cartscope works on [AnnData](https://anndata.readthedocs.io) objects and fits in with [scanpy](https://scanpy.readthedocs.io):
# functions that describe cells write columns into the object you give them, functions that compare patients return a table.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import cartscope as cs

plt.ion()  # each figure is shown below the cell that draws it
pd.options.display.max_colwidth = 150

# %% [markdown]
# ## Read
#
# `cs.io.read_10x` takes a matrix in any form 10x data come in: `.h5`, a triplet, an archive, a table. Raw counts stay integers, in
# `layers["counts"]`. **To use your own cells, change this path** and say which library and patient they are from.

# %%
adata = cs.io.read_10x("data/pbmc3k.h5")
adata.obs["sample"] = "pbmc3k"
adata.obs["patient"] = "donor"
adata

# %% [markdown]
# ## Which cells are sound?
#
# A cell fails when it has few genes, much mitochondrial or haemoglobin RNA, or lies far from the others of its library. Nothing is
# removed yet: each cell gets its reasons. Doublets are scored against simulated ones (the idea of
# [Scrublet](https://doi.org/10.1016/j.cels.2018.11.005)).

# %%
cs.pp.qc(adata, min_genes=200, max_pct_mito=15, mad=5)
cs.pp.doublets(adata)
adata.obs["qc_reason"].value_counts()

# %%
cs.pp.qc_table(adata).T

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for status, color in ((True, cs.pl.PALETTE[0]), (False, cs.pl.PALETTE[1])):
    cells = adata.obs[adata.obs["qc_pass"] == status]
    name = f"{'passed' if status else 'failed'} ({len(cells):,})"
    axes[0].scatter(cells["total_counts"], cells["pct_counts_mt"], s=3, color=color, label=name)
axes[0].set(xscale="log", xlabel="UMI per cell", ylabel="mitochondrial UMI (%)")
axes[0].legend(frameon=False)
axes[1].hist(adata.obs["doublet_score"].dropna(), bins=50, color=cs.pl.PALETTE[0])
axes[1].set(yscale="log", xlabel="doublet score", ylabel="cells");

# %%
adata = adata[cs.pp.kept_cells(adata)].copy()

# %% [markdown]
# ## Normalise, embed, cluster
#
# `X` becomes log1p of counts per 10,000; the counts stay beside it. With several libraries, `cs.pp.harmony(adata, "sample")` would
# come after the principal components ([notebook 2](02_geo_to_annotated_cells.ipynb)); here there is one.

# %%
cs.pp.normalize(adata)
cs.pp.variable_genes(adata, n_top=2000)
cs.pp.pca(adata, n_comps=50)
cs.pp.neighbors(adata, use_rep="X_pca", n_pcs=30)
cs.pp.umap(adata, init="X_pca")
cs.tl.leiden(adata, resolution=1.0)

# %% [markdown]
# ## What is each cell?
#
# A type is a list of markers that are up and of markers that are down. Those of the study stand in `annotation.toml`; any dictionary
# will do. A cluster gets a type only if its score is high enough **and** leads the next type; otherwise it stays "unassigned".
# Cells whose neighbourhood scores clearly better for another type take that one.

# %%
manifests = cs.manifest.manifest_dir()
annotation = cs.manifest.read_annotation(manifests / "annotation.toml")
# two types occur in infusion products only, and this is blood
markers = {name: m for name, m in annotation.markers().items() if not m["only_in"]}
cs.tl.annotate(adata, markers=markers)
pd.crosstab(adata.obs["leiden"], adata.obs["cell_type"])

# %%
# your own markers work the same way, and go to a column of their own
mine = {"T": ["CD3D", "CD3E"], "B": ["MS4A1", "CD79A"], "myeloid": ["LYZ", "CST3"], "NK": ["GNLY", "KLRF1"]}
cs.tl.annotate(adata, markers=mine, key_added="my_type")
pd.crosstab(adata.obs["cell_type"], adata.obs["my_type"])

# %% [markdown]
# Lists that short without "down" markers pull some NK cells over to the T cells, and T cells are told from NK cells by CD3 alone. The
# study's lists say which markers must be absent, too. A table like this one shows where two labellings part.

# %% [markdown]
# T cells are split into CD4 and CD8 and their subsets. CD45RA and CD45RO are isoforms of one gene that counts per gene cannot tell
# apart, so "naive" and "TEMRA" rest on other genes: a proxy, not a stain.

# %%
cs.tl.t_subsets(adata, markers=annotation.t_markers())
adata.obs.loc[adata.obs["cell_type"] == "T", "t_subset"].value_counts()

# %%
with cs.pl.style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    cs.pl.umap(adata, color="cell_type", ax=axes[0])
    t_cells = (adata.obs["cell_type"] == "T").to_numpy()
    cs.pl.umap(adata, color="t_subset", ax=axes[1], among=t_cells)

# %% [markdown]
# ## Who is dividing?
#
# Scores name a phase, but a score above 0 does not mean that a cell divides: half of all resting cells score above 0 in one of two
# noisy scores. `cycling` is therefore a call of its own, from the counts. In resting blood of a healthy donor it should be rare.

# %%
cycle = cs.io.read_gene_sets(manifests / "gene_sets" / "cell_cycle.gmt")
s_genes, g2m_genes = (next(genes for name, genes in cycle.items() if name.startswith(p)) for p in ("S", "G2M"))
cs.tl.cell_cycle(adata, s_genes=s_genes, g2m_genes=g2m_genes, aliases=annotation.aliases)
pd.Series(
    {
        "phase is not G1": (adata.obs["phase"] != "G1").mean(),
        "called cycling": adata.obs["cycling"].mean(),
    }
).map("{:.1%}".format)

# %% [markdown]
# ## Signatures
#
# A score is the mean expression of a set less that of control genes of like expression. The sets that come with cartscope are
# listed, with their licences, in `data_manifests/gene_sets/README.md`.

# %%
hallmark = cs.io.read_gene_sets(manifests / "gene_sets" / "hallmark.gmt")
cs.tl.signatures(adata, {"ifn_gamma": hallmark["HALLMARK_INTERFERON_GAMMA_RESPONSE"]})
scores = cs.tl.signature_table(adata, ["ifn_gamma"], by=["cell_type"], min_cells=20)
scores.sort_values("mean", ascending=False)

# %% [markdown]
# ## From cells to patients
#
# Cells of one donor are not independent: a comparison between groups has as many observations as there are **patients**. So counts
# are summed per patient and population, and tests take one row per patient.

# %%
pdata = cs.pp.pseudobulk(adata, by=["patient", "cell_type"], min_cells=25)
pdata.obs[["patient", "cell_type", "n_cells"]]

# %% [markdown]
# One donor compares with nobody. And few patients can show little, whatever the number of cells: the exact Mann-Whitney test has a
# smallest p that no data can beat, and after correction for many tests it grows.

# %%
rows = []
for n_group, n_reference in [(3, 3), (4, 6), (10, 6), (20, 20)]:
    floor = cs.stats.smallest_p(n_group, n_reference)
    rows.append(
        {
            "patients": f"{n_group} against {n_reference}",
            "smallest p": floor,
            "smallest q, best of 20 tests": cs.stats.smallest_q(floor, 20),
            "power for a shift of 1 SD": cs.stats.power(n_group, n_reference, effect=1.0),
            "shift found with 80% power (SD)": cs.stats.detectable_effect(n_group, n_reference),
        }
    )
limits = pd.DataFrame(rows).set_index("patients")
limits.round(6)

# %% [markdown]
# Four against six is what the anakinra arm of the study has. Keep that line in mind in [notebook 4](04_monocytes_and_ifn_gamma.ipynb).
#
# **Try:** set `max_pct_mito=5`, or `resolution=0.5`, and run the rest again. Which numbers move, and which do not?
