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
# # 4. Monocytes, IFN-gamma and breakthrough CRS
#
# [Frigault et al. 2025](https://doi.org/10.1182/bloodadvances.2024015161) gave anakinra with axi-cel. Some patients had CRS of grade 2
# or more all the same. In their CD14 monocytes of day 7 the paper finds interferon-induced genes, CXCL10 and RETN raised, **only under
# anakinra** (Fig 7A), and the pairs CXCL10-CXCR3, CXCL10-DPP4 and RETN-CAP1 between monocytes and T cells (Fig 7D).
#
# This notebook asks the same of a **SIMULATED** cohort of the same shape, in which these effects were planted. So it shows whether the
# method can find them with these patients, and what the design cannot tell even then. It says nothing about real patients.
#
# **With real cells**, `pdata` comes from `cs.pp.pseudobulk(cells, by=["patient"], min_cells=25)`, with the CD14 monocytes of unsorted
# day-7 libraries ([notebook 2](02_geo_to_annotated_cells.ipynb)).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import cartscope as cs

plt.ion()  # each figure is shown below the cell that draws it
pd.options.display.max_colwidth = 150

pdata = cs.simulate.simulate_pseudobulk("cd14_monocyte", cells=150, seed=1)
pdata.obs["crs"] = pd.Categorical(np.where(pdata.obs["crs_grade"] >= 2, "high", "low"), ["low", "high"])
pdata.obs["anakinra"] = pd.Categorical(np.where(pdata.obs["anakinra"], "yes", "no"), ["no", "yes"])
design_cells = pd.crosstab([pdata.obs["study"], pdata.obs["anakinra"]], pdata.obs["crs"])
design_cells

# %% [markdown]
# ## Look at the design before you look at a gene
#
# Of the eight combinations of study, anakinra and CRS only five have patients. "Does anakinra change what goes with CRS?" is the term
# `anakinra:crs`. Ask whether it can be estimated, and from whom.

# %%
design, term = "~ anakinra * crs + study", "anakinra:crs"
report = cs.tl.estimability(pdata, design=design, contrast=term, patient="patient", confounders=["study"])
rows = report.table
rows.loc[rows["kind"] != "coefficient", ["kind", "name", "n_patients", "note"]]

# %% [markdown]
# It can be estimated. But:
#
# * `not separable: crs x study`. All anakinra patients are of the new study and all untreated patients with high CRS are of the
#   comparator. If CRS looked different in the two **studies** (protocol, laboratory, sample handling), the term would show just that.
#   No design can tell the two apart, because no patient could.
# * The four untreated patients of the new study have **weight 0** in it: they were added as a bridge between the studies, but all four
#   are of low grade. They help to estimate the study, not this term.
#
# The weights show what each patient contributes.

# %%
weights = report.weights["contrast"].groupby([pdata.obs["study"], pdata.obs["anakinra"], pdata.obs["crs"]], observed=True)
weights.agg(["size", "mean"]).round(3)

# %% [markdown]
# A design with all three interactions cannot be estimated at all, and cartscope says so instead of returning numbers:

# %%
full = cs.tl.estimability(pdata, design="~ anakinra * crs * study", contrast="anakinra:crs:study")
full.estimable, full.reason

# %% [markdown]
# ## Genes
#
# One row per patient; the test is [DESeq2](https://doi.org/10.1186/s13059-014-0550-8)'s, as R does it. Genes are kept by their counts,
# without looking at the comparison. First each arm by itself; the arm without anakinra has two studies, so `study` is in its design.

# %%
kept = cs.pp.filter_genes(pdata, group="crs").to_numpy()
arms = {arm: pdata[(pdata.obs["anakinra"] == arm).to_numpy(), kept].copy() for arm in ("yes", "no")}
with_anakinra = cs.tl.differential_expression(arms["yes"], design="~ crs", contrast=("crs", "high", "low"))
without = cs.tl.differential_expression(arms["no"], design="~ study + crs", contrast=("crs", "high", "low"))
columns = ["gene", "base_mean", "log2_fc", "se", "p_value", "fdr"]
with_anakinra.sort_values("p_value")[columns].head(12)

# %% [markdown]
# "Significant under anakinra and not without" is **not** a test of a difference. The difference is the interaction, from one model of
# all patients:

