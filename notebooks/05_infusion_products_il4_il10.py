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
# # 5. Infusion products, IL-4 and IL-10
#
# In the cells that were infused, [Frigault et al. 2025](https://doi.org/10.1182/bloodadvances.2024015161) find the gene sets of IL-4 and
# IL-10 signalling lower where CRS of grade 2 or more followed, in CD4 and in CD8 T cells (Fig 6E, comparator cohort without anakinra).
# The abstract calls them anti-inflammatory and says "regardless of anakinra treatment".
#
# Here the panel is rebuilt on a **SIMULATED** cohort, with such an effect planted, to see what the test shows, what the sets mean, and
# how far the sentence carries. It says nothing about real products.
#
# **With real cells**, replace `products` by pseudobulk of your own: `cs.pp.pseudobulk(cells, by=["patient"], min_cells=25)` for the CD4 and
# the CD8 T cells of the products.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

import cartscope as cs

plt.ion()  # each figure is shown below the cell that draws it
pd.options.display.max_colwidth = 150

CONTRAST = ("crs", "high", "low")


def products(lineage, cohort):
    """Pseudobulk of one lineage: a row per patient of the comparator or of the anakinra arm."""
    pdata = cs.simulate.simulate_pseudobulk(lineage, cells=300, seed=1)
    obs = pdata.obs
    chosen = (obs["study"] == "GSE197268") if cohort == "comparator" else obs["anakinra"].astype(bool)
    pdata = pdata[chosen.to_numpy()].copy()
    pdata.obs["crs"] = pd.Categorical(np.where(pdata.obs["crs_grade"] >= 2, "high", "low"), ["low", "high"])
    return pdata[:, cs.pp.filter_genes(pdata, group="crs").to_numpy()].copy()


comparator = {lineage: products(lineage, "comparator") for lineage in ("cd4", "cd8")}
pd.DataFrame({lineage: pdata.obs["crs"].value_counts() for lineage, pdata in comparator.items()})

# %% [markdown]
# ## The panel
#
# Genes are ranked by the statistic of the comparison between patients
# ([DESeq2](https://doi.org/10.1186/s13059-014-0550-8)), then sets are tested along the ranking
# ([GSEA](https://doi.org/10.1073/pnas.0506580102)). The paper's library of T-cell pathways is in a supplement; `t_cell.gmt` stands in
# for it.

# %%
manifests = cs.manifest.manifest_dir()
study_sets = cs.io.read_gene_sets(manifests / "gene_sets" / "study.gmt")
library = cs.io.read_gene_sets(manifests / "gene_sets" / "t_cell.gmt") | study_sets
results, enriched = {}, {}
for lineage, pdata in comparator.items():
    results[lineage] = cs.tl.differential_expression(pdata, design="~ crs", contrast=CONTRAST)
    enriched[lineage] = cs.tl.gsea(results[lineage].set_index("gene")["stat"], library).set_index("gene_set")

panel = enriched["cd4"][["size", "nes", "fdr"]].join(enriched["cd8"][["size", "nes", "fdr"]], lsuffix="_cd4", rsuffix="_cd8").dropna()
panel.sort_values("nes_cd4").head(8).round(4)

# %%
low = (panel["fdr_cd4"] < 0.1, panel["fdr_cd8"] < 0.1)
classes = ["neither", "CD8 only", "CD4 only", "both"]
panel["q < 0.1"] = np.select([low[0] & low[1], low[0], low[1]], classes[:0:-1], classes[0])
IL4 = "REACTOME_INTERLEUKIN_4_AND_INTERLEUKIN_13_SIGNALING"
IL10 = "REACTOME_INTERLEUKIN_10_SIGNALING"
IL18 = "REACTOME_INTERLEUKIN_18_SIGNALING"

