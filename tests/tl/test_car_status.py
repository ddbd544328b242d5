from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.tl._car_model import fit_car, fit_rates, local_features


def recall_and_false(adata):
    called = (adata.obs["car_status"] == "positive").to_numpy()
    t = (adata.obs["cell_type"] == "T").to_numpy()
    true = adata.obs["true_car"].to_numpy()
    return called[t & true].mean(), called[t & ~true].mean()


def test_published_is_one_umi(cells):
    cs.tl.car_status(cells, features=["Yescarta"], rule="published")
    positive = cells.obs["car_status"] == "positive"
    assert (positive == (cells.obs["car_counts"] >= 1)).all()
    quiet = cells.obs["car_counts"] == 0
    assert set(cells.obs["car_status"][quiet & cells.obs["sorted"]]) == {"unknown"}
    assert set(cells.obs["car_status"][quiet & ~cells.obs["sorted"]]) == {"negative"}


def test_recommended_finds_more_without_more_false_calls(cells):
    published = cs.tl.car_status(cells, features=["Yescarta"], rule="published", copy=True)
    recommended = cs.tl.car_status(cells, features=["Yescarta"], copy=True)
    old, new = recall_and_false(published), recall_and_false(recommended)
    assert new[0] > old[0] + 0.04
    called = recommended.obs["car_status"] == "positive"
    assert recommended.obs["true_car"][called].mean() > 0.95


def test_probabilities_are_calibrated(cells):
    cs.tl.car_status(cells, features=["Yescarta"])
    t = cells.obs[cells.obs["cell_type"] == "T"]
    bins = pd.cut(t["car_probability"], [-0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0])
    by = t.groupby(bins, observed=True)
    gap = by["car_probability"].mean() - by["true_car"].mean()
    assert (gap.abs() * by.size()).sum() / len(t) < 0.05
    by_sample = t.groupby("sample")[["car_probability", "true_car"]].mean()
    assert (by_sample["car_probability"] - by_sample["true_car"]).abs().max() < 0.06


def test_recommended_is_blind_to_the_sort_gate(cells):
    other = cells.copy()
    other.obs["sorted"] = ~other.obs["sorted"]
    for adata in (cells, other):
        cs.tl.car_status(adata, features=["Yescarta"])
    np.testing.assert_array_equal(cells.obs["car_probability"], other.obs["car_probability"])
    del other.obs["sorted"]
    cs.tl.car_status(other, features=["Yescarta"])
    np.testing.assert_array_equal(cells.obs["car_probability"], other.obs["car_probability"])


def test_the_sort_gate_enters_only_by_name(cells):
    """A named purity moves cells without a count in sorted samples, and next to nothing elsewhere."""
    blind = cs.tl.car_status(cells, features=["Yescarta"], copy=True)
    assert np.isnan(blind.uns["cartscope"]["car_status"]["sort_purity"])
    settings = {"sort_purity": 0.99, "sort_purity_cells": 2000}
    told = cs.tl.car_status(cells, features=["Yescarta"], settings=settings, copy=True)
    assert told.uns["cartscope"]["car_status"]["sort_purity"] == 0.99
    no_count = (cells.obs["cell_type"] == "T") & (told.obs["car_counts"] == 0)
    gain = told.obs["car_probability"] - blind.obs["car_probability"]
    here = no_count & cells.obs["sorted"]
    assert told.obs["car_probability"][here].mean() > blind.obs["car_probability"][here].mean()
    assert gain[no_count & ~cells.obs["sorted"]].abs().mean() < 0.02  # by shared slopes alone
    low = cs.tl.car_status(
        cells, features=["Yescarta"], settings=settings | {"sort_purity": 0.3}, copy=True
    )
    assert low.obs["car_probability"][here].mean() < blind.obs["car_probability"][here].mean()
    blank = cells.copy()
    del blank.obs["sorted"]
    cs.tl.car_status(blank, features=["Yescarta"], settings=settings)
    np.testing.assert_allclose(blank.obs["car_probability"], blind.obs["car_probability"])
    with pytest.raises(InputError, match=r"sort_purity is 1, but must be above 0 and below 1"):
        cs.tl.car_status(cells, features=["Yescarta"], settings={"sort_purity": 1})