# %%
fit = cs.tl.fit_differential_expression(pdata[:, kept].copy(), design=design)
interaction = fit.test(term)
interaction.sort_values("p_value")[columns].head(8)

# %%
both = with_anakinra.set_index("gene")[["log2_fc", "fdr"]].join(without.set_index("gene")[["log2_fc", "fdr"]], lsuffix="_yes", rsuffix="_no")
both["differs"] = interaction.set_index("gene")["fdr"].reindex(both.index) < 0.1
passes = (both["fdr_yes"] < 0.1, both["fdr_no"] < 0.1)
classes = ["neither", "without only", "anakinra only", "both"]
both["q < 0.1"] = np.select([passes[0] & passes[1], passes[0], passes[1]], classes[:0:-1], classes[0])
x, y = "log2 fold change, anakinra (4 against 6)", "log2 fold change, none (10 against 10)"
genes = ["C1QA", "MRC1", "TMEM176A", "IL1B", "CCL3", "IFI35", "IFIT2", "IFITM1", "CXCL10", "RETN"]

with cs.pl.style():
    figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
    cs.pl.effect_scatter(
        both.rename(columns={"log2_fc_yes": x, "log2_fc_no": y}), x=x, y=y, color="q < 0.1", ax=ax, triangle="differs",
        palette=dict(zip(classes, (cs.pl.GREY, cs.pl.PALETTE[0], cs.pl.PALETTE[1], cs.pl.PALETTE[2]))),
        label={g: g for g in genes if g in both.index},
    )
    cs.pl.stamp(figure, "SIMULATED")

# %% [markdown]
# Triangles are genes whose effect differs between the arms, or between the studies: the same numbers, two readings.
#
# ## How much hangs on one patient?
#
# With four patients of high grade, leaving one out takes a quarter of the group.

# %%
counts = arms["yes"].layers["counts"]
counts = counts.toarray() if hasattr(counts, "toarray") else np.asarray(counts)
log_cpm = np.log2(counts / counts.sum(axis=1, keepdims=True) * 1e6 + 1)
shown = [g for g in genes if g in arms["yes"].var_names]
values = pd.DataFrame(log_cpm, index=arms["yes"].obs_names, columns=arms["yes"].var_names)[shown]
groups = arms["yes"].obs["crs"].astype(str).to_numpy()


def shift(v, g):
    return np.median(v[g == "high"], axis=0) - np.median(v[g == "low"], axis=0)


loo = cs.stats.leave_one_out(values.to_numpy(), groups, shift, patients=values.index.to_numpy())
rank_test = cs.stats.mann_whitney(values[groups == "high"].to_numpy(), values[groups == "low"].to_numpy())
influence = pd.DataFrame(
    {
        "shift of medians (log2)": loo.full,
        "smallest without one patient": np.abs(loo.without).min(axis=0),
        "sign kept": loo.sign_kept,
        "exact p": rank_test.p_value,
        "smallest p possible": cs.stats.smallest_p(4, 6),
    },
    index=shown,
)
influence.round(4)

# %%
strip = values.assign(CRS=groups)
with cs.pl.style():
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.6), layout="constrained")
    for gene, ax in zip(("CXCL10", "RETN", "C1QA"), axes):
        p = influence.loc[gene, "exact p"]
        cs.pl.strip(strip, x="CRS", y=gene, ax=ax, order=["low", "high"], tests={("low", "high"): f"p = {p:.3g}"})
        ax.set(ylabel=f"{gene}, log2 CPM", xlabel="CRS grade under anakinra")
    cs.pl.stamp(figure, "SIMULATED")

# %% [markdown]
# ## Interferon gamma?
#
# Gene sets along the ranking by DESeq2's statistic. Its p-value shuffles **genes**: it asks whether the set is more concentrated than
# random genes and takes no account of interferon genes rising and falling together. So a test that shuffles **patients** stands beside
# it; its p cannot go below the floor of 4 against 6. Look for a set that the first test calls and the second does not.

# %%
manifests = cs.manifest.manifest_dir()
sets = cs.io.read_gene_sets(manifests / "gene_sets" / "study.gmt")
interferon = {name: genes_ for name, genes_ in sets.items() if "INTERFERON" in name}
prerank = cs.tl.gsea(with_anakinra.set_index("gene")["stat"], interferon).set_index("gene_set")
patients = cs.tl.gene_set_patient_test(arms["yes"], interferon, contrast=("crs", "high", "low")).set_index("gene_set")
beside = prerank[["size", "nes", "p_value"]].join(patients[["effect", "ci_low", "ci_high", "p_value", "min_p"]], lsuffix=" (genes)", rsuffix=" (patients)")
beside

