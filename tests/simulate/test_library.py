from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope.simulate._design import libraries
from cartscope.simulate._library import Simulated, simulate_library
from cartscope.simulate._profiles import reference

BY_NAME = {lib.sample_id: lib for lib in libraries()}


def draw(name: str, size: int, *, strength: float = 1.0, seed: int = 0) -> Simulated:
    return simulate_library(BY_NAME[name], size, strength=strength, random_state=seed)


@pytest.fixture(scope="module")
def blood() -> Simulated:
    return draw("Patient9-D7", 1500)


def column(made: Simulated, gene: str) -> np.ndarray:
    return np.asarray(made.counts[:, reference().position[gene]].todense()).ravel()


def per_million(made: Simulated, rows: np.ndarray, gene: str) -> float:
    return column(made, gene)[rows].sum() / made.counts[rows].sum() * 1e6


def test_markers_stand_out_in_their_cell_types(blood):
    t = blood.truth
    sound = (~t["doublet"] & (t["damage"] == "")).to_numpy()
    markers = {"T": "CD3D", "CD14 monocyte": "CD14", "B": "MS4A1", "NK": "KLRF1", "pDC": "LILRA4",
               "platelet": "PF4", "cDC": "FCER1A", "erythroid": "HBB",
               "CD16 monocyte": "CDKN1C"}  # fmt: skip
    for cell_type, gene in markers.items():
        mine = sound & (t["cell_type"] == cell_type).to_numpy()
        rest = sound & (t["cell_type"] != cell_type).to_numpy()
        assert per_million(blood, mine, gene) > 4 * per_million(blood, rest, gene), cell_type


def test_subsets_differ_where_gates_look(blood):
    t = blood.truth
    sound = (~t["doublet"] & (t["damage"] == "")).to_numpy()

    def level(gene: str, **where: object) -> float:
        rows = sound.copy()
        for key, value in where.items():
            rows &= (t[key] == value).to_numpy()
        return per_million(blood, rows, gene)

    assert level("CD8A", t_lineage="CD8") > 20 * level("CD8A", t_lineage="CD4")
    assert level("CD4", t_lineage="CD4") > 10 * level("CD4", t_lineage="CD8")
    assert level("CCR7", t_subset="CD4 CM") > 5 * level("CCR7", t_subset="CD4 EM")
    assert level("FOXP3", t_subset="Treg") > 20 * level("FOXP3", t_subset="CD4 CM")
    assert level("NKG7", t_subset="CD4 CTL") > 5 * level("NKG7", t_subset="CD4 CM")
    assert level("MKI67", cell_type="T", cycling=True) > 20 * level(
        "MKI67", cell_type="T", cycling=False
    )


def test_car_molecules_are_found_in_most_car_t_cells_of_sorted_libraries():
    found = []
    for name in ("Patient6-D7-CART", "Patient10-D7-CART", "Patient17-D7-CART", "Patient19-D7-CART",
                 "SIM-Anakinra-02-D7-CART"):  # fmt: skip
        made = draw(name, 500)
        sound = (made.truth["damage"] == "").to_numpy() & ~made.truth["doublet"].to_numpy()
        found.append(np.mean(column(made, "Yescarta")[sound & made.truth["car"].to_numpy()] > 0))
    assert 0.72 < np.mean(found) < 0.85  # 0.752 and 0.815 in two real libraries


def test_detection_follows_depth():
    made = draw("Patient6-D7-CART", 2500)
    keep = (made.truth["car"] & (made.truth["damage"] == "") & ~made.truth["doublet"]).to_numpy()
    depth = made.truth["expected_molecules"].to_numpy()[keep]
    seen = column(made, "Yescarta")[keep] > 0
    low, high = np.quantile(depth, [0.25, 0.75])
    assert seen[depth > high].mean() > seen[depth < low].mean() + 0.1