with cs.pl.style():
    figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
    cs.pl.effect_scatter(
        panel.rename(columns={"nes_cd4": "NES, CD4 products", "nes_cd8": "NES, CD8 products"}),
        x="NES, CD4 products", y="NES, CD8 products", color="q < 0.1", ax=ax,
        palette=dict(zip(classes, (cs.pl.GREY, cs.pl.PALETTE[0], cs.pl.PALETTE[2], cs.pl.PALETTE[7]))),
        label={IL4: "IL-4 and IL-13", IL10: "IL-10", IL18: "IL-18"},
    )
    cs.pl.stamp(figure, "SIMULATED")

# %% [markdown]
# Far more sets pass than were planted: they share genes. And CD4 against CD8 is not a replication: both come from the **same patients**,
# so whatever is peculiar to a patient is in both.
#
# ## Genes shuffled, or patients?
#
# That p shuffles genes: it takes the genes of a set for independent.
# `cs.tl.gene_set_patient_test` gives each patient one score and shuffles patients. Read the two together.

# %%
tests = {lineage: cs.tl.gene_set_patient_test(pdata, study_sets, contrast=CONTRAST).set_index("gene_set") for lineage, pdata in comparator.items()}
beside = enriched["cd4"][["size", "nes", "p_value"]].join(
    tests["cd4"][["effect", "ci_low", "ci_high", "p_value", "min_p", "reason"]], how="inner", lsuffix=" (genes)", rsuffix=" (patients)"
)
beside.sort_values("p_value (patients)")

# %% [markdown]
# Why both? Real genes of a set rise and fall together from patient to patient, for reasons that have nothing to do with CRS: a virus last
# week, a warm afternoon before freezing. Give one set such a factor of its own in a cohort **without any effect**, and count how often
# either p is below 0.05. It should be one time in twenty.

# %%
quiet = cs.simulate.simulate_pseudobulk("cd4", cells=300, seed=100, null=True)
quiet = quiet[(quiet.obs["study"] == "GSE197268").to_numpy()].copy()
quiet.obs["crs"] = pd.Categorical(np.where(quiet.obs["crs_grade"] >= 2, "high", "low"), ["low", "high"])
quiet = quiet[:, cs.pp.filter_genes(quiet, group="crs").to_numpy()].copy()
high = (quiet.obs["crs"] == "high").to_numpy()
INTERFERON = {"interferon": study_sets["HALLMARK_INTERFERON_ALPHA_RESPONSE"]}
member = quiet.var_names.isin(INTERFERON["interferon"])

rng = np.random.default_rng(0)
trials = []
for _ in range(12):
    shaken = quiet.copy()
    factor = rng.lognormal(0, 0.3, size=(quiet.n_obs, 1))  # per patient, a third up or down, whatever the grade
    counts = np.asarray(quiet.layers["counts"]).copy()
    counts[:, member] = rng.poisson(counts[:, member] * factor)
    shaken.X = shaken.layers["counts"] = counts
    log_cpm = np.log2(counts / counts.sum(axis=1, keepdims=True) * 1e6 + 1)
    statistic = stats.ttest_ind(log_cpm[high], log_cpm[~high]).statistic
    by_genes = cs.tl.gsea(pd.Series(statistic, index=quiet.var_names), INTERFERON)["p_value"].iloc[0]
    by_patients = cs.tl.gene_set_patient_test(shaken, INTERFERON, contrast=CONTRAST)["p_value"].iloc[0]
    trials.append({"genes shuffled": by_genes, "patients shuffled": by_patients})
trials = pd.DataFrame(trials)
(trials < 0.05).mean().rename("share of p below 0.05, nothing planted").round(2)

# %% [markdown]
# Shuffling genes calls most of these sets; shuffling patients holds its level. So a tiny p of the first kind says that the set moved
# together, and only the second says whether it moved **with CRS**.
#
# ## What do the sets mean?
#
# A set's name says less than its genes. Notes on each set of the study come with cartscope.

# %%
notes = cs.manifest.read_gene_set_notes(manifests / "gene_sets" / "notes.toml")
by_name = {note.name: note for note in notes.set}
for name in (IL4, IL10, IL18):
    print(f"{name}\n  {by_name[name].note}\n")

