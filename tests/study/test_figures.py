"""What each panel draws, on small tables whose numbers are known."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from scipy import sparse

from cartscope import pl
from cartscope._schema import (
    DE,
    EXPRESSION,
    GENE_SET_PATIENTS,
    GENE_SET_SCORES,
    GSEA,
    LIGREC,
    LIGREC_INTERACTION,
    LIGREC_PATIENTS,
    QC,
    SCHEMAS,
    SIGNATURES,
)
from cartscope.stats import n_at_floor_needed
from cartscope.study import Manifests, Settings, all_figures, all_steps
from cartscope.study._context import Context
from cartscope.study._figures import figure_files, figure_step
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._ligrec_candidates import TWICE
from cartscope.study.comparisons._set_notes import overlaps
from cartscope.study.steps import contrasts as contrasts_step

# panels of your own, with other ids, are held to nothing but the registry
PAPER = [panel for panel in all_figures() if re.fullmatch(r"S?\d+\D*", panel)]

# patient: study, anakinra, CRS, NT; the paper's shape in small
PATIENTS = {
    **{f"A{i}": ("GSE246490", "true", 1, 0) for i in range(1, 5)},
    **{f"A{i}": ("GSE246490", "true", 2, 2) for i in range(5, 8)},
    **{f"N{i}": ("GSE246490", "false", 1, 1) for i in range(1, 4)},
    **{f"C{i}": ("GSE197268", "false", 1, 0) for i in range(1, 4)},
    **{f"C{i}": ("GSE197268", "false", 3, 2) for i in range(4, 8)},
}
HIGH = {p for p, (_, _, crs, _) in PATIENTS.items() if crs >= 2}
TREATED = {p for p in PATIENTS if p.startswith("A")}


def samples(**changes):
    rows = []
    for patient, (study, anakinra, crs, nt) in PATIENTS.items():
        for timepoint in ("infusion_product", "day7"):
            rows.append(
                {
                    "sample_id": f"{patient}-{timepoint}", "path": "x.h5", "patient": patient,
                    "study": study, "timepoint": timepoint, "sorted": "false",
                    "anakinra": anakinra, "crs_grade": crs, "nt_grade": nt, "response": "R",
                    "simulated": "true",
                }
            )  # fmt: skip
    extra = {**rows[1], "sample_id": "A1-sorted", "sorted": "true"}
    return pd.DataFrame([*rows, extra]).assign(**changes)


def qc(table):
    kept = np.arange(100, 100 + len(table))
    return pd.DataFrame(
        [
            QC.blank(sample=s, patient=p, timepoint=t, n_cells=500, n_kept=n, verdict="usable")
            for s, p, t, n in zip(
                table["sample_id"], table["patient"], table["timepoint"], kept, strict=True
            )
        ]
    )


def de_rows(contrast, genes, **columns):
    return pd.DataFrame(
        {**DE.blank(), "contrast": contrast, "gene": genes, "base_mean": 10.0, "se": 0.3,
         "stat": 1.0, **columns}
    )  # fmt: skip


GENES = ["C1QA", "TMEM176A", "IL1B", "CXCL10", "RETN", *(f"G{i}" for i in range(12))]


def differential_expression():
    n = len(GENES)
    base = {"p_value": np.linspace(0.001, 0.9, n), "fdr": np.linspace(0.01, 0.95, n)}
    x = np.linspace(3, -2, n)
    parts = [
        de_rows("mono_crs_anakinra", GENES, log2_fc=x, **base),
        # the last gene is tested in one arm only, RETN in the other only
        de_rows("mono_crs_no_anakinra", [g for g in GENES if g != "RETN"],
                log2_fc=np.delete(2 * x, 4), p_value=0.5, fdr=np.repeat([0.02, 0.9], [1, n - 2])),
        de_rows("mono_crs_interaction", ["CXCL10", "C1QA"], log2_fc=[2.0, 0.0],
                p_value=[1e-4, 0.9], fdr=[1e-3, 0.9]),
        de_rows("ctl_anakinra_low_crs", ["IL10", "IL4", "ACTB"], log2_fc=[3.0, 1.0, 0.0],
                p_value=[1e-6, 1e-3, 0.7], fdr=[3e-6, 0.2, 0.7]),
        de_rows("mono_nt_anakinra", GENES, log2_fc=x, p_value=0.4, fdr=0.9),
        de_rows("mono_nt_no_anakinra", GENES, log2_fc=-x, p_value=0.4, fdr=0.9),
        de_rows("t_day7_vs_product", ["IL13", "IL4I1", "ACTB"], log2_fc=[-6, -5.5, 0.1],
                p_value=[1e-9, 1e-8, 0.9], fdr=[1e-8, 1e-7, 0.9]),
        de_rows("car_neg_cd8_nt_anakinra", ["CCNB2", "TUBB6", "ACTB"], log2_fc=[2.0, 1.5, 0.9],
                p_value=[1e-6, 1e-5, 1e-4], fdr=[1e-5, 1e-4, 1e-3]),
        de_rows("car_neg_cd4_nt_anakinra", ["ACTB"], log2_fc=[0.1], p_value=[0.9], fdr=[0.9]),
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


IL4 = "REACTOME_INTERLEUKIN_4_AND_INTERLEUKIN_13_SIGNALING"
GLUCOCORTICOID = "GLUCOCORTICOID_MONOCYTE_SCORE"
IL10 = "REACTOME_INTERLEUKIN_10_SIGNALING"


def gsea():
    rows = []
    for contrast, sign in {
        "ip_cd4_crs_no_anakinra": -1, "ip_cd8_crs_no_anakinra": -1.5, "ctl_anakinra_low_crs": 1,
        "mono_crs_anakinra": 2, "mono_crs_no_anakinra": 0.5,
    }.items():  # fmt: skip
        for i, name in enumerate([IL4, IL10, "HALLMARK_INTERFERON_GAMMA_RESPONSE", "SET_A"]):
            rows.append(
                GSEA.blank(contrast=contrast, gene_set=name, size=20, es=0.5, nes=sign * (2 - i / 2),
                           p_value=10.0 ** (i - 5), fdr=10.0 ** (i - (2.5 if "cd8" in contrast else 3.5)))
            )  # fmt: skip
    rows.append(
        GSEA.blank(contrast="ip_cd4_crs_no_anakinra", gene_set="ONLY_CD4", nes=1.0, p_value=0.1,
                   fdr=0.2)
    )  # fmt: skip
    return pd.DataFrame(rows)


def shares(contrast, group, *, population, status="negative"):
    """Patients at known shares: the group at 20% and more, the reference at 5% and more."""
    day7 = {"true": TREATED, "false": set(PATIENTS) - TREATED}
    rows = []
    for i, patient in enumerate(sorted(day7["false" if "no_anakinra" in contrast else "true"])):
        high = patient in group
        n = 200 if high else 50
        cells = 40 if patient in {"A1"} else 1000
        rows.append(
            {"contrast": contrast, "side": "group" if high else "reference", "patient": patient,
             "population": population, "car_status": status, "fraction": (n + i) / 1000,
             "n": n + i, "n_cells": cells}
        )  # fmt: skip
    return rows


def row_of_test(contrast, population, **values):
    return {
        "contrast": contrast, "population": population, "car_status": "negative", "n_group": 3,
        "n_reference": 4, "median_group": 0.2, "median_reference": 0.05, "u": 12.0,
        "p_value": 0.0571, "fdr": 0.0762, "family_size": 3, "min_p": 0.0571, "reason": "",
        **values,
    }  # fmt: skip


def set_scores():
    return pd.DataFrame(
        [
            GENE_SET_SCORES.blank(contrast="ip_cd4_crs_no_anakinra", gene_set=IL4, p_value=0.01,
                                  fdr=0.02),
            GENE_SET_SCORES.blank(contrast="ip_cd8_crs_no_anakinra", gene_set=IL4, p_value=0.03,
                                  fdr=0.06),
            GENE_SET_SCORES.blank(contrast="ip_cd8_crs_no_anakinra", gene_set=IL10,
                                  p_value=np.nan, fdr=np.nan, reason="too few genes"),
            GENE_SET_SCORES.blank(contrast="mono_crs_anakinra", gene_set=GLUCOCORTICOID,
                                  p_value=0.35, fdr=0.5),
        ]
    )  # fmt: skip


def set_patients():
    """Anakinra arm: six low, four high, of whom two had steroids and one is not known."""
    rows = [
        GENE_SET_PATIENTS.blank(
            contrast="mono_crs_anakinra", side="reference" if i < 6 else "group", patient=f"A{i}",
            gene_set=GLUCOCORTICOID, score=i / 10, tocilizumab_before_sample="unknown",
            steroid_before_sample={7: "true", 8: "true", 9: "unknown"}.get(i, "false"),
        )
        for i in range(10)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def expression():
    rows = []
    for gene, high in {"IL4": "CD4 CTL", "IL10": "CD4 CTL", "IL13": "CD4 CTL"}.items():
        for subset in ("CD4 CTL", "CD8 EM", "unassigned"):
            for status, n in (("positive", 30), ("negative", 90)):
                mean = (2.0 if subset == high else 0.2) + (1.0 if status == "positive" else 0.0)
                rows.append(
                    {"gene": gene, "cell_type": "T", "t_subset": subset, "car_status": status,
                     "timepoint": "day7", "mean": mean, "share": mean / 4, "n_cells": n}
                )  # fmt: skip
    for gene in ("LYZ", "IL1B", "LAMP3", "CD3D", "IFNG"):
        for kind, timepoint in (("ICANS-associated", "infusion_product"), ("NK", "day7")):
            rows.append(
                {"gene": gene, "cell_type": kind, "t_subset": "", "car_status": "negative",
                 "timepoint": timepoint, "mean": 1.0, "share": 0.5, "n_cells": 40}
            )  # fmt: skip
    # dendritic cells of blood, and what of theirs the product's LAMP3+ cells have
    for gene, product, blood in (("LAMP3", 3.0, 0.0), ("CD1C", 0.0, 1.5), ("HLA-DQA1", 2.0, 2.0)):
        for kind, timepoint, mean in (
            ("LAMP3+", "infusion_product", product), ("cDC", "day7", blood),
            ("cDC", "infusion_product", 9.0), ("LAMP3+", "day7", 9.0),
        ):  # fmt: skip
            rows.append(
                {"gene": gene, "cell_type": kind, "t_subset": "", "car_status": "negative",
                 "timepoint": timepoint, "mean": mean, "share": 0.5, "n_cells": 25}
            )  # fmt: skip
    return EXPRESSION.check(pd.DataFrame(rows))


def ligrec():
    rows = []
    for contrast in ("ligrec_crs_anakinra", "ligrec_nt_anakinra", "ligrec_crs_no_anakinra"):
        for target, q in (("car_pos_cd4", 0.05), ("car_neg_cd8", np.nan)):
            rows.append(
                LIGREC.blank(contrast=contrast, source="cd14_monocyte", target=target,
                             ligand="CXCL10", receptor="CXCR3", n_group=3, n_reference=4,
                             log2_change=1.5, p_value=q / 2, fdr=q, family_size=7, min_p=0.0571,
                             reason="not a candidate" if np.isnan(q) else "")
            )  # fmt: skip
    named = pd.DataFrame(rows).assign(family="primary")
    others = [
        LIGREC.blank(contrast="ligrec_crs_anakinra", source="nk", target="car_pos_cd4", ligand=name,
                     receptor="R", n_group=3, n_reference=4, log2_change=change, p_value=p, fdr=q,
                     family_size=50, min_p=0.0571)
        for name, change, p, q in [
            ("PASSES", 1.0, 0.001, 0.05), ("SMALL", 0.5, 0.06, 0.3), ("LARGE", -2.0, 0.06, 0.3)
        ]
    ]  # fmt: skip
    return pd.concat([named, pd.DataFrame(others).assign(family="exploratory")], ignore_index=True)


def ligrec_patients():
    """One pair into one population: A1 is zero, A2 not estimable, the group high."""
    arms = {"ligrec_crs_anakinra": TREATED, "ligrec_crs_no_anakinra": set(PATIENTS) - TREATED}
    rows = []
    for contrast, members in arms.items():
        for i, patient in enumerate(sorted(members)):
            score = {"A1": 0.0, "A2": np.nan}.get(
                patient, (3.0 if patient in HIGH else 1.0) + i / 10
            )
            status = {"A1": "zero", "A2": "not estimable"}.get(patient, "scored")
            rows.append(
                LIGREC_PATIENTS.blank(
                    contrast=contrast, side="group" if patient in HIGH else "reference",
                    patient=patient, source="cd14_monocyte", target="car_pos_cd4", ligand="CXCL10",
                    receptor="CXCR3", score=score, status=status, n_source=30, n_target=30,
                )
            )  # fmt: skip
    unplaced = {**rows[-1], "side": "", "patient": "X"}
    return pd.DataFrame([*rows, unplaced])


def ligrec_interaction():
    return pd.DataFrame(
        [
            LIGREC_INTERACTION.blank(
                contrast="ligrec_crs_interaction", source="cd14_monocyte", target="car_pos_cd4",
                ligand="CXCL10", receptor="CXCR3", p_value=p, fdr=p, family_size=13, min_p=1e-4,
                patients=patients, caveat="not separable from study x CRS: why",
            )
            for patients, p in (("all", 0.004), ("of a study and arm with both groups", 0.03))
        ]
    )  # fmt: skip


IFNG_RESPONSE = "HALLMARK_INTERFERON_GAMMA_RESPONSE"


def signatures():
    """CD14 monocytes are highest in all patients but A1; A2 has too few of them."""
    rows = []
    for i, patient in enumerate(PATIENTS):
        for kind, score in {"T": 0.1, "CD14 monocyte": 0.4, "NK": 0.2, "unassigned": 0.9}.items():
            mean = 0.0 if (patient, kind) == ("A1", "CD14 monocyte") else score + i / 1000
            n = 5 if (patient, kind) == ("A2", "CD14 monocyte") else 50
            rows.append((IFNG_RESPONSE, patient, kind, "day7", mean, n))
    rows += [("OTHER", "A1", "T", "day7", 9.0, 50), (IFNG_RESPONSE, "A1", "T", "baseline", 9.0, 50)]
    return pd.DataFrame(rows, columns=list(SIGNATURES.columns))


def profiles(population, genes):
    """Two counts of every gene in each patient but A2, who has too few cells; IL10 by arm."""
    names = [p for p in PATIENTS if p != "A2"]
    counts = np.full((len(names), len(genes)), 2)
    counts[:, 0] = [50 if p in TREATED else 4 for p in names]
    obs = pd.DataFrame({"patient": names, "timepoint": "day7", "n_cells": 30}, index=names)
    pdata = anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))
    table = obs.assign(population=population, kept=True, reason="")
    few = table.iloc[[0]].assign(patient="A2", n_cells=3, kept=False, reason="too few cells")
    table = pd.concat([table, few], ignore_index=True)
    return pdata, table


def cells():
    rng = np.random.default_rng(0)
    n = 9000
    patient = rng.choice(sorted(PATIENTS), n)
    obs = pd.DataFrame(
        {
            "patient": patient,
            "study": [PATIENTS[p][0] for p in patient],
            "anakinra": [PATIENTS[p][1] == "true" for p in patient],
            "timepoint": rng.choice(["infusion_product", "day7"], n),
            "cell_type": rng.choice(["T", "T", "T", "NK"], n),
            "car_status": rng.choice(["positive", "negative"], n, p=[0.8, 0.2]),
            "t_subset": rng.choice(["CD4 CTL", "CD8 EM", "unassigned"], n),
        },
        index=[f"c{i}" for i in range(n)],
    )
    umap = rng.normal(size=(n, 2))
    return anndata.AnnData(sparse.csr_matrix((n, 1)), obs=obs, obsm={"X_umap": umap})


@pytest.fixture(scope="module")
def ctx(tmp_path_factory):
    """A run whose tables are made by hand; its contrasts are resolved by the real step."""
    made = Context(
        Settings(out=tmp_path_factory.mktemp("figures")), annotating_before=annotating_before
    )
    table = samples()
    made.write_table("tables/samples.csv", table)
    made.write_table("tables/qc.csv", qc(table))
    contrasts_step.run(made)
    made.write_table("tables/de.csv", differential_expression())
    made.write_table("tables/gsea.csv", gsea())
    cycling = [f"cycling_car_{s}_{a}" for s in ("neg", "pos") for a in ("anakinra", "no_anakinra")]
    rows = [r for c in cycling for r in shares(c, HIGH, population="T")]
    made.write_table("tables/cycling_patients.csv", pd.DataFrame(rows))
    made.write_table("tables/cycling.csv", pd.DataFrame([row_of_test(c, "T") for c in cycling]))
    tested = [
        *(
            (f"composition_crs_{a}", p)
            for a in ("anakinra", "no_anakinra")
            for p in ("Treg", "CD8")
        ),
        *((f"iac_nt_{a}", "ICANS-associated") for a in ("anakinra", "no_anakinra")),
    ]
    corrected = [row_of_test(c, "T", analysis="cycling", fdr=0.4) for c in cycling[:2]]
    made.write_table("tables/corrected.csv", pd.DataFrame(corrected))
    made.write_table("tables/gene_set_scores.csv", set_scores())
    made.write_table("tables/gene_set_overlap.csv", overlaps(made))
    made.write_table("tables/gene_set_patients.csv", set_patients())
    rows = [r for c, p in tested for r in shares(c, HIGH, population=p)]
    made.write_table("tables/composition_patients.csv", pd.DataFrame(rows))
    made.write_table("tables/composition.csv", pd.DataFrame([row_of_test(c, p) for c, p in tested]))
    made.write_table("tables/expression.csv", expression())
    made.write_table("tables/ligrec.csv", ligrec())
    made.write_table("tables/ligrec_patients.csv", ligrec_patients())
    made.write_table("tables/ligrec_interaction.csv", ligrec_interaction())
    made.write_table("tables/signatures.csv", signatures())
    tables = []
    for population, genes in {
        "car_pos_cd4_ctl": ["IL10", "IL4", "ACTB"], "cd14_monocyte": GENES,
    }.items():  # fmt: skip
        pdata, one = profiles(population, genes)
        pdata.write_h5ad(made.path(f"tables/pseudobulk_{population}.h5ad"))
        tables.append(one)
    made.write_table("tables/pseudobulk.csv", pd.concat(tables))
    adata = cells()
    made.cells = lambda _step: adata
    return made


def draw(ctx, panel):
    with pl.style():
        figure, source = all_figures()[panel].draw(ctx)
    plt.close(figure)
    return figure, source


def texts(ax):
    return [t.get_text() for t in ax.texts]


def offsets(ax, color=None):
    found = [
        np.asarray(c.get_offsets())
        for c in ax.collections
        if isinstance(c, PathCollection)
        and len(c.get_offsets())
        and (color is None or (len(c.get_facecolors()) and to_hex(c.get_facecolors()[0]) == color))
    ]
    return np.vstack(found) if found else np.empty((0, 2))


def words_of(pdf):
    """Return the texts of a PDF, as an editor would find them."""
    words = []
    for stream in re.findall(rb"stream\n(.*?)\nendstream", pdf.read_bytes(), re.S):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue
        for text in re.findall(rb"BT\n(.*?)\nET", drawn, re.S):
            parts = re.findall(rb"\((.*?)\)", text, re.S)
            words.append(b"".join(parts).replace(b"\0", b"").decode("latin-1"))
    return words


# ---- the registry -----------------------------------------------------------------------------


def test_every_need_is_made_by_a_step():
    made = {a for s in all_steps().values() for a in s.makes}
    for spec in all_figures().values():
        assert set(spec.needs) <= made, spec.id


def test_every_claim_of_a_panel_exists_and_is_about_that_figure(ctx):
    known = {c.id: c.panel for c in ctx.manifests.claims}
    for spec in all_figures().values():
        assert set(spec.claims) <= set(known), spec.id


def test_ids_titles_and_files_are_unique():
    specs = list(all_figures().values())
    assert len({s.title for s in specs}) == len(specs)
    files = [f for s in specs for f in figure_files(s.id)]
    assert len(set(files)) == len(files)
    for spec in (all_figures()[panel] for panel in PAPER):
        stem = spec.module.rpartition(".")[2]
        assert stem == f"fig{spec.id.lower().replace('-', '_')}", "a file is called as its panel"


def test_panels_stand_in_the_order_of_the_paper():
    ids = list(all_figures())
    assert ids.index("6I") < ids.index("7A") < ids.index("S7") < ids.index("S10A")
    assert ids[: len(PAPER)] == PAPER, "panels of your own stand last"


def test_every_panel_that_rests_on_single_cells_is_registered():
    asked = {f"6{c}" for c in "ABCDEFGHI"} | {"7A", "7A-GC", "7D", "7E"}
    asked |= {"S7", "S8A", "S8B", "S8C", "S8D"}
    asked |= {"S9A-C", "S9D", "S9F", "S9G", "S10A", "S10B-D"}
    asked |= {"S11A", "S11B-C", "S11D", "S11E", "S11F", "S11G"}
    assert asked <= set(PAPER)
    why = {p: x.why for x in Manifests().supplement.left_out for p in x.panels}
    assert not set(why) & set(PAPER)
    assert why["S9E"] == "not described in the text"
    # 7B and 7C are serum
    assert {"7B", "7C", "S1"} <= set(why)


@pytest.mark.parametrize("panel", PAPER)
def test_every_caption_says_what_it_shows_and_ends(panel):
    caption = all_figures()[panel].caption
    assert len(caption) > 60
    assert caption.endswith(".")
    assert "  " not in caption


# ---- drawing, writing, not drawing ------------------------------------------------------------


@pytest.mark.parametrize("panel", PAPER)
def test_a_panel_is_written_with_its_source_and_says_simulated(ctx, panel):
    figure_step(all_figures()[panel]).run(ctx)
    pdf, png, csv = (ctx.path(f) for f in figure_files(panel))
    words = words_of(pdf)
    assert not any("cannot be drawn" in w for w in words), words
    assert "SIMULATED" in words
    assert png.stat().st_size > 5000
    assert len(pd.read_csv(csv)) > 0


@pytest.mark.parametrize("panel", ["6I", "7A", "6C"])
def test_the_same_tables_give_the_same_bytes(ctx, panel):
    step = figure_step(all_figures()[panel])
    step.run(ctx)
    first = [ctx.path(f).read_bytes() for f in step.makes]
    step.run(ctx)
    assert [ctx.path(f).read_bytes() for f in step.makes] == first


def test_a_panel_that_cannot_be_drawn_says_why_and_so_does_its_source(ctx):
    def refuse(_ctx):
        msg = "no patient has a grade"
        raise NotDrawable(msg)

    step = figure_step(FigureSpec(id="0X", title="None", needs=(), draw=refuse))
    step.run(ctx)
    words = words_of(ctx.path("figures/fig0x.pdf"))
    assert "0X cannot be drawn" in words
    assert "no patient has a grade" in words
    source = pd.read_csv(ctx.path("figures/source_data/fig0x.csv"))
    assert source["reason"].tolist() == ["no patient has a grade"]


@pytest.mark.parametrize(
    ("panel", "says"),
    [("6G", "quasi-likelihood, moderated t, pseudobulk"), ("6I", "Mann-Whitney U test"), ("7A", "not separable"),
     ("6E", "gene permutation"), ("S11F", "No test")],
)  # fmt: skip
def test_a_panel_says_its_test_and_what_limits_it(ctx, panel, says):
    figure_step(all_figures()[panel]).run(ctx)
    assert says in " ".join(words_of(ctx.path(figure_files(panel)[0])))


def test_every_panel_of_results_has_a_note():
    counts = {"6A", "6B"}
    assert {p for p in PAPER if not all_figures()[p].note} == counts


def test_real_data_are_not_marked(ctx, tmp_path):
    real = Context(Settings(out=tmp_path), annotating_before=annotating_before)
    table = samples().drop(columns="simulated")
    real.write_table("tables/samples.csv", table)
    real.write_table("tables/qc.csv", qc(table))
    figure_step(all_figures()["6B"]).run(real)
    words = words_of(real.path("figures/fig6b.pdf"))
    assert "A1" in words
    assert "SIMULATED" not in words


@pytest.fixture(scope="module")
def ungraded(ctx, tmp_path_factory):
    """The same run without a single grade: most contrasts cannot be tested."""
    made = Context(
        Settings(out=tmp_path_factory.mktemp("ungraded")), annotating_before=annotating_before
    )
    table = samples(crs_grade=np.nan, nt_grade=np.nan)
    made.write_table("tables/samples.csv", table)
    made.write_table("tables/qc.csv", qc(table))
    contrasts_step.run(made)
    day7 = differential_expression().query("contrast == 't_day7_vs_product'")
    made.write_table("tables/de.csv", day7)
    for name in ("gsea", "cycling", "composition", "ligrec", "ligrec_patients", "corrected",
                 "gene_set_scores"):  # fmt: skip
        made.write_table(f"tables/{name}.csv", ctx.read_table(f"tables/{name}.csv").head(0))
    for name in ("cycling", "composition"):
        empty = ctx.read_table(f"tables/{name}_patients.csv").head(0)
        made.write_table(f"tables/{name}_patients.csv", empty)
    made.write_table("tables/pseudobulk.csv", ctx.read_table("tables/pseudobulk.csv").head(0))
    return made


@pytest.mark.parametrize(
    "panel", ["6E", "6G", "6H", "6I", "7A", "7D", "7E", "S8D", "S9D", "S9G", "S10A", "S10B-D", "S11A",
              "S11B-C", "S11D", "S11G"],
)  # fmt: skip
def test_without_grades_a_panel_says_what_is_missing(ungraded, panel):
    with pytest.raises(NotDrawable, match=r"grades unknown for|no patient in the"):
        all_figures()[panel].draw(ungraded)


def test_a_reason_of_the_tables_is_passed_on(tmp_path):
    made = Context(Settings(out=tmp_path), annotating_before=annotating_before)
    reason = "too few cells: fewer than 2 patients with 25 cells or more"
    row = DE.blank(contrast="ctl_anakinra_low_crs", reason=reason)
    row |= {"p_value": np.nan, "fdr": np.nan, "log2_fc": np.nan}
    made.write_table("tables/de.csv", pd.DataFrame([row]))
    with pytest.raises(NotDrawable, match=reason):
        all_figures()["6G"].draw(made)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Another cohort: libraries and patients, no study, time point, arm, grade or CAR."""
    made = Context(
        Settings(out=tmp_path_factory.mktemp("bare")), annotating_before=annotating_before
    )
    table = pd.DataFrame({"sample_id": ["s1", "s2"], "path": "x.h5", "patient": ["p1", "p2"]})
    made.write_table("tables/samples.csv", table)
    made.write_table("tables/qc.csv", qc(table.assign(timepoint="")))
    contrasts_step.run(made)
    for name in ("de", "gsea", "gene_set_scores", "gene_set_patients", "cycling", "composition",
                 "corrected", "ligrec", "cycling_patients", "composition_patients", "ligrec_patients", "signatures"):  # fmt: skip
        made.write_table(f"tables/{name}.csv", SCHEMAS[name].empty())
    empty = pd.DataFrame(
        columns=["patient", "timepoint", "n_cells", "population", "kept", "reason"]
    )
    made.write_table("tables/pseudobulk.csv", empty)
    made.write_table("tables/expression.csv", expression().assign(timepoint="", car_status=""))
    adata = cells()[:200].copy()
    adata.obs = adata.obs[["patient", "cell_type", "t_subset"]].assign(car_status="unknown")
    made.cells = lambda _step: adata
    return made