def test_few_car_cells_do_not_make_every_t_cell_one(cells):
    """With the share free in the likelihood, rate and share run away: all T cells become CAR."""
    car = cells.obs["true_car"].to_numpy()
    keep = ~car | (np.cumsum(car) % 40 == 0)
    few = cells[keep & (cells.obs["sample"] != "sorted").to_numpy()].copy()
    few.obs["sample"] = "one"
    cs.tl.car_status(few, features=["Yescarta"])
    assert recall_and_false(few)[1] < 0.01
    t = few.obs["cell_type"] == "T"
    assert few.obs["car_probability"][t].sum() < 4 * few.obs["true_car"].sum() + 5


def test_ambient_counts_are_not_car_t_cells(cells):
    """Every cell of a sample gets CAR counts from the soup; control cells show how many."""
    rng = np.random.default_rng(0)
    soup = cells[cells.obs["sample"] == "none"].copy()
    counts = soup.layers["counts"].tolil()
    counts[:, -1] = rng.poisson(0.3, (soup.n_obs, 1))
    soup.layers["counts"] = counts.tocsr().astype(np.int64)
    one = cs.tl.car_status(soup, features=["Yescarta"], rule="published", copy=True)
    cs.tl.car_status(soup, features=["Yescarta"])
    assert recall_and_false_share(one) > 0.2
    assert recall_and_false_share(soup) < 0.1


def recall_and_false_share(adata):
    t = adata.obs["cell_type"] == "T"
    return (adata.obs["car_status"][t] == "positive").mean()


def test_no_car_feature_is_an_answer_not_a_crash(cells):
    for rule in ("published", "recommended"):
        cs.tl.car_status(cells, features=["Abecma"], rule=rule)
        assert set(cells.obs["car_status"]) == {"unknown"}
        assert cells.obs["car_probability"].isna().all()
        note = cells.uns["cartscope"]["car_status"]
        assert "none of the CAR features ['Abecma']" in note["reason"]
        table = cs.tl.car_audit(cells)
        assert table["reason"].str.contains("none of the CAR features").all()


def test_a_product_that_no_feature_is_named_for_is_named_itself(cells):
    cells.obs["product"] = np.where(cells.obs["sample"] == "none", "liso-cel", "axi-cel")
    cells.obs.loc[cells.obs["sample"] == "sorted", "product"] = None
    settings = {"product_key": "product"}
    features = {"axi-cel": ["Yescarta"]}
    cs.tl.car_status(cells, features=features, rule="published", settings=settings)
    note = cells.uns["cartscope"]["car_status"]
    assert note["not_called"].tolist() == ["none"]
    assert note["not_called_because"].tolist() == [
        "no CAR feature is named for its product ['liso-cel']; features has ['axi-cel']"
    ]
    both = {"axi-cel": ["Abecma"], "tisa-cel": ["Kymriah"]}
    cs.tl.car_status(cells, features=both, rule="published", settings=settings)
    note = cells.uns["cartscope"]["car_status"]
    why = dict(zip(note["not_called"], note["not_called_because"], strict=True))
    assert why["blood"] == "none of its CAR features ['Abecma'] is among the genes"
    assert why["sorted"] == "none of its CAR features ['Abecma', 'Kymriah'] is among the genes"


def test_cells_without_a_sample_are_refused(cells):
    """They were counted to the last sample."""
    cells.obs["sample"] = cells.obs["sample"].astype(object).where(np.arange(cells.n_obs) > 2)
    with pytest.raises(InputError, match=r"obs\['sample'\] is missing for 3 cells; fill it in"):
        cs.tl.car_status(cells, features=["Yescarta"])


def test_several_cars_and_the_patients_own_product(cells):
    import anndata as ad
    from scipy import sparse

    more = ad.AnnData(
        sparse.csr_matrix(np.ones((cells.n_obs, 1), dtype=np.float32)),
        obs=cells.obs[[]],
        var=pd.DataFrame(index=["KYMRIAH"]),
        layers={"counts": sparse.csr_matrix(np.ones((cells.n_obs, 1), dtype=np.uint16))},
    )
    both = ad.concat([cells, more], axis=1, merge="first")
    both.obs = cells.obs.copy()
    both.obs["product"] = np.where(both.obs["sample"] == "none", "tisa-cel", "axi-cel")
    both.obs.loc[both.obs.index[0], "product"] = "other"
    features = {"axi-cel": ["Yescarta"], "tisa-cel": ["Kymriah"]}
    settings = {"product_key": "product"}
    cs.tl.car_status(both, features=features, rule="published", settings=settings)
    assert both.obsm["car_counts"].shape == (both.n_obs, 2)
    axi = (both.obs["product"] == "axi-cel").to_numpy()
    yescarta = both.obsm["car_counts"][:, 0]
    np.testing.assert_array_equal(both.obs["car_counts"][axi], yescarta[axi])
    assert (both.obs["car_counts"][(both.obs["product"] == "tisa-cel")] == 1).all()
    assert both.obs["car_status"].iloc[0] == "unknown"
    cs.tl.car_status(both, features=["yescarta", "KYMRIAH"], rule="published")
    np.testing.assert_array_equal(both.obs["car_counts"], both.obsm["car_counts"].sum(axis=1))