# %% [markdown]
# Reactome's IL-10 set is mostly cytokines and chemokines that IL-10 **represses**. More IL-10 activity would lower them; a set that is
# "down" may mean less inflammation, or less IL-10 signalling, or fewer receptors, depending on which of its genes moved. So split it
# ([de Waal Malefyt et al. 1991](https://doi.org/10.1084/jem.174.5.1209) for the repressed cytokines):

# %%
roles = {
    "ligand, receptor, signalling": by_name[IL10].components,
    "raised by IL-10": by_name[IL10].induced,
    "repressed by IL-10": by_name[IL10].inhibited,
}
parts = []
for lineage, de in results.items():
    table = de.set_index("gene")
    for role, genes in roles.items():
        there = [g for g in genes if g in table.index]
        parts.append({"lineage": lineage, "role": role, "genes of the set": len(genes), "expressed": len(there), "median log2 change": table.loc[there, "log2_fc"].median()})
split = pd.DataFrame(parts).set_index(["lineage", "role"])
split.round(2)

# %%
leading = enriched["cd4"].loc[IL10, "leading_edge"].split(";")
role_of = {gene: role for role, genes in roles.items() for gene in genes}
pd.Series({gene: role_of.get(gene, "no role noted") for gene in leading}, name="role of the leading genes in CD4")

# %% [markdown]
# In the simulation every gene of the set was lowered alike. That is a statement about a list, and no picture of IL-10: real IL-10 would move
# the repressed genes one way and its own machinery another. **On real data this table decides whether "anti-inflammatory IL-10
# signalling is lower" is a fair reading of the panel.**
#
# ## One finding or three?

# %%
overlap = cs.tl.gene_set_overlap({name: study_sets[name] for name in (IL4, IL10, IL18)})
overlap[["set_a", "set_b", "size_a", "size_b", "shared", "genes"]]

# %% [markdown]
# The IL-18 set has eight genes, IL4 and IL13 among them, and would vanish silently under the usual minimum of 15. With `min_size=5` it
# stays, and what is left out is a row with a reason:

# %%
usual = cs.tl.gsea(results["cd4"].set_index("gene")["stat"], study_sets, min_size=15).set_index("gene_set")
usual.loc[usual["reason"] != "", ["size", "reason"]]

# %% [markdown]
# ## "Regardless of anakinra treatment"?
#
# The panel shows the comparator, which had no anakinra. The anakinra arm has its own products, and fewer of them. Ask it, and ask
# beforehand what it could answer.

# %%
arm = {lineage: products(lineage, "anakinra") for lineage in ("cd4", "cd8")}
rows = []
for lineage, pdata in arm.items():
    n = pdata.obs["crs"].value_counts()
    row = cs.tl.gene_set_patient_test(pdata, {IL4: study_sets[IL4], IL10: study_sets[IL10]}, contrast=CONTRAST)
    row["smallest p"] = cs.stats.smallest_p(int(n["high"]), int(n["low"]))
    row["shift found with 80% power (SD)"] = cs.stats.detectable_effect(int(n["high"]), int(n["low"]))
    rows.append(row.assign(lineage=lineage))
anakinra = pd.concat(rows)
anakinra[["lineage", "gene_set", "n_group", "n_reference", "effect", "ci_low", "ci_high", "p_value", "smallest p", "shift found with 80% power (SD)"]]

# %% [markdown]
# With so few patients, "not significant" is no evidence of no effect: look at the interval. The simulated effect was planted in the
# comparator only; whether this arm can show its absence is another matter.
#
# ## What cannot be told
#
# * Whether a product **with less** IL-4 or IL-10 signalling causes toxicity, or goes with patients who would have had it anyway.
# * Activity from transcripts: signalling proteins are switched by phosphorylation, not by their messenger RNA.
# * Which T cells in the product it is: sums over CD4 or CD8 mix subsets that differ in these genes.
#
# **Try:** `weight=0` in `cs.tl.gsea` (ranks only), or `library` without the study's sets. Does the order of the sets hold?