@pytest.mark.parametrize("panel", PAPER)
def test_a_cohort_that_gives_next_to_nothing_gets_a_panel_or_a_reason(bare, panel):
    reason = ""
    try:
        _, source = draw(bare, panel)
    except NotDrawable as answer:
        reason, source = str(answer), []
    assert (len(source) > 0) != bool(reason)
    if panel in {"6A", "6B", "6C", "6D", "S7"}:
        assert not reason


# ---- what is drawn ----------------------------------------------------------------------------


def test_6a_bars_are_the_cells_that_were_kept(ctx):
    figure, source = draw(ctx, "6A")
    table = qc(samples())
    assert source["cells"].sum() == table["n_kept"].sum()
    widths = sorted(b.get_width() for ax in figure.axes for b in ax.patches)
    assert widths == sorted(source["cells"])
    notes = [t for ax in figure.axes for t in texts(ax)]
    sorted_cells = int(table.loc[table["sample"] == "A1-sorted", "n_kept"].iloc[0])
    assert f"{sorted_cells} (1 libraries, 1 patients)" in notes


def test_6b_has_every_patient_every_sample_and_a_question_mark_for_no_grade(ctx, ungraded):
    figure, source = draw(ctx, "6B")
    ax = figure.axes[0]
    assert {t.get_text() for t in ax.get_yticklabels()} == set(PATIENTS)
    assert sum(p.get_facecolor()[3] > 0 for p in ax.patches) == 2 * len(PATIENTS) + 1
    assert source.set_index("patient").loc["A5", ["CRS", "NT"]].tolist() == ["2", "2"]
    _, without = draw(ungraded, "6B")
    assert set(without["CRS"]) == {"?"}