@pytest.mark.parametrize("rule", ["published", "recommended"])
def test_nothing_is_positive_before_the_infusion(cells, rule):
    cells.obs.loc[cells.obs["sample"] == "blood", "timepoint"] = "baseline"
    settings = {"none_where": {"timepoint": ["baseline"]}}
    cs.tl.car_status(cells, features=["Yescarta"], rule=rule, settings=settings)
    before = cells.obs["timepoint"] == "baseline"
    assert set(cells.obs["car_status"][before]) == {"negative"}
    assert (cells.obs["car_probability"][before] == 0).all()
    assert (cells.obs["car_status"][~before] == "positive").any()


def test_control_cells_are_rarely_called(cells):
    cs.tl.car_status(cells, features=["Yescarta"])
    control = cells.obs["cell_type"] != "T"
    assert (cells.obs["car_status"][control] == "positive").mean() < 0.005


def test_order_of_cells_does_not_matter(cells):
    turned = cells[::-1].copy()
    for adata in (cells, turned):
        cs.tl.car_status(adata, features=["Yescarta"])
    np.testing.assert_allclose(
        cells.obs["car_probability"], turned.obs["car_probability"][::-1], atol=1e-3
    )


def test_rates_from_positive_counts_are_unbiased_by_the_share():
    rng = np.random.default_rng(1)
    n = 12_000
    depth = rng.lognormal(7.5, 0.5, n)
    rate, size = 5e-4, 4.0
    for share in (0.2, 0.5, 1.0):
        mean = depth * rate * (rng.random(n) < share)
        y = rng.poisson(mean * rng.gamma(size, 1 / size, n)).astype(float)
        v = fit_rates(y, depth, np.zeros(n, int), weights=(y > 0) * 1.0, n_samples=1)
        assert np.exp(v[0] + v[2]) == pytest.approx(rate, rel=0.12)
        # the mean of the positive counts is what it would be without truncation
        assert y[y > 0].sum() / depth[y > 0].sum() > 1.2 * rate


def test_slope_of_the_truncated_likelihood_is_its_slope(monkeypatch):
    from scipy.optimize import approx_fprime

    from cartscope.tl import _car_model

    seen = {}

    def spy(loss, start, **how):
        seen.update(loss=loss, start=start)
        return minimize(loss, start, **how)

    minimize = _car_model.minimize
    monkeypatch.setattr(_car_model, "minimize", spy)
    rng = np.random.default_rng(0)
    depth, samples = rng.lognormal(8, 0.5, 300), rng.integers(0, 3, 300)
    y = rng.poisson(depth * 5e-4).astype(float)
    fit_rates(y, depth, samples, weights=(y > 0) * 0.9, n_samples=3)
    at = seen["start"] + 0.2
    numeric = approx_fprime(at, lambda v: seen["loss"](v)[0], 1e-6)
    np.testing.assert_allclose(seen["loss"](at)[1], numeric, rtol=1e-3, atol=1e-2)


def test_model_without_candidates_says_nan():
    fit = fit_car(
        np.array([0, 1]),
        np.array([100, 100]),
        np.array([0, 0]),
        candidate=np.zeros(2, bool),
        control=np.ones(2, bool),
    )
    assert np.isnan(fit.share).all()


def test_local_features_say_nothing_of_samples():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 5))
    samples = np.repeat([0, 1], 100)
    points[samples == 1] += 50
    axes = local_features(points, samples, among=np.ones(200, bool), n_comps=2)
    assert abs(axes[samples == 0].mean() - axes[samples == 1].mean()) < 1e-9