# %% [markdown]
# And which interferon? The response sets of interferon alpha and gamma share most of the smaller one's genes, so a monocyte that has
# seen either scores in both. CXCL10 is in neither of Reactome's interferon sets, and RETN in no interferon set here.

# %%
overlap = cs.tl.gene_set_overlap(interferon)
overlap[["set_a", "set_b", "size_a", "size_b", "shared", "contained"]].sort_values("contained", ascending=False).round(2)

# %%
pd.DataFrame({gene: {name: gene in members for name, members in interferon.items()} for gene in ("CXCL10", "RETN", "IFI35", "IFIT2")})

# %% [markdown]
# ## Who talks to whom?
#
# A score per patient, pair and direction, compared by the exact U test. The pairs of the paper were named beforehand, so they are a
# **family of their own**. All other pairs are for exploring: with hundreds of tests and a floor of 0.0095, q stays high whatever
# happens. Choosing pairs by their differential expression in the same patients, and then testing them, would use the data twice.
#
# The populations are the simulated truth here; in your data they are `cell_type`, `t_lineage` and `car_status`.

# %%
blood = cs.simulate.simulate_adata([f"SIM-Anakinra-{n:02d}-D7" for n in range(1, 11)], cells=400, seed=1, sound_only=True)
kind, lineage = blood.obs["true_cell_type"].astype(str), blood.obs["true_t_lineage"].astype(str)
car = np.where(blood.obs["true_car"].astype(bool), "CAR+ ", "CAR- ")
blood.obs["population"] = pd.Categorical(np.where(kind == "T", car + lineage, np.where(kind == "CD14 monocyte", "CD14 monocyte", None)))
blood.obs["crs"] = np.where(blood.obs["crs_grade"] >= 2, "high", "low")

named = [("CXCL10", "CXCR3"), ("CXCL10", "DPP4"), ("RETN", "CAP1")]
pairs = cs.io.read_lr_resource()
talk = cs.tl.ligand_receptor(
    blood, groupby="population", contrast=("crs", "high", "low"), resource=pairs, senders=["CD14 monocyte"], primary=named
)
primary = talk[talk["family"] == "primary"]
primary[["target", "ligand", "receptor", "median_group", "median_reference", "p_value", "fdr", "min_p", "reason"]]

# %%
explored = talk[(talk["family"] == "exploratory") & talk["p_value"].notna()]
needed = cs.stats.n_at_floor_needed(cs.stats.smallest_p(4, 6), len(explored), alpha=0.1)
print(f"{len(explored)} other tests; smallest q {explored['fdr'].min():.2f}; q < 0.1 would need {needed} of them at the floor")

# %%
dots = primary.dropna(subset="p_value").assign(pair=primary["ligand"] + "-" + primary["receptor"])
dots = dots.rename(columns={"target": "receiver"})
dots["log2 change"] = dots["log2_change"]
dots["-log10 q"] = -np.log10(dots["fdr"])
with cs.pl.style():
    figure, ax = plt.subplots(figsize=(5, 2.4), layout="constrained")
    cs.pl.dot_plot(dots, x="receiver", y="pair", color="log2 change", size="-log10 q", ax=ax, diverging=True)
    cs.pl.stamp(figure, "SIMULATED")

# %% [markdown]
# All rows of one ligand share the same monocytes: they are not so many independent findings. Where the ligand rises, every pair with a
# receptor that is there rises with it.
#
# ## What the design cannot tell
#
# * **Anakinra or study?** Not separable, see above.
# * **CRS or its treatment?** By protocol tocilizumab and steroids were for grade 2 and above, often before the day-7 sample. Complement,
#   MRC1 and TMEM176 up with IL1B and CCL3/4 down is also what a steroid does to a monocyte. `tocilizumab_before_sample` and
#   `steroid_before_sample` in `samples.csv` make this visible where it is known.
# * **Cause or trace?** Day 7 was set beforehand; it need not be the day on which CRS was at its worst.
#
# **Try:** `simulate_pseudobulk("cd14_monocyte", null=True)`: no effect is planted. What is left at q < 0.1? And with `effect=0.5`, what
# is still found?