def test_6d_colours_the_cells_of_each_panel(ctx):
    figure, source = draw(ctx, "6D")
    obs = ctx.cells("").obs
    t = obs[obs["cell_type"] == "T"]
    assert len(source) == len(t)
    day7 = t["timepoint"] == "day7"
    expected = [
        (~day7).sum(),
        (day7 & (t["car_status"] == "positive")).sum(),
        (day7 & (t["car_status"] == "negative")).sum(),
    ]
    assert [a.get_title().split("\n")[1] for a in figure.axes] == [f"{n:,} cells" for n in expected]
    drawn = [max(len(c.get_offsets()) for c in a.collections if c.get_zorder() == 2)
             for a in figure.axes]  # fmt: skip
    assert drawn == expected


def test_6e_draws_sets_scored_in_both_and_names_those_of_the_claim(ctx):
    figure, source = draw(ctx, "6E")
    ax = figure.axes[0]
    assert set(source["gene_set"]) == {IL4, IL10, "HALLMARK_INTERFERON_GAMMA_RESPONSE", "SET_A"}
    np.testing.assert_allclose(source["nes_cd8"], 1.5 * source["nes_cd4"])
    assert source["significant"].tolist() == ["both", "both", "CD4 only", "q ≥ 0.1 in both"]
    drawn = {tuple(p) for p in offsets(ax).round(6)}
    assert {tuple(p) for p in source[["nes_cd4", "nes_cd8"]].to_numpy().round(6)} <= drawn
    assert set(texts(ax)) == {"IL-4 signalling", "IL-10 signalling"}
    assert ax.get_xlabel().split("\n")[2:4] == [
        "IL-4 signalling: CD4 p = 0.01, q = 0.02; CD8 p = 0.03, q = 0.06",
        "IL-10 signalling: not tested",
    ]


