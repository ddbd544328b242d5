from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope.simulate._deal import cycling_share, deal, expansion, fill, treg_share
from cartscope.simulate._design import libraries, patients
from cartscope.simulate._effects import State
from cartscope.simulate._sizes import PAPER, PAPER_TOTAL, library_sizes

LIBRARIES = libraries()
CAN_HAVE = 36  # before quality control and labels; thresholds of the study stand at 25


def dealt(cells: int, seed: int, strength: float = 1.0) -> pd.DataFrame:
    sizes = library_sizes(cells, random_state=seed, failed_library=False)
    rows = []
    for lib in LIBRARIES:
        if lib.timepoint == "baseline":
            continue
        for state, n in deal(lib, sizes[lib.sample_id], strength=strength, random_state=seed):
            rows.append(
                {
                    "patient": lib.patient.name,
                    "study": lib.patient.study,
                    "crs": lib.patient.crs_high,
                    "sample": lib.sample_id,
                    "sorted": lib.sorted,
                    "timepoint": lib.timepoint,
                    "cell_type": state.cell_type,
                    "t_subset": state.t_subset,
                    "t_lineage": state.t_lineage,
                    "car": state.car,
                    "phase": state.phase,
                    "n": n,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module", params=[0, 3])
def default(request) -> pd.DataFrame:
    return dealt(20_000, request.param)


def test_all_cells_are_dealt(default):
    assert default["n"].sum() == 20_000


def test_the_paper_has_the_papers_numbers():
    table = dealt(PAPER_TOTAL, 0)
    assert table["n"].sum() == 205_873
    table["kind"] = table["timepoint"] == "infusion_product"
    found = table.groupby(["study", "kind"])["n"].sum()
    for key, published in PAPER.items():
        assert found[key] == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("population", "least"),
    [
        ("timepoint == 'day7' and not sorted and cell_type == 'CD14 monocyte'", CAN_HAVE),
        ("timepoint == 'day7' and not sorted and cell_type == 'NK'", CAN_HAVE),
        ("timepoint == 'day7' and not sorted and t_lineage == 'CD4' and not car", CAN_HAVE),
        ("timepoint == 'day7' and not sorted and t_lineage == 'CD8' and not car", CAN_HAVE),
        # a fifth of CAR T cells is not found: 25 found of 45
        ("timepoint == 'day7' and t_lineage == 'CD4' and car", 45),
        ("timepoint == 'day7' and t_lineage == 'CD8' and car", 45),
        ("timepoint == 'infusion_product' and t_lineage == 'CD4'", CAN_HAVE),
        ("timepoint == 'infusion_product' and t_lineage == 'CD8'", CAN_HAVE),
    ],
)
def test_every_population_has_its_cells_in_every_patient(default, population, least):
    counts = default.query(population).groupby("patient")["n"].sum()
    expected = {
        lib.patient.name
        for lib in LIBRARIES
        if lib.timepoint == ("infusion_product" if "infusion" in population else "day7")
    }
    assert set(counts.index) == expected
    assert counts.min() >= least


def test_cytotoxic_cd4_cells_where_they_are_compared(default):
    mine = default.query("study == 'GSE246490' and not crs and timepoint == 'day7' and car")
    counts = mine[mine["t_subset"] == "CD4 CTL"].groupby("patient")["n"].sum()
    assert len(counts) == 10
    assert counts.min() >= 50


def test_small_studies_scale_down(default):
    small = dealt(2000, 0)
    assert small["n"].sum() == 2000
    assert small.groupby("patient")["n"].sum().min() >= 3


def test_two_products_have_more_than_one_percent_icans_associated_cells():
    table = dealt(PAPER_TOTAL, 0).query("timepoint == 'infusion_product'")
    iac = table[table["cell_type"] == "ICANS-associated"].groupby("sample")["n"].sum()
    share = iac / table.groupby("sample")["n"].sum()
    assert (share > 0.01).sum() == 2


def test_products_are_not_blood(default):
    types = set(default.query("timepoint == 'infusion_product'")["cell_type"])
    assert types <= {"T", "NK", "ICANS-associated", "LAMP3+"}
    assert {"T", "ICANS-associated", "LAMP3+"} <= types


def test_expansion_differs_by_grade_whether_or_not_effects_are_planted():
    share = pd.Series({p.name: expansion(p, floor=0.0, random_state=0) for p in patients()})
    high = pd.Series({p.name: p.crs_high for p in patients()})
    assert share[high].median() > share[~high].median() + 0.15
    # in the cells too, where nothing else is planted
    table = dealt(60_000, 1, strength=0).query(
        "timepoint == 'day7' and not sorted and cell_type == 'T'"
    )
    car = table[table["car"]].groupby("patient")["n"].sum()
    found = car / table.groupby("patient")["n"].sum()
    crs = table.groupby("patient")["crs"].first()
    assert found[crs].median() > found[~crs].median() + 0.1


def test_without_effects_cycling_and_composition_know_no_grade():
    rest = State("day7", "T", "CD8 EM", False)
    for state in (rest, State("day7", "T", "CD4 CM", True)):
        assert len({cycling_share(p, state, 0.0) for p in patients()}) == 1
    table = dealt(PAPER_TOTAL, 2, strength=0).query(
        "timepoint == 'day7' and not sorted and not car"
    )
    t = table[table["cell_type"] == "T"]
    cd8 = t[t["t_lineage"] == "CD8"].groupby("patient")["n"].sum() / t.groupby("patient")["n"].sum()
    crs = t.groupby("patient")["crs"].first()
    assert abs(cd8[crs].mean() - cd8[~crs].mean()) < 0.06


def test_planted_composition_and_cycling_are_in_the_cells():
    table = dealt(PAPER_TOTAL, 2).query("timepoint == 'day7' and not sorted and not car")
    t = table[(table["cell_type"] == "T") & (table["study"] == "GSE197268")]
    total = t.groupby("patient")["n"].sum()
    crs = t.groupby("patient")["crs"].first()
    treg = t[t["t_subset"] == "Treg"].groupby("patient")["n"].sum() / total
    cd8 = t[t["t_lineage"] == "CD8"].groupby("patient")["n"].sum() / total
    assert treg[crs].median() > 1.7 * treg[~crs].median()
    assert cd8[crs].median() < cd8[~crs].median() - 0.1
    anakinra = table[table["patient"].str.contains("-Anakinra") & (table["cell_type"] == "T")]
    cycling = anakinra[anakinra["phase"] != "G1"].groupby("patient")["n"].sum()
    share = cycling / anakinra.groupby("patient")["n"].sum()
    toxic = pd.Series({p.name: p.toxic for p in patients()})[share.index]
    assert 0.04 < share[~toxic].median() < 0.09  # 6.1% and 22% as published
    assert 0.15 < share[toxic].median() < 0.3


def test_the_trend_under_anakinra_is_strongest_without_neurotoxicity():
    def gap(strength: float) -> dict[str, float]:
        return {p.name: treg_share(p, strength) for p in patients() if p.anakinra}

    share = gap(1.0)
    by = {(p.crs_high, p.nt_high): share[p.name] for p in patients() if p.anakinra}
    assert by[True, False] > by[True, True] > by[False, False] == by[False, True]
    assert len(set(gap(0.0).values())) == 1


def test_fill_keeps_the_sum_and_the_needs(generator):
    for _ in range(50):
        natural = generator.uniform(0, 10, 8)
        need = generator.uniform(0, 5, 8)
        total = int(generator.integers(20, 200))
        out = fill(natural, need, total)
        assert out.sum() == total
        if need.sum() < total:
            assert np.all(out >= np.floor(need))
