"""Which model each contrast is tested on, on SIMULATED profiles of the study's geometry."""

from __future__ import annotations

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cartscope import manifest as m
from cartscope import tl
from cartscope.simulate import simulate_pseudobulk
from cartscope.study.comparisons._fits import carried, plan_models
from cartscope.study.comparisons._pseudobulk import populations_for_de, pseudobulk_artifact
from cartscope.study.steps import de, estimability
from cartscope.study.steps.pseudobulk import above_cpm, sex_of_patients

MANIFEST = m.read_contrasts(m.manifest_dir() / "contrasts.toml")
ARMS = ("mono_crs_anakinra", "mono_crs_no_anakinra", "mono_crs_interaction")


@pytest.fixture(scope="module")
def profiles():
    """CD14 monocytes of every patient, and the sample table they belong to."""
    pdata = simulate_pseudobulk("cd14_monocyte", seed=4, min_cpm=60)
    pdata.obs["sex_inferred"] = pdata.obs["sex"]
    pdata.obs["timepoint"] = "day7"
    samples = pdata.obs[["patient", "study", "anakinra", "crs_grade", "nt_grade", "timepoint"]]
    samples = samples.assign(sample_id=samples["patient"], sorted="false").reset_index(drop=True)
    return pdata, samples


class Run(SimpleNamespace):
    """As much of a run as the steps ask for: tables are kept in memory."""

    def path(self, artifact):
        return self.folder / artifact.rsplit("/", 1)[-1]

    def read_table(self, artifact):
        return self.tables[artifact]

    def write_table(self, artifact, table):
        from cartscope._schema import SCHEMAS

        schema = SCHEMAS.get(artifact.rsplit("/", 1)[-1].removesuffix(".csv"))
        self.tables[artifact] = table if schema is None else schema.check(table)


@pytest.fixture
def make_run(profiles, tmp_path):
    def make(chosen=lambda obs: np.ones(len(obs), bool), columns=(), **changed):
        pdata, samples = profiles
        pdata = pdata[chosen(pdata.obs)].copy()
        pdata.obs = pdata.obs.drop(columns=list(columns)).assign(**changed)
        samples = samples[samples["patient"].isin(pdata.obs["patient"])]
        samples = samples.drop(columns=[c for c in columns if c in samples]).assign(
            **{c: v for c, v in changed.items() if c in samples}
        )
        for name in populations_for_de(MANIFEST):
            part = (pdata if name == "cd14_monocyte" else pdata[:0]).copy()
            part.var["above_cpm"] = True
            part.write_h5ad(tmp_path / pseudobulk_artifact(name).rsplit("/", 1)[-1])
        presets = {n: m.read_preset(m.manifest_dir() / f"params/{n}.toml") for n in de.PRESETS}
        return Run(
            folder=tmp_path,
            jobs=1,
            tables={"tables/samples.csv": samples},
            preset=presets["recommended"],
            settings=SimpleNamespace(preset="recommended"),
            manifests=SimpleNamespace(contrasts=MANIFEST, preset=presets.__getitem__),
        )

    return make


def model_of(plan, contrast):
    (found,) = [
        (model, t) for model in plan.models for t in model.tested if t.split.contrast.id == contrast
    ]
    return found


def test_contrasts_of_one_population_time_point_and_outcome_share_one_fit(make_run):
    plan = plan_models(make_run())
    models = [model_of(plan, c)[0] for c in ARMS]
    assert models[0] is models[1] is models[2]
    assert models[0].design == "~ anakinra * group + study"
    assert models[0].rows.n_obs == 30
    assert models[0].rows.obs["cell"].nunique() == 4
    other = model_of(plan, "mono_crs_interaction_without_study")[0]
    assert other is not models[0]
    assert other.design == "~ anakinra * group"


def test_both_versions_and_both_simple_effects_stand_in_the_tables(make_run):
    ctx = make_run()
    de.run(ctx)
    for preset in de.PRESETS:
        table = ctx.tables[f"tables/de_{preset}.csv"].set_index(["contrast", "gene"])["log2_fc"]
        for suffix in ("", "_without_study"):
            yes, no, between = (table[f"{c}{suffix}"] for c in ARMS)
            np.testing.assert_allclose(between, yes - no, atol=1e-4)
        apart = table["mono_crs_no_anakinra"] - table["mono_crs_no_anakinra_without_study"]
        assert apart.abs().median() > 0.01  # the four untreated patients of the new study
    fits = ctx.tables["tables/fits.csv"].set_index(["preset", "contrast"])
    said = fits.loc[("recommended", "mono_crs_interaction")]
    assert said["caveat"].startswith("not separable from study x CRS")
    assert said["design"] == "~ anakinra * group + study"
    assert fits.loc[("published", "mono_crs_anakinra"), "design"].endswith("+ sex_inferred")
    every = {c.id for c in MANIFEST.by_analysis("de") if c.interaction}
    caveats = fits["caveat"].xs("recommended")
    assert all(caveats[c].startswith("not separable from study x") for c in every)