def test_6f_averages_over_car_states_by_cells_and_scales_by_gene(ctx):
    _, source = draw(ctx, "6F")
    row = source[(source["gene"] == "IL10") & (source["population"] == "CD4 CTL")].iloc[0]
    assert row["mean"] == pytest.approx((30 * 3.0 + 90 * 2.0) / 120)
    assert row["relative"] == 1
    assert "unassigned" not in set(source["population"])
    other = source[(source["gene"] == "IL10") & (source["population"] == "CD8 EM")].iloc[0]
    assert other["relative"] == pytest.approx(other["mean"] / row["mean"])


def test_6g_names_il10_and_counts_only_patients_with_a_profile(ctx):
    figure, source = draw(ctx, "6G")
    ax = figure.axes[0]
    assert "IL10" in texts(ax)
    # A1 to A4 are low grade, but A2 has no profile
    assert "n = 3 v 3" in ax.get_title()
    np.testing.assert_allclose(offsets(ax, pl.GROUP.lower()), [[3.0, 6.0]])
    assert source["gene"].tolist() == ["IL10", "IL4", "ACTB"]


def test_6h_dots_are_log2_counts_per_million(ctx):
    figure, source = draw(ctx, "6H")
    expected = {"anakinra": np.log2(1 + 50e6 / 54), "no anakinra": np.log2(1 + 4e6 / 8)}
    groups = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert groups == ["no anakinra\nn = 3", "anakinra\nn = 3"]
    for side, name in (("group", "anakinra"), ("reference", "no anakinra")):
        np.testing.assert_allclose(source.loc[source["side"] == side, "IL10"], expected[name])
    assert texts(figure.axes[0]) == ["p = 1e-6\nq = 3e-6 of 3 genes"]