def test_ambient_car_reads_are_few_and_there(blood):
    t = blood.truth
    innocent = (~t["car"] & ~t["doublet"] & (t["damage"] == "")).to_numpy()
    share = np.mean(column(blood, "Yescarta")[innocent] > 0)
    assert 0 < share < 0.02
    assert 0.005 < blood.ambient_share < 0.06


def test_nothing_of_the_other_product(blood):
    assert column(blood, "Kymriah").sum() == 0


def test_damaged_droplets_are_what_they_are_called(blood):
    ref = reference()
    t = blood.truth
    total = np.asarray(blood.counts.sum(1)).ravel()
    mito = np.asarray(
        blood.counts[:, np.char.startswith(ref.symbol.astype(str), "MT-")].sum(1)
    ).ravel()
    share = pd.Series(mito / total)
    damage = t["damage"]
    assert share[damage == "dying"].median() > 0.15
    assert share[damage == ""].quantile(0.95) < 0.1
    genes = np.diff(blood.counts.indptr)
    assert np.median(genes[damage == "few genes"]) < 200
    heme = np.log1p(column(blood, "HBB") / total * 1e4)
    assert (heme[damage == "HBB-high"] > 5).mean() > 0.7
    usual = ((damage == "") & ~t["doublet"] & (t["cell_type"] != "erythroid")).to_numpy()
    assert (heme[usual] > 5).mean() < 0.01


def test_doublets_are_two_cells(blood):
    t = blood.truth
    doublet = t["doublet"].to_numpy()
    kinds = set(t.loc[doublet, "doublet_kind"])
    assert kinds == {"homotypic", "heterotypic"}
    mixed = t[doublet & (t["doublet_kind"] == "heterotypic").to_numpy()]
    assert (mixed["cell_type"] != mixed["second_cell_type"]).all()
    total = np.asarray(blood.counts.sum(1)).ravel()
    single = (~t["doublet"] & (t["damage"] == "")).to_numpy()
    assert 1.5 < np.median(total[doublet]) / np.median(total[single]) < 2.6
    assert 0.02 < doublet.mean() < 0.07


def test_sex_genes_follow_sex():
    woman = next(lib for lib in libraries() if lib.patient.sex == "female" and not lib.product)
    man = next(lib for lib in libraries() if lib.patient.sex == "male" and not lib.product)
    x, y = (draw(lib.sample_id, 200) for lib in (woman, man))
    # a man's XIST is 0 even in the soup: libraries are of one person
    assert column(x, "XIST").sum() > 20
    assert column(x, "RPS4Y1").sum() == 0
    assert column(y, "XIST").sum() == 0
    assert column(y, "RPS4Y1").sum() > 20


def test_products_are_activated_and_cycle():
    product, later = draw("Patient9-Infusion", 600), draw("Patient9-D7", 600)
    t = product.truth
    keep = ((t["cell_type"] == "T") & (t["damage"] == "") & ~t["doublet"]).to_numpy()
    assert 0.3 < t.loc[keep, "cycling"].mean() < 0.7
    other = (later.truth["cell_type"] == "T").to_numpy()
    for gene in ("IL2RA", "TNFRSF9", "CSF2"):
        assert per_million(product, keep, gene) > 5 * per_million(later, other, gene)


def test_a_library_depends_on_the_seed_and_itself_alone():
    first, again = draw("Patient4-D7", 80), draw("Patient4-D7", 80)
    assert (first.counts != again.counts).nnz == 0
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert draw("Patient4-D7", 80, seed=1).counts.sum() != first.counts.sum()


def test_every_gene_of_the_reference_can_be_counted():
    ref = reference()
    assert len(ref.symbol) == 36_603
    for name in ("IL13", "RETN", "CXCR3", "CAP1", "DPP4", "LAMP3", "HIST1H4C"):
        assert name in ref.position
    made = draw("Patient9-D7", 300)
    assert (np.asarray(made.counts.sum(0)).ravel() > 0).sum() > 12_000