def test_the_untreated_patients_of_the_new_study_have_weight_0_with_study_only(make_run):
    ctx = make_run()
    estimability.run(ctx)
    table = ctx.tables["tables/estimability.csv"].query("kind == 'contrast'").set_index("id")
    idle = table.loc["mono_crs_no_anakinra", "note"]
    assert idle.count("GSE246490-NoAnakinra-") == 4
    without = table.loc["mono_crs_no_anakinra_without_study"]
    assert without["patients"].count("GSE246490-NoAnakinra-") == 4
    assert without["n_patients"] == 20


def test_a_cohort_of_one_arm_tests_it_on_its_own_patients(make_run):
    ctx = make_run(lambda obs: obs["anakinra"].to_numpy())
    plan = plan_models(ctx)
    model, tested = model_of(plan, "mono_crs_anakinra")
    assert model.name == "mono_crs_anakinra"
    assert model.design == "~ group"
    assert tested.note == "not on fit mono_crs: anakinra is the same in every patient"
    de.run(ctx)
    (row,) = ctx.tables["tables/de.csv"].query("contrast == 'mono_crs_interaction'").itertuples()
    assert row.reason.startswith("not estimable: ")
    assert "'anakinra' has the single level 'True'" in row.reason


def test_without_the_study_the_fit_goes_on_and_says_so(make_run):
    model, _ = model_of(plan_models(make_run(columns=["study"])), "mono_crs_interaction")
    assert model.design == "~ anakinra * group"
    assert model.note == "without study: not known, or the same in every profile"


@pytest.mark.parametrize("how", ["no column", "empty"])
def test_a_cohort_that_does_not_know_its_arms_has_no_interaction_and_goes_on(make_run, how):
    """A samples.csv of the user's need not have the study's columns; the step once gave up."""
    given = {"columns": ["anakinra", "study"]} if how == "no column" else {"anakinra": ""}
    ctx = make_run(**given)
    de.run(ctx)
    table = ctx.tables["tables/de.csv"].set_index("contrast")
    assert table.loc["mono_crs_interaction", "reason"] == "no sample has anakinra"
    estimability.run(ctx)


def test_patients_whose_arm_is_unknown_are_not_in_a_model_of_their_own(make_run, profiles):
    arm = profiles[0].obs["anakinra"].astype(str).to_numpy(dtype=object)
    arm[arm == "False"] = ""
    ctx = make_run(anakinra=arm)
    model, _ = model_of(plan_models(ctx), "mono_crs_interaction")
    assert model.rows.n_obs == (arm == "True").sum()
    de.run(ctx)
    (row,) = ctx.tables["tables/de.csv"].query("contrast == 'mono_crs_interaction'").itertuples()
    assert "single level" in row.reason


def test_a_patient_whose_arm_is_unknown_is_left_out_of_the_fit_and_named(make_run, profiles):
    arm = profiles[0].obs["anakinra"].astype(str).to_numpy(dtype=object)
    arm[0] = "unknown"
    model, _ = model_of(plan_models(make_run(anakinra=arm)), "mono_crs_interaction")
    assert model.rows.n_obs == 29
    assert model.note == f"anakinra or study unknown: {profiles[0].obs_names[0]}"


def test_an_arm_with_one_patient_in_a_group_is_not_tested(make_run):
    def one_high(obs):
        high = obs.index[obs["anakinra"].to_numpy() & (obs["crs_grade"] >= 2).to_numpy()]
        return ~obs.index.isin(high[1:])

    plan = plan_models(make_run(one_high))
    assert dict(plan.untested)["mono_crs_anakinra"].startswith("too few cells: fewer than 2")
    assert model_of(plan, "mono_crs_no_anakinra")[0].name == "mono_crs"


def test_the_published_gene_filter_looks_at_every_row_before_the_table_is_split(profiles):
    # a gene of three patients with anakinra and two without passes, though neither arm has five
    pdata = profiles[0].copy()
    arm = pdata.obs["anakinra"].to_numpy()
    pdata.X[:, :2] = 0
    pdata.X[np.flatnonzero(arm)[:3], 0] = 2000
    pdata.X[np.flatnonzero(~arm)[:2], 0] = 2000
    pdata.X[np.flatnonzero(arm)[:4], 1] = 2000
    pdata.layers["counts"] = pdata.X.copy()
    parts = {"a": pdata[arm].copy(), "b": pdata[~arm].copy(), "c": pdata[:0].copy()}
    assert above_cpm(parts)[:2].tolist() == [True, False]
    assert above_cpm({"c": parts["c"]}) is False


def test_de_tests_the_genes_of_the_published_filter_that_have_counts(make_run):
    ctx = make_run()
    path = ctx.path(pseudobulk_artifact("cd14_monocyte"))
    pdata = anndata.read_h5ad(path)
    pdata.var["above_cpm"] = np.arange(pdata.n_vars) < 200
    pdata.X[:, 0], pdata.layers["counts"][:, 0] = 0, 0
    pdata.write_h5ad(path)
    de.run(ctx)
    table = ctx.tables["tables/de_published.csv"].query("contrast == 'mono_crs_interaction'")
    counted = pdata.X[:, :200].any(axis=0)
    assert table["gene"].tolist() == pdata.var_names[:200][counted].tolist()
    ledger = ctx.tables["tables/gene_filter.csv"].set_index(["contrast", "preset"])
    said = ledger.loc[("mono_crs_interaction", "published")]
    assert (said["n_tested"], said["n_genes"]) == (
        counted.sum(),
        said["n_tested"] + said["n_dropped"],
    )