def test_6i_has_a_dot_per_patient_the_tests_and_who_is_not_counted(ctx):
    figure, source = draw(ctx, "6I")
    assert len(source) == 2 * len(PATIENTS)
    left = figure.axes[0]
    labels = [t.get_text() for t in left.get_xticklabels()]
    assert labels == [
        "grade ≤ 1\nanakinra\nn = 3", "grade ≥ 2\nanakinra\nn = 3",
        "grade ≤ 1\nno anakinra\nn = 6", "grade ≥ 2\nno anakinra\nn = 4",
    ]  # fmt: skip
    assert texts(left) == ["p = 0.057\nq = 0.076 of 3 tests"] * 2
    assert (
        left.get_xlabel().split("\n")[1] == "anakinra: medians 5.0% and 20.0%, p = 0.057, q = 0.4"
    )
    heights = offsets(left)[:, 1]
    here = source[source["contrast"].str.contains("car_neg")]
    np.testing.assert_allclose(np.sort(heights), np.sort(100 * here["fraction"]))
    assert source.loc[~source["counted"], "patient"].unique().tolist() == ["A1"]


def test_7a_lies_at_both_effects_and_marks_where_the_arms_differ(ctx):
    figure, source = draw(ctx, "7A")
    ax = figure.axes[0]
    table = source.set_index("gene")
    np.testing.assert_allclose(table["log2_fc_no_anakinra"], 2 * table["log2_fc_anakinra"])
    assert "RETN" not in table.index
    named = {t for t in texts(ax) if "\n" not in t}
    assert named == {"C1QA", "TMEM176A", "IL1B", "CXCL10"}
    assert any(t.startswith("not tested in both arms") and "RETN" in t for t in texts(ax))
    assert table.index[table["arms_differ"]].tolist() == ["CXCL10"]
    assert table.loc["C1QA", "significant"] == "both"
    assert table.loc["TMEM176A", "significant"] == "anakinra only"
    assert "n = 3 v 3" in ax.get_xlabel()
    assert "n = 4 v 6" in ax.get_ylabel()
    both = table[table["significant"] == "both"]
    drawn = offsets(ax, pl.PALETTE[7])
    expected = both[["log2_fc_anakinra", "log2_fc_no_anakinra"]].to_numpy()
    assert {tuple(p) for p in expected.round(6)} == {tuple(p) for p in drawn.round(6)}


