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
# # 2. From GEO's files to annotated cells
#
# The study's cells are in two GEO series: [GSE246490](https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE246490) (with anakinra,
# and four patients without) and [GSE197268](https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE197268)
# (comparator, [Haradhvala et al. 2022](https://doi.org/10.1038/s41591-022-01959-0)). They are gigabytes, so this notebook runs on a
# small **SIMULATED** study that lies on disk just as GEO's files would. Every step below is the same for the real ones.
#
# **With the real data** change the next cell only:
#
# 1. `cartscope geo get GSE246490 GSE197268 --dest data` on the command line (resumable; about 3 GB for the comparator alone);
# 2. `simulated = False` and `root = Path("data")`;
# 3. `grades = Path("grades.csv")` with the columns `patient, crs_grade, nt_grade, scale`, from the paper's supplement; or `None`.
#
# The whole cohort has some 206,000 cells. For that, `cartscope reproduce --data geo` does the same steps with bounded memory.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import cartscope as cs

plt.ion()  # each figure is shown below the cell that draws it
pd.options.display.max_colwidth = 150

simulated = True
if simulated:
    scratch = tempfile.TemporaryDirectory()
    root = Path(scratch.name)
    cs.simulate.simulate(root, cells=6000, seed=1, n_jobs=2)
    grades = root / "grades.csv"
else:
    root, grades = Path("data"), None

mark = "SIMULATED" if simulated else ""

# %% [markdown]
# ## What is on disk?
#
# Each series has a SOFT file (titles and characteristics of the samples) and a `RAW.tar` with the matrices.

# %%
files = sorted(p for p in (root / "geo").rglob("*") if p.is_file())
pd.DataFrame({"file": [p.relative_to(root).as_posix() for p in files], "MB": [p.stat().st_size / 1e6 for p in files]}).round(2)

# %% [markdown]
# ## Which sample is which?
#
# A manifest per series says how a title is read: patient, time point, sorted for the CAR or not. Titles of the new series had not
# been seen when its manifest was written, so its patterns are marked `unconfirmed`. **A sample that fits no pattern is listed, never
# guessed.** `cs.geo.inspect` shows every file and what it was read as; look at it before anything else.

# %%
manifests = cs.manifest.manifest_dir()
cohort = cs.manifest.read_cohort_manifest(manifests / "cohort.toml")
series = [cs.manifest.read_geo_series(manifests / f"{name}.toml") for name in cohort.series]
found = cs.geo.inspect(root, series[0])
found[["member", "sample_id", "status", "reason"]].head()

# %%
indexed = cs.geo.index(root, series)
indexed.left_out[["title", "status", "reason"]]

# %% [markdown]
# Something wrong or missing? Give the rows that you know better as a table: `cs.geo.index(root, series, samples="samples.csv")`.
# Empty cells leave what was read.

# %%
samples = indexed.samples
overview = samples.groupby(["study", "anakinra", "timepoint", "sorted"], as_index=False)
overview.agg(libraries=("sample_id", "size"), patients=("patient", "nunique"))

# %% [markdown]
# ## Grades
#
# Toxicity grades of single patients are in a supplement, not in cartscope. Without them everything but the comparisons of grades
# runs. With them, look at once at **who is in which group**: the four untreated patients of the new study are all of low grade, so
# nothing can tell an anakinra-by-CRS difference from a study-by-CRS one ([notebook 4](04_monocytes_and_ifn_gamma.ipynb)).

# %%
if grades is not None:
    samples = cs.io.apply_grades(samples, cs.io.read_grades(grades))
known = samples.dropna(subset="crs_grade").drop_duplicates("patient")
high = (known["crs_grade"] >= 2).map({True: "CRS grade >= 2", False: "CRS grade <= 1"})
cells_of_design = pd.crosstab([known["study"], known["anakinra"]], high)
cells_of_design

# %% [markdown]
# ## Read the counts
#
# Libraries are read straight out of the archives and joined by Ensembl id. A gene that some library lacks is dropped and counted; a
# CAR transcript never is. `cs.io.validate` holds the result to its contract.

# %%
adata = cs.io.read_cohort(samples, base=root, n_jobs=2)
cs.io.validate(adata)
adata