def test_deseq2_stands_beside_the_recommended_test_on_the_same_genes(make_run):
    ctx = make_run()
    de.run(ctx)
    ours, beside = (ctx.tables[f"tables/de_{n}.csv"] for n in ("recommended", "deseq2"))
    assert ctx.tables["tables/de.csv"].equals(ours)
    assert beside[["contrast", "gene"]].equals(ours[["contrast", "gene"]])
    tested = ours["p_value"].notna()
    assert np.isfinite(ours.loc[tested, "df"]).all()
    assert np.isinf(beside.loc[beside["p_value"].notna(), "df"]).all()
    assert tested.sum() > 1000
    assert spearmanr(ours["stat"], beside["stat"], nan_policy="omit")[0] > 0.98
    # fits.csv and gene_filter.csv are of the presets: the models and genes are the same
    assert set(ctx.tables["tables/fits.csv"]["preset"]) == set(de.PRESETS)
    compared = ctx.tables["tables/engine_comparison.csv"]
    pairs = compared.groupby(["a", "b"], sort=False)["contrast"].nunique()
    assert pairs.index.tolist() == [("recommended", "published"), ("recommended", "deseq2")]
    assert pairs.nunique() == 1


def test_the_recommended_test_rests_on_the_deseq2_fit_and_equals_its_own(make_run):
    ctx = make_run()
    de.run(ctx)
    table = ctx.tables["tables/de_recommended.csv"].query("contrast == 'mono_crs_anakinra'")
    model, tested = model_of(plan_models(ctx), "mono_crs_anakinra")
    rows = model.rows[:, table["gene"].to_numpy()].copy()
    fit = tl.fit_differential_expression(rows, design=model.design, engine="quasi_likelihood")
    again = fit.test(tested.term, name="mono_crs_anakinra")
    for column in ("log2_fc", "se", "stat", "df", "p_value", "fdr"):
        np.testing.assert_allclose(table[column], again[column])


def test_sex_is_that_of_the_patient_where_a_small_profile_leaves_it_unknown():
    def part(sexes):
        obs = pd.DataFrame({"patient": list("pqr"), "sex_inferred": sexes}, index=list("123"))
        return anndata.AnnData(np.zeros((3, 1)), obs=obs)

    large, small = part(["female", "male", "male"]), part(["unknown", "male", "female"])
    sex_of_patients({"large": large, "small": small})
    assert small.obs["sex_inferred"].tolist() == ["female", "male", "female"]
    assert large.obs["sex_inferred"].tolist() == ["female", "male", "male"]


def test_no_covariate_where_it_is_unknown_for_one(make_run, profiles):
    sex = profiles[0].obs["sex"].astype(str).to_numpy(dtype=object)
    sex[3] = "unknown"
    ctx = make_run(sex_inferred=sex)
    de.run(ctx)
    fits = ctx.tables["tables/fits.csv"].set_index(["preset", "contrast"])
    said = fits.loc[("published", "mono_crs_anakinra")]
    assert said["design"] == "~ anakinra * group + study"
    assert said["note"] == "without sex_inferred: unknown in 1 profiles"


@pytest.mark.parametrize(
    ("design", "kept", "note"),
    [
        ("~ group + study", "~ group + study", ""),
        ("~ group + site", "~ group", "without site"),
        ("~ anakinra * group + one", "~ anakinra * group", "without one"),
        ("~ patient + group", "~ patient + group", ""),
    ],
)
def test_covariates_that_the_profiles_do_not_have_are_left_out(design, kept, note):
    obs = pd.DataFrame({"study": list("aabb"), "one": "x", "patient": list("pqrs")})
    assert carried(design, obs)[0] == kept
    assert carried(design, obs)[1].startswith(note)


def test_an_arm_that_varies_more_is_tested_on_its_own_patients(make_run):
    ctx = make_run()
    path = ctx.path(pseudobulk_artifact("cd14_monocyte"))
    pdata = anndata.read_h5ad(path)
    rng = np.random.default_rng(0)
    treated = pdata.obs["anakinra"].to_numpy(dtype=bool)
    noisy = rng.poisson(pdata.X[treated] * rng.gamma(4, 0.25, pdata.X[treated].shape))
    pdata.X[treated] = noisy
    pdata.layers["counts"][treated] = noisy
    pdata.write_h5ad(path)
    plan = plan_models(ctx)
    model, tested = model_of(plan, "mono_crs_anakinra")
    assert model.design == "~ group"
    assert tested.note.startswith("not on fit mono_crs: dispersions differ: anakinra=False 1.0")
    assert model_of(plan, "mono_crs_no_anakinra")[0].design == "~ group + study"
    between, _ = model_of(plan, "mono_crs_interaction")
    assert between.name == "mono_crs"
    assert between.apart.startswith("dispersions differ")