def test_7a_gc_every_patient_counts_and_steroids_before_the_sample_are_hollow(ctx):
    with pl.style():
        figure, source = all_figures()["7A-GC"].draw(ctx)
    ax = figure.axes[0]
    low, high = (
        c for c in ax.collections if hasattr(c, "get_offsets") and len(c.get_offsets()) > 2
    )
    assert [len(low.get_facecolors()), len(high.get_facecolors())] == [6, 4]
    assert (high.get_facecolors()[:, 3] == 0).tolist() == [False, True, True, False]
    assert [t.get_text().rsplit("\n", 1)[1] for t in ax.get_xticklabels()] == ["n = 6", "n = 4"]
    assert ax.get_xlabel() == "hollow: steroid before the sample (2 patients); unknown for 1"
    assert "p = 0.35" in texts(ax)
    assert len(source) == 10
    plt.close(figure)


def test_7a_gc_says_that_treatment_is_unknown(ctx, monkeypatch):
    table = ctx.read_table("tables/gene_set_patients.csv").assign(steroid_before_sample="unknown")
    from cartscope.study.panels import _panels

    read = _panels.read
    monkeypatch.setattr(
        _panels,
        "read",
        lambda c, name: table if name.endswith("gene_set_patients.csv") else read(c, name),
    )
    with pl.style():
        figure, _ = all_figures()["7A-GC"].draw(ctx)
    assert figure.axes[0].get_xlabel() == "treatment before the sample unknown"
    plt.close(figure)


def test_7a_without_the_interaction_has_no_triangles(ctx, monkeypatch):
    table = ctx.read_table("tables/de.csv").query("contrast != 'mono_crs_interaction'")
    everything = ctx.read_table
    other = SimpleNamespace(
        manifests=ctx.manifests, path=ctx.path,
        read_table=lambda a: table if a == "tables/de.csv" else everything(a),
    )  # fmt: skip
    from cartscope.study.panels import _panels

    monkeypatch.setattr(_panels, "read", lambda c, a: c.read_table(a))
    _, source = draw(other, "7A")
    assert "arms_differ" not in source


def test_7d_crosses_what_was_not_tested(ctx):
    figure, source = draw(ctx, "7D")
    ax = figure.axes[0]
    assert len(source) == 6
    crosses = [c for c in ax.collections if len(c.get_offsets()) == 3]
    assert [c.get_offsets()[:, 0].tolist() for c in crosses] == [[0, 0, 0], [1, 1, 1]]
    assert "smallest attainable p = 0.057" in ax.get_xlabel()
    np.testing.assert_allclose(source["minus_log10_q"].dropna(), -np.log10(0.05))


def test_s8c_holds_markers_of_products_against_those_of_blood(ctx, monkeypatch):
    figure, source = draw(ctx, "S8C")
    (ax,) = figure.axes  # no CD14 monocyte of blood is in the table: one panel
    assert source.set_index("gene")[["blood", "product"]].to_dict("index") == {
        "LAMP3": {"blood": 0.0, "product": 3.0},
        "CD1C": {"blood": 1.5, "product": 0.0},
        "HLA-DQA1": {"blood": 2.0, "product": 2.0},
    }
    np.testing.assert_allclose(
        offsets(ax), source[["blood", "product"]], err_msg="dots lie elsewhere than the table says"
    )
    shades = [to_hex(c) for c in ax.collections[0].get_facecolors()]
    expected = {"LAMP3": pl.GROUP, "CD1C": pl.REFERENCE, "HLA-DQA1": pl.REFERENCE}
    assert shades == [to_hex(expected[g]) for g in source["gene"]]
    assert sorted(texts(ax)) == ["CD1C", "HLA-DQA1", "LAMP3"]
    assert ax.get_xlabel() == "cDC, day 7 (25)"
    assert ax.get_ylabel() == "LAMP3+, product (25)"
    assert ax.get_xlim() == ax.get_ylim()
    monkeypatch.setattr("cartscope.study.figures.figs8c.MIN_CELLS", 26)
    with pytest.raises(NotDrawable, match="no ICANS-associated or LAMP3"):
        all_figures()["S8C"].draw(ctx)


def test_s8d_counts_products_above_one_percent(ctx):
    figure, source = draw(ctx, "S8D")
    assert figure.axes[0].get_title() == f"above 1% in {len(source)} of {len(source)} patients"
    assert (source["percent"] > 1).all()


def test_s9a_c_shares_add_up_to_one(ctx):
    figure, source = draw(ctx, "S9A-C")
    sums = source.groupby(["study", "arm", "timepoint"])["share"].sum()
    np.testing.assert_allclose(sums, 1)
    tops = {}
    for bar in figure.axes[0].patches:
        place = round(bar.get_x(), 3)
        tops[place] = tops.get(place, 0) + bar.get_height()
    np.testing.assert_allclose(list(tops.values()), 1)