# %% [markdown]
# ## Sound cells
#
# Infusion products are nearly all T cells, and a doublet of two T cells does not look like a doublet: they are not scored, and the
# table says so.

# %%
cs.pp.qc(adata, min_genes=200, max_pct_mito=15, max_hbb=5, mad=5)
product = adata.obs["timepoint"] == "infusion_product"
skip = dict.fromkeys(adata.obs.loc[product, "sample"].unique(), "an infusion product: nearly all T cells")
cs.pp.doublets(adata, skip=skip, n_jobs=2)
libraries = cs.pp.qc_table(adata, min_cells=10)
libraries[["sample", "n_cells", "n_kept", "median_counts", "n_doublets", "verdict"]].sort_values("n_kept").head()

# %%
cs.pp.dropped_table(adata).head()

# %%
failed = libraries.loc[libraries["verdict"] == "failed library", "sample"]
adata = adata[cs.pp.kept_cells(adata) & ~adata.obs["sample"].isin(failed)].copy()

# %% [markdown]
# ## One map of all libraries
#
# Genes that would sort cells by patient or by product, not by type, are kept out of the embedding: sex genes, the CAR itself,
# variable genes of TCR and BCR. [Harmony](https://doi.org/10.1038/s41592-019-0619-0) then takes out differences between libraries.
# It is refused a batch key that the study asks about (`cs.pp.harmony(adata, "timepoint")` is an error), and a report says
# what the correction did.

# %%
cs.pp.normalize(adata)
cs.pp.variable_genes(adata, exclude=cohort.clustering_blacklist, n_jobs=2)
cs.pp.pca(adata, n_jobs=2)
cs.pp.harmony(adata, "sample", protected=cohort.protected)
cs.pp.neighbors(adata, n_pcs=30)
cs.pp.umap(adata)
cs.tl.leiden(adata)

# %% [markdown]
# ## Names

# %%
annotation = cs.manifest.read_annotation(manifests / "annotation.toml")
cs.tl.annotate(adata, markers=annotation.markers())
cs.tl.t_subsets(adata, markers=annotation.t_markers())

with cs.pl.style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    cs.pl.umap(adata, color="cell_type", ax=axes[0])
    cs.pl.umap(adata, color="timepoint", ax=axes[1])
    if mark:
        cs.pl.stamp(figure, mark)

# %%
report = cs.pp.integration_report(adata, label_key="cell_type", condition_keys=["timepoint"])
report[["measure", "column", "role", "before", "after", "reading"]]

# %% [markdown]
# The row of `timepoint` matters most: products and blood differ, and a correction that took this away would take away biology.
#
# ## Were the names right?
#
# Only simulated cells come with the truth. On real data compare with labels of your own
# (`cs.tl.annotate(..., labels=...)` also takes them in).

# %%
if simulated:
    truth = pd.read_csv(root / "truth" / "cells.csv.gz")
    truth.index = truth["sample_id"] + "_" + truth["barcode"]
    truth = truth.loc[adata.obs_names]
    right = truth["cell_type"].to_numpy() == adata.obs["cell_type"].astype(str).to_numpy()
    by_type = pd.DataFrame({"true type": truth["cell_type"].to_numpy(), "share right": right})
    accuracy = by_type.groupby("true type")["share right"].agg(["mean", "size"]).round(3)
else:
    accuracy = None
accuracy

# %% [markdown]
# Common types come out right; a type of a handful of cells may be swallowed by a neighbour. That is why a comparison should state how
# many cells a patient needs in a population, and why patients below it are named.
#
# ## Keep it
#
# The file is an ordinary AnnData that scanpy opens.

# %%
out = root / "cells.h5ad"
cs.io.write_cells(adata, out)
reread = cs.io.read_cells(out)
reread.shape

# %%
if simulated:
    scratch.cleanup()  # the simulated study and the file just written go with it

# %% [markdown]
# **Try:** `cs.simulate.simulate(root, cells=6000, seed=1, failed_library=True)`: does `qc_table` find the library? Or take a threshold
# from `data_manifests/params/published.toml` (`max_pct_mito`, no `mad`) and see which cells come back.