def test_wrong_input_raises(cells):
    with pytest.raises(InputError, match=r"rule is 'new'"):
        cs.tl.car_status(cells, features=["Yescarta"], rule="new")
    with pytest.raises(InputError, match=r"settings: .*fields are"):
        cs.tl.car_status(cells, features=["Yescarta"], settings={"x": 1})
    with pytest.raises(InputError, match=r"product_key is 'prodct'"):
        cs.tl.car_status(cells, features={"a": ["b"], "c": ["Yescarta"]},
                         settings={"product_key": "prodct"})  # fmt: skip
    with pytest.raises(MissingKeyError, match=r"'lib'.*io.read_cohort"):
        cs.tl.car_status(cells, features=["Yescarta"], settings={"sample_key": "lib"})
    del cells.obs["cell_type"]
    with pytest.raises(MissingKeyError, match=r"'cell_type'.*run tl.annotate first"):
        cs.tl.car_status(cells, features=["Yescarta"])


def test_copy_leaves_the_input_alone(cells):
    before, uns = cells.obs.copy(), dict(cells.uns)
    assert "car_status" in cs.tl.car_status(cells, features=["Yescarta"], copy=True).obs
    pd.testing.assert_frame_equal(cells.obs, before)
    assert dict(cells.uns) == uns


def test_result_can_be_written(cells, tmp_path):
    import anndata as ad

    cs.tl.car_status(cells, features=["Yescarta"])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert list(back.obs["car_status"]) == list(cells.obs["car_status"])


@pytest.mark.reference
def test_real_sorted_libraries_beat_one_umi_blind_to_the_gate(carpall):
    """One UMI finds 81.5% (P10) and 75.2% (P11) of the authors' CAR T cells."""
    one = cs.tl.car_status(carpall, features=["cat_scfv"], rule="published", copy=True)
    cs.tl.car_status(carpall, features=["cat_scfv"])
    author = carpall.obs["author"].to_numpy()
    for sample, published in (("CAR-T10310323", 0.815), ("CAR-T10484041", 0.752)):
        here = author & (carpall.obs["sample"] == sample).to_numpy()
        assert (one.obs["car_status"][here] == "positive").mean() == pytest.approx(
            published, abs=0.005
        )
        assert (carpall.obs["car_status"][here] == "positive").mean() > published + 0.1
    for sample in ("CAR-T10310325", "CAR-T10484042"):
        here = (carpall.obs["sample"] == sample).to_numpy()
        false = (carpall.obs["car_status"][here] == "positive").sum()
        assert false <= (one.obs["car_status"][here] == "positive").sum()


def without_counts(cells):
    out = cells.copy()
    counts = out.layers["counts"].tolil()
    counts[:, -1] = 0
    out.layers["counts"] = counts.tocsr()
    return out


@pytest.mark.parametrize("rule", ["published", "recommended"])
def test_a_car_that_no_cell_has_is_unknown_and_says_why(cells, rule, caplog):
    """Zeros alone do not tell a sample without CAR T cells from a transcript not looked for."""
    none = without_counts(cells)
    with caplog.at_level("INFO", logger="cartscope.tl"):
        cs.tl.car_status(none, features=["Yescarta"], rule=rule)
    assert set(none.obs["car_status"]) == {"unknown"}
    assert none.obs["car_probability"].isna().all()
    note = none.uns["cartscope"]["car_status"]
    assert (
        note["reason"] == "the CAR features ['yescarta'] are seen in no cell, so none can be called"
    )
    assert note["unseen"] == ["yescarta"]
    assert list(note["not_called"]) == ["blood", "none", "sorted"]
    assert "CAR status of blood unknown: yescarta is among the genes but" in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}
    table = cs.tl.car_audit(none)
    assert table["reason"].str.contains("seen in no cell").all()
    assert (table["n_unknown"] == table["n_t_cells"]).all()
    assert table[["positive_share", "true_share", "published_share"]].isna().all(axis=None)


@pytest.mark.parametrize("rule", ["published", "recommended"])
def test_before_the_infusion_a_car_that_no_cell_has_is_negative(cells, rule):
    none = without_counts(cells)
    none.obs.loc[none.obs["sample"] == "blood", "timepoint"] = "baseline"
    settings = {"none_where": {"timepoint": ["baseline"]}}
    cs.tl.car_status(none, features=["Yescarta"], rule=rule, settings=settings)
    before = none.obs["timepoint"] == "baseline"
    assert set(none.obs["car_status"][before]) == {"negative"}
    assert (none.obs["car_probability"][before] == 0).all()
    assert set(none.obs["car_status"][~before]) == {"unknown"}