def test_s9d_has_a_panel_per_subset_those_of_the_claims_first(ctx):
    figure, _ = draw(ctx, "S9D")
    shown = [ax.get_title() for ax in figure.axes if ax.get_visible()]
    assert [t.partition(" (")[0] for t in shown] == ["CD8", "Treg"]
    assert shown[0].endswith("(q over 3)")


def test_s9d_writes_the_test_by_nt_below(ctx):
    figure, _ = draw(ctx, "S9D")
    assert figure.axes[0].get_xlabel() == "by NT: none not tested,\nanakinra not tested"


def test_s9f_counts_pairs_and_reads_the_paper_fold_changes(ctx):
    figure, _ = draw(ctx, "S9F")
    assert "IL13" in texts(figure.axes[0])
    assert "IL4I1" in texts(figure.axes[0])


def test_s9g_counts_genes_that_pass_and_change_twofold(ctx):
    figure, source = draw(ctx, "S9G")
    counts = source[source["panel"] == "counts"].set_index("contrast")
    assert counts.loc["car_neg_cd8_nt_anakinra", "genes"] == 2  # ACTB changes less than twofold
    assert counts.loc["car_neg_cd4_nt_anakinra", "genes"] == 0
    assert texts(figure.axes[0])[:2] == ["2", "0"]
    assert "RAD51" in next(t for t in texts(figure.axes[1]) if t.startswith("not tested"))


def test_s10b_d_says_which_set_of_the_claim_was_not_scored(ctx):
    figure, source = draw(ctx, "S10B-D")
    assert source["gene_set"].iloc[0] == IL4
    assert "IL-18 signalling" in figure.axes[0].get_xlabel()


def test_6e_and_s10b_d_say_which_genes_the_named_sets_share(ctx):
    figure, _ = draw(ctx, "6E")
    words = figure.axes[0].get_xlabel().replace("\n", " ")
    assert (
        "IL-4 signalling and IL-10 signalling share 20 genes (CCL2, CCL22, CXCL8, FCER2, " in words
    )
    figure, _ = draw(ctx, "S10B-D")
    words = figure.axes[0].get_xlabel().replace("\n", " ")
    assert words.endswith("share 4 genes (ALOX5, IL13, IL18, IL4)")


def test_s11b_c_has_the_test_between_patients_column_by_column(ctx, monkeypatch):
    from cartscope.study.panels import _panels

    scores = pd.DataFrame(
        [
            GENE_SET_SCORES.blank(contrast=c, gene_set=IFNG_RESPONSE, p_value=p, fdr=2 * p)
            for c, p in (("mono_crs_anakinra", 0.0095), ("mono_crs_no_anakinra", np.nan))
        ]
    )
    monkeypatch.setattr(
        _panels,
        "read",
        lambda c, a: scores if a == "tables/gene_set_scores.csv" else c.read_table(a),
    )
    figure, _ = draw(ctx, "S11B-C")
    assert figure.axes[0].get_xlabel().split("\n") == [
        "between patients, U test of one score each, p from left to right:",
        "interferon gamma response (Hallmark): 0.0095 (q 0.019), not tested",
    ]


def test_s11a_scores_are_within_an_arm(ctx):
    figure, source = draw(ctx, "S11A")
    ax = figure.axes[0]
    scores = ax.collections[0].get_array()
    assert scores.shape[1] == len(source) == len(PATIENTS) - 1
    assert source.groupby("contrast")["patient"].nunique().tolist() == [6, 10]
    assert texts(ax) == [
        "CRS grade ≤ 1\nanakinra", "CRS grade ≥ 2\nanakinra",
        "CRS grade ≤ 1\nno anakinra", "CRS grade ≥ 2\nno anakinra",
    ]  # fmt: skip


def s11g_with(ctx, monkeypatch, change):
    from cartscope.study.panels import _panels

    table = change(ctx.read_table("tables/ligrec.csv"))
    monkeypatch.setattr(
        _panels, "read", lambda c, a: table if a == "tables/ligrec.csv" else c.read_table(a)
    )
    return draw(ctx, "S11G")


def rows_of(ax):
    return [t.get_text() for t in ax.get_yticklabels()]


def test_s11g_shows_the_named_pairs_then_what_passes_in_the_other_family(ctx):
    figure, source = draw(ctx, "S11G")
    ax = figure.axes[0]
    assert set(source["contrast"]) == {"ligrec_crs_anakinra"}
    assert rows_of(ax) == ["CXCL10\u2013CXCR3 from CD14 monocytes *", "PASSES\u2013R from NK cells"]
    assert ax.get_title().split("\n") == [
        "1 of 1 primary tests have q < 0.1", "1 of 3 exploratory tests have q < 0.1",
    ]  # fmt: skip
    assert [line.strip() for line in ax.get_xlabel().split("\n")] == [
        "ligrec_crs_anakinra: n = 3 v 4, 7 primary tests, smallest attainable p = 0.057;",
        # 2 / 35 * 7 / 4 is 0.1 on paper
        "a test alone at its floor has q = 0.4, q < 0.1 takes "
        f"{n_at_floor_needed(2 / 35, 7, alpha=0.1)} of them there",
        "ligrec_crs_anakinra: n = 3 v 4, 50 exploratory tests, smallest attainable p = 0.057;",
        "a test alone at its floor has q = 1, q < 0.1 takes 29 of them there",
    ]


def test_s11g_says_where_ties_lower_the_floor_and_who_picked_the_pairs(ctx, monkeypatch):
    """Six tied zeros halve the smallest p: 0.0048 beside 0.0095 is no slip."""
    tied = {"n_group": 4, "n_reference": 6, "min_p": 1 / 210, "candidates": TWICE}
    figure, _ = s11g_with(ctx, monkeypatch, lambda t: t.assign(**tied))
    note = figure.axes[0].get_xlabel()
    assert "smallest attainable p = 0.0048 (0.0095 without ties)" in note
    assert note.endswith(
        "pairs picked by differential expression in the same patients and then tested: q is too "
        "small"
    )


def test_s11g_where_nothing_passes_shows_the_smallest_p_and_says_so(ctx, monkeypatch):
    figure, source = s11g_with(ctx, monkeypatch, lambda t: t.assign(fdr=t["fdr"] + 0.3))
    ax = figure.axes[0]
    assert ax.get_title().split("\n")[2:] == [
        "0 of 3 exploratory tests have q < 0.1, the smallest q is 0.35:",
        "those with the smallest p are shown",
    ]
    # where p is the same the larger change comes first
    assert [t.partition("\u2013")[0] for t in rows_of(ax)] == ["CXCL10", "PASSES", "LARGE", "SMALL"]
    assert set(source["target"]) == {"car_pos_cd4"}


def test_s11g_counts_only_tests_that_have_a_q(ctx, monkeypatch):
    figure, _ = s11g_with(
        ctx, monkeypatch,
        lambda t: t.assign(fdr=t["fdr"].where(t["ligand"] != "SMALL")),
    )  # fmt: skip
    assert figure.axes[0].get_title().endswith("1 of 2 exploratory tests have q < 0.1")


def test_s11g_of_a_table_without_families(ctx, monkeypatch):
    figure, _ = s11g_with(ctx, monkeypatch, lambda t: t.drop(columns="family"))
    assert figure.axes[0].get_title() == "2 of 4 tests have q < 0.1"
    assert not any("*" in name for name in rows_of(figure.axes[0]))


@pytest.fixture(scope="module")
def drawn_7e(ctx):
    return draw(ctx, "7E")


def panel_7e(figure, row, column):
    return figure.axes[5 * row + column]


def test_7e_has_a_dot_per_patient_and_the_primary_tests(drawn_7e):
    figure, source = drawn_7e
    ax = panel_7e(figure, 0, 0)
    assert ax.get_title() == "to CAR+ CD4 T cells"
    assert ax.get_ylabel() == "CXCL10\u2013CXCR3\nscore from CD14 monocytes"
    assert texts(ax) == ["p = 0.025\nq = 0.05"] * 2
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels == ["≤ 1\n(3)", "≥ 2\n(3)", "≤ 1\n(6)", "≥ 2\n(4)"]  # A2 is not counted
    (below,) = ax.child_axes
    assert [t.get_text().strip() for t in below.get_xticklabels()] == ["anakinra", "no anakinra"]
    assert below.get_xlabel() == ("by NT: p = 0.025, q = 0.05\narms differ: p = 0.004, 0.03\u2020")
    assert set(source["p_arms_differ"]) == {0.004}
    assert set(source["patient"]) == set(PATIENTS)
    assert source["arm"].value_counts().to_dict() == {"no anakinra": 10, "anakinra": 7}
    (note,) = texts(panel_7e(figure, 0, 4))
    assert note.split("\n\n")[0] == (
        "q corrects for\n7 primary tests (anakinra)\n7 primary tests (no anakinra)"
    )
    assert note.split("\n\n")[1].replace("\n", " ") == (
        "arms differ: interaction of CRS and arm, 13 tests, p unadjusted; smallest attainable "
        "p = 0.0001 \u2020 patients of a study and arm with both grades "
        "not separable from study x CRS"
    )


def test_7e_says_why_the_arms_were_not_compared_and_who_picked_the_pairs(ctx, monkeypatch):
    from cartscope.study.panels import _panels

    changed = {
        "tables/ligrec_interaction.csv": ligrec_interaction()
        .head(1)
        .assign(p_value=np.nan, reason="no patient in the group with anakinra false"),
        "tables/ligrec.csv": ligrec().assign(candidates=TWICE, family="exploratory"),
    }
    monkeypatch.setattr(
        _panels, "read", lambda c, a: changed[a] if a in changed else c.read_table(a)
    )
    figure, _ = draw(ctx, "7E")
    (below,) = panel_7e(figure, 0, 0).child_axes
    assert below.get_xlabel().endswith("arms differ: not tested")
    note = texts(panel_7e(figure, 0, 4))[0].replace("\n", " ")
    assert "arms differ: no patient in the group with anakinra false" in note
    assert "picked by differential expression in the same patients and then tested" in note


def test_7e_zero_is_hollow_at_zero_and_not_estimable_hollow_below_it(drawn_7e):
    figure, source = drawn_7e
    scatter = next(c for c in panel_7e(figure, 0, 0).collections if isinstance(c, PathCollection))
    heights = np.asarray(scatter.get_offsets())[:, 1]
    hollow = scatter.get_facecolors()[:, 3] == 0
    at = dict(zip(["A1", "A2", "A3", "A4"], zip(heights, hollow, strict=True), strict=True))
    assert at["A1"] == (0, True)
    assert at["A2"][0] < 0
    assert at["A2"][1]
    assert not at["A3"][1]
    assert not at["A4"][1]
    bar = next(c for c in panel_7e(figure, 0, 0).collections if hasattr(c, "get_segments"))
    # the median counts the zero and not the patient without a score
    assert bar.get_segments()[0][0][1] == pytest.approx(np.median([0.0, 1.2, 1.3]))
    assert source.set_index("patient").loc[["A1", "A2"], "status"].tolist() == [
        "zero", "not estimable",
    ]  # fmt: skip


def test_7e_draws_patients_of_high_nt_grade_as_triangles(drawn_7e):
    figure, source = drawn_7e
    columns = [c for c in panel_7e(figure, 0, 0).collections if isinstance(c, PathCollection)]
    rows = source[source["target"].eq("car_pos_cd4") & source["receptor"].eq("CXCR3")]
    places = [(a, s) for a in ("anakinra", "no anakinra") for s in ("reference", "group")]
    for dots, (arm, side) in zip(columns, places, strict=True):
        here = rows[rows["arm"].eq(arm) & rows["side"].eq(side)]
        high = [PATIENTS[p][3] >= 2 for p in here["patient"]]
        assert [len(path.vertices) < 6 for path in dots.get_paths()] == high
        assert here["nt"].tolist() == high
    assert source["nt"].any()


def test_7e_says_where_nothing_was_scored(drawn_7e):
    figure, _ = drawn_7e
    assert texts(panel_7e(figure, 2, 4)) == ["not scored"]
    assert panel_7e(figure, 2, 4).get_title() == "to CD14 monocytes"
    assert not panel_7e(figure, 0, 4).axison  # no claim names this pair to monocytes


def test_7d_names_do_not_run_into_each_other(ctx):
    figure, _ = draw(ctx, "7D")
    with pl.style():
        figure.draw_without_rendering()
        boxes = sorted(t.get_window_extent().extents[[0, 2]].tolist()
                       for t in figure.axes[0].get_xticklabels())  # fmt: skip
    assert all(a[1] < b[0] for a, b in pairwise(boxes))


def test_s11e_ranks_cell_types_by_patients_with_enough_cells(ctx):
    figure, source = draw(ctx, "S11E")
    ax = figure.axes[0]
    n = len(PATIENTS)
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels == [f"CD14\nmonocyte\nn = {n - 1}", f"NK\nn = {n}", f"T\nn = {n}"]
    assert ax.get_title() == f"highest in monocytes in {n - 2} of {n} patients"
    assert source.loc[~source["counted"], "patient"].tolist() == ["A2"]
    assert source["mean"].max() < 0.5
    assert len(source) == 3 * n