def two_products(cells, *, kymriah):
    """Sample "none" had tisa-cel, of which the library holds ``kymriah`` or, if None, nothing."""
    import anndata as ad
    from scipy import sparse

    out = cells.copy()
    if kymriah is not None:
        value = sparse.csr_matrix(np.full((cells.n_obs, 1), kymriah, dtype=np.uint16))
        value.eliminate_zeros()
        more = ad.AnnData(
            value.astype(np.float32),
            obs=cells.obs[[]],
            var=pd.DataFrame(index=["Kymriah"]),
            layers={"counts": value},
        )
        obsm = dict(cells.obsm)
        out = ad.concat([cells, more], axis=1, merge="first")
        out.obs = cells.obs.copy()
        out.obsm.update(obsm)
    out.obs["product"] = np.where(out.obs["sample"] == "none", "tisa-cel", "axi-cel")
    return out


FEATURES = {"axi-cel": ["Yescarta"], "tisa-cel": ["Kymriah"]}


@pytest.mark.parametrize("rule", ["published", "recommended"])
@pytest.mark.parametrize(
    ("kymriah", "why"), [(0, "seen in no cell"), (None, "['Kymriah'] is among")]
)
def test_a_product_that_no_cell_has_leaves_the_other_product_as_it_is(cells, rule, kymriah, why):
    both = two_products(cells, kymriah=kymriah)
    how = {"product_key": "product"}
    cs.tl.car_status(both, features=FEATURES, rule=rule, settings=how)
    tisa = (both.obs["product"] == "tisa-cel").to_numpy()
    assert set(both.obs["car_status"][tisa]) == {"unknown"}
    alone = both[~tisa].copy()
    cs.tl.car_status(alone, features=FEATURES, rule=rule, settings=how)
    assert list(alone.obs["car_status"]) == list(both.obs["car_status"][~tisa])
    np.testing.assert_allclose(alone.obs["car_probability"], both.obs["car_probability"][~tisa])
    note = both.uns["cartscope"]["car_status"]
    assert note["reason"] == ""
    assert list(note["not_called"]) == ["none"]
    assert why in note["not_called_because"][0]
    table = cs.tl.car_audit(both, settings=how).set_index("sample")
    assert why in table.loc["none", "reason"]
    assert np.isnan(table.loc["none", "positive_share"])
    own = cs.tl.car_audit(alone, settings=how).set_index("sample")
    pd.testing.assert_frame_equal(
        table.loc[own.index].drop(columns="car_features"), own.drop(columns="car_features")
    )


def test_named_for_every_cell_the_car_that_is_seen_decides(cells):
    both = two_products(cells, kymriah=0)
    cs.tl.car_status(both, features=["Yescarta", "Kymriah"])
    cs.tl.car_status(cells, features=["Yescarta"])
    assert list(both.obs["car_status"]) == list(cells.obs["car_status"])
    assert both.uns["cartscope"]["car_status"]["unseen"] == ["Kymriah"]


@pytest.mark.parametrize("missing", [None, "", np.nan])
def test_a_patient_of_unknown_product_may_have_any_car(cells, missing):
    both = two_products(cells, kymriah=1)
    both.obs["product"] = both.obs["product"].astype(object)
    at = (both.obs["sample"] == "blood").to_numpy()
    both.obs.loc[at, "product"] = missing
    cs.tl.car_status(both, features=FEATURES, rule="published", settings={"product_key": "product"})
    np.testing.assert_array_equal(
        both.obs["car_counts"][at], both.obsm["car_counts"][at].sum(axis=1)
    )


def test_what_was_not_called_outlives_the_file(cells, tmp_path):
    import anndata as ad

    both = two_products(cells, kymriah=0)
    how = {"product_key": "product"}
    for name, adata in (("some", both), ("all", two_products(cells, kymriah=1))):
        cs.tl.car_status(adata, features=FEATURES, settings=how)
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
        back = ad.read_h5ad(tmp_path / f"{name}.h5ad")
        pd.testing.assert_frame_equal(
            cs.tl.car_audit(back, settings=how), cs.tl.car_audit(adata, settings=how)
        )
