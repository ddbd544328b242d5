"""The road from samples.csv to the report: whole, resumed, repeated, and with a change on the way."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import cartscope
from cartscope import io
from cartscope._errors import InputError
from cartscope._schema import SCHEMAS
from cartscope.study import Settings, all_figures, all_steps, reproduce, wanted_steps
from cartscope.study._closing import _without_grades, closing_lines, saved_settings
from cartscope.study._state import code_files

# run.json is outside the promise; work/ holds its bookkeeping
PROMISED = ("cells.h5ad", "claims.csv", "claims_detail.csv", "report.html", "provenance.json")


def promised(out):
    files = [out / name for name in PROMISED]
    for folder in ("tables", "figures"):
        files += sorted(p for p in (out / folder).rglob("*") if p.is_file())
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def test_every_step_ran_in_order(finished):
    names = [s.name for s in finished.steps]
    assert names == list(all_steps())
    assert not any(s.skipped for s in finished.steps)
    assert names.index("ingest") < names.index("qc") < names.index("car") < names.index("claims")


def test_it_leaves_what_it_promises(finished):
    out = finished.context.settings.out
    for name in (*PROMISED, "run.json"):
        assert (out / name).stat().st_size > 0, name
    for panel in all_figures():
        for suffix in ("pdf", "png"):
            assert (out / "figures" / f"fig{panel.lower()}.{suffix}").stat().st_size > 0
        source = out / "figures" / "source_data" / f"fig{panel.lower()}.csv"
        assert len(pd.read_csv(source)) > 0, panel


@pytest.mark.parametrize(
    "name",
    [
        "qc",
        "car_calls",
        "composition",
        "cycling",
        "corrected",
        "corrected_patients",
        "de",
        "gsea",
        "ligrec",
        "contrasts",
        "ambient",
        "label_agreement",
        "signatures_by_type",
    ],
)
def test_every_table_follows_its_schema_and_has_a_row(finished, name):
    table = finished.context.read_table(f"tables/{name}.csv")
    assert list(SCHEMAS[name].check(table).columns) == list(table.columns)
    assert len(table) > 0


def test_missed_car_t_cells_are_told_by_detection_in_every_patient(finished):
    ctx = finished.context
    table, patients = (
        ctx.read_table(f"tables/{name}.csv") for name in ("corrected", "corrected_patients")
    )
    calls = ctx.read_table("tables/car_calls.csv").set_index("patient")
    assert set(patients["method"]) == {"detection"}
    assert set(table["method"]) == {"detection"}
    assert (table[["se_group", "se_reference"]] > 0).any(axis=None)
    one = patients.drop_duplicates("patient").set_index("patient")
    assert one["missed_share"].between(one["missed_low"], one["missed_high"]).all()
    # the audit and the correction say the same of a patient with one unsorted library
    gap = one["missed_share"] - calls.loc[one.index, "missed_share"]
    assert gap.abs().max() < 1e-9
    clipped = patients[patients["n_cells"] >= 25].groupby(["contrast", "population"])["clipped"]
    said = table.set_index(["contrast", "population"])["n_clipped"]
    assert (said.loc[clipped.sum().index] == clipped.sum()).all()


def test_the_cells_keep_the_contract(finished):
    out = finished.context.settings.out
    adata = io.read_cells(out / "cells.h5ad")
    io.validate(adata)
    assert adata.layers["counts"].dtype.kind == "u"
    assert adata.obs_names[0].startswith(f"{adata.obs['sample'].iloc[0]}_")
    assert {"cell_type", "car_status", "t_subset", "phase", "plate"} <= set(adata.obs)
    assert np.shares_memory(adata.X.indices, adata.layers["counts"].indices)
    scanpys = anndata.read_h5ad(out / "cells.h5ad")
    assert scanpys.shape == adata.shape


def test_a_contrast_whose_groups_are_there_is_tested_and_the_others_give_no_row(finished):
    ctx = finished.context
    contrasts = ctx.read_table("tables/contrasts.csv").drop_duplicates("contrast")
    tested = set(contrasts.loc[contrasts["status"] == "tested", "contrast"])
    assert "mono_crs_anakinra" in tested
    assert "ip_cd4_crs_no_anakinra" not in tested
    assert set(ctx.read_table("tables/de.csv")["contrast"]) <= tested
    row = contrasts.set_index("contrast").loc["mono_crs_anakinra"]
    assert (row["n_group"], row["n_reference"]) == (4, 6)


def test_every_claim_has_a_verdict_and_a_reason(finished):
    claims = finished.context.read_table("claims.csv")
    assert len(claims) == 48
    assert (claims["verdict"] != "").all()
    assert (claims["reason"] != "").all()
    assert not claims["verdict"].eq("reproduced").any()
    assert claims["caveats"].str.contains("SIMULATED").all()


def test_simulated_data_are_marked_wherever_they_show(finished):
    out = finished.context.settings.out
    page = (out / "report.html").read_text("utf-8")
    assert "SIMULATED" in page
    assert "SIMULATED" in page.split("</title>")[0]


def test_the_report_stands_alone(finished):
    page = (finished.context.settings.out / "report.html").read_text("utf-8")
    loaded = re.findall(r'(?:src|href)="(?!#|data:|https://doi\.org/)([^"]*)"', page)
    assert loaded == []
    assert page.count("data:image/png;base64,") == len(all_figures())
    for panel in all_figures():
        assert f'id="fig-{panel}"' in page


def test_provenance_has_no_path_no_date_and_no_jobs(finished):
    text = (finished.context.settings.out / "provenance.json").read_text("utf-8")
    content = json.loads(text)
    assert len(content["inputs"]) == 11  # ten matrices and samples.csv
    assert content["seed"] == 1
    assert content["parameters"]["qc"]["min_genes"] == 200
    assert str(finished.context.settings.out) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d|jobs", text)


def test_a_second_run_does_nothing_and_touches_nothing(finished, copy_of):
    settings = copy_of()
    before = promised(settings.out)
    again = reproduce(settings)
    assert [s.name for s in again.steps if not s.skipped] == []
    assert promised(settings.out) == before
    assert closing_lines(again)[0].endswith("is up to date")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    finished, study_dir, quick_manifests, tmp_path
):
    settings = Settings(
        data=str(study_dir), out=tmp_path / "killed", manifests=quick_manifests, seed=1, jobs=2
    )

    def kill(event, step):
        if event == "started" and step.name == "car":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce(settings, notify=kill)
    assert not (settings.out / "cells.h5ad").exists()
    assert not (settings.out / "run.json").exists(), "a stopped run is no run"
    record = json.loads((settings.out / "work" / "run.json").read_text("utf-8"))
    assert record["finished"] is False
    run = reproduce(settings)
    assert {s.name for s in run.steps if s.skipped} >= {"ingest", "qc", "embed", "cluster"}
    # two jobs and a stop in between against one job in one go
    assert promised(settings.out) == promised(finished.context.settings.out)


def test_a_changed_threshold_runs_only_what_rests_on_it(copy_of, quick_manifests, tmp_path):
    own = tmp_path / "own"
    (own / "params").mkdir(parents=True)
    text = (quick_manifests / "params" / "recommended.toml").read_text("utf-8")
    changed = text.replace("min_fraction = { value = 0.02", "min_fraction = { value = 0.3")
    assert changed != text
    (own / "params" / "recommended.toml").write_text(changed, "utf-8")
    settings = copy_of(manifests=own)
    old = pd.read_csv(settings.out / "tables" / "ligrec.csv")
    ran = {s.name for s in reproduce(settings).steps if not s.skipped}
    assert "ligrec" in ran
    assert not ran & {"ingest", "qc", "embed", "cluster", "annotate", "car", "de", "gsea"}
    assert len(pd.read_csv(settings.out / "tables" / "ligrec.csv")) < len(old)


def test_a_lost_artifact_is_made_again(copy_of):
    settings = copy_of()
    before = promised(settings.out)
    (settings.out / "tables" / "de.csv").unlink()
    (settings.out / "tables" / "pseudobulk_cd14_monocyte.h5ad").unlink()
    ran = [s.name for s in reproduce(settings).steps if not s.skipped]
    assert ran == ["pseudobulk", "de"]
    assert promised(settings.out) == before


def test_an_altered_table_is_not_believed(copy_of):
    settings = copy_of()
    before = promised(settings.out)
    path = settings.out / "tables" / "cycling.csv"
    path.write_text(path.read_text("utf-8").replace("cycling", "bicycling"), "utf-8")
    reproduce(settings)
    assert promised(settings.out) == before


def negative(adata):
    adata.X.data[0] = -1


def fractional(adata):
    adata.X.data[0] = 0.5


def duplicated(adata):
    adata.obs_names = [adata.obs_names[0], *adata.obs_names[:-1]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (None, r"not-there\.h5ad"),
        (negative, "negative"),
        (fractional, r"0\.5"),
        (duplicated, "barcode"),
    ],
)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_bad_input_leaves_earlier_results_as_they_were(
    copy_of, study_dir, tmp_path, spoil, message
):
    settings = copy_of()
    before = promised(settings.out) | {"run.json": (settings.out / "run.json").read_bytes()}
    table = pd.read_csv(study_dir / "samples.csv").head(3)
    table["path"] = [str(study_dir / p) for p in table["path"]]
    bad = tmp_path / "bad.h5ad"
    if spoil is None:
        bad = tmp_path / "not-there.h5ad"
    else:
        adata = anndata.read_h5ad(table.loc[0, "path"])
        counts = adata.layers["counts"].astype("float32")
        adata = anndata.AnnData(counts, obs=adata.obs, var=adata.var)
        spoil(adata)
        adata.write_h5ad(bad)
    table.loc[0, "path"] = str(bad)
    table.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(InputError, match=message):
        reproduce(copy_of(samples=tmp_path / "bad.csv"))
    after = promised(settings.out) | {"run.json": (settings.out / "run.json").read_bytes()}
    assert after == before
    # and the folder still knows the study it was made from
    again = reproduce(saved_settings(settings.out, jobs=1))
    assert promised(settings.out) == promised(again.context.settings.out)
    assert {s.name for s in again.steps if not s.skipped} <= {"samples"}


def test_caches_of_compilers_are_no_code(tmp_path):
    from cartscope.study._state import _code_digest

    before = _code_digest("cartscope.study.steps.qc")
    cache = Path(cartscope.__file__).parent / "pp" / "__pycache__" / "made-by-a-test.nbi"
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"compiled")
    try:
        _code_digest.cache_clear()
        assert _code_digest("cartscope.study.steps.qc") == before
    finally:
        cache.unlink()


@pytest.mark.parametrize(
    ("step", "files"),
    [
        ("steps.de", ["comparisons/_fits.py", "comparisons/_groups.py", "steps/_rows.py"]),
        ("steps.composition", ["steps/_patients.py"]),
        ("steps.label_agreement", ["steps/annotate.py"]),
        ("figures.fig7e", ["panels/_ligrec.py", "comparisons/_ligrec_arms.py"]),
        ("steps.influence", ["redo/_refits.py", "redo/_in_memory.py", "steps/de.py"]),
        ("steps.permutations", ["redo/_label_tests.py", "redo/_permuted.py"]),
        ("steps.claims", ["ledger/_readings.py", "judges/_calls.py", "comparisons/_weighted.py"]),
        ("steps.report", ["report/_page.py", "figures/fig6a.py"]),
    ],
)
def test_a_step_is_stale_when_code_that_it_imports_has_changed(step, files):
    study = Path(cartscope.__file__).parent / "study"
    known = {p.relative_to(study) for p in code_files(f"cartscope.study.{step}")
             if p.is_relative_to(study)}  # fmt: skip
    assert {Path(f) for f in files} <= known
    assert Path("steps/qc.py") not in known or step.endswith("report")


@pytest.mark.parametrize(
    ("step", "param"),
    [("influence", "ligrec"), ("figure S9A-C", "composition"), ("figure 6I", "cycling")],
)
def test_a_step_declares_the_sections_of_the_preset_that_it_reads(step, param):
    assert param in all_steps()[step].params


def test_a_cohort_without_a_car_still_reaches_the_report(study_dir, quick_manifests, tmp_path):
    table = pd.read_csv(study_dir / "samples.csv").drop(columns="car_features")
    table["path"] = [str(study_dir / p) for p in table["path"]]
    own = tmp_path / "no-car.csv"
    table.to_csv(own, index=False)
    settings = Settings(
        data=str(study_dir), samples=own, out=tmp_path / "o", manifests=quick_manifests
    )
    run = reproduce(settings)
    assert any("no CAR feature was found in any library" in line for line in closing_lines(run))
    calls = run.context.read_table("tables/car_calls.csv")
    assert (calls["reason"] == "no CAR feature named").all()
    assert calls["positive_share"].isna().all()
    cycling = run.context.read_table("tables/cycling.csv")
    assert cycling["reason"].str.startswith("too few cells: none in the group").all()


def test_a_product_that_no_cell_has_is_unknown_in_its_own_libraries(study_dir, tmp_path):
    table = pd.read_csv(study_dir / "samples.csv")
    table["path"] = [str(study_dir / p) for p in table["path"]]
    table.loc[0, "car_features"] = "Kymriah"
    own = tmp_path / "two-products.csv"
    table.to_csv(own, index=False)
    run = reproduce(Settings(data=str(study_dir), samples=own, out=tmp_path / "o"), only=["car"])
    calls = run.context.read_table("tables/car_calls.csv").set_index("sample")
    kymriah = calls.loc[table.loc[0, "sample_id"]]
    assert kymriah["n_unknown"] == kymriah["n_t_cells"] > 0
    assert kymriah["reason"].startswith("Kymriah is among the genes but seen in no cell")
    assert np.isnan(kymriah["positive_share"])
    others = calls.drop(index=kymriah.name)
    ambient = run.context.read_table("tables/ambient.csv").set_index("sample")
    assert (calls["ambient_share"].fillna(-1) == ambient["ambient_share"].fillna(-1)).all()
    told = calls["ambient_share"].notna()
    assert told.any()
    assert (calls.loc[told, "ambient_share"] < 0.2).all()
    assert (calls.loc[~told, "ambient_reason"] != "").all()
    assert others["car_reads_ambient"].notna().any()
    assert (others["n_positive"] > 0).all()
    assert not others["reason"].str.contains("seen in no cell").any()
    line = "Kymriah is seen in no cell, so the CAR status in 1 libraries is unknown"
    assert any(line in said for said in closing_lines(run))


def test_a_single_small_sample_reaches_the_report(study_dir, quick_manifests, tmp_path):
    table = pd.read_csv(study_dir / "samples.csv")[["sample_id", "path", "patient"]].head(1)
    table["path"] = [str(study_dir / p) for p in table["path"]]
    own = tmp_path / "one.csv"
    table.to_csv(own, index=False)
    settings = Settings(
        data=str(study_dir), samples=own, out=tmp_path / "o", manifests=quick_manifests
    )
    run = reproduce(settings)
    claims = run.context.read_table("claims.csv")
    # a stranger's sample neither supports nor refutes the paper; that it contradicts itself stays
    torn = claims["verdict"] == "inconsistent in the source"
    assert set(claims.loc[~torn, "verdict"]) == {"not testable"}
    assert set(claims.loc[torn, "id"]) <= {c.id for c in run.context.manifests.claims if c.readings}


@pytest.mark.parametrize("kind", ["manifest", "label"])
def test_a_misspelt_name_is_refused_before_anything_runs(study_dir, tmp_path, kind):
    options = {}
    if kind == "manifest":
        (tmp_path / "contrast.toml").write_text("", "utf-8")
        options["manifests"], message = tmp_path, "Did you mean 'contrasts.toml'"
    else:
        (tmp_path / "labels.csv").write_text("cell,cell_type\na,Wombat\n", "utf-8")
        options["labels"], message = tmp_path / "labels.csv", "cell_type is 'Wombat'"
    with pytest.raises(InputError, match=re.escape(message)):
        reproduce(Settings(data=str(study_dir), out=tmp_path / "o", **options))
    assert not (tmp_path / "o" / "tables").exists()


def test_without_grades_the_rest_still_runs(study_dir, quick_manifests, tmp_path):
    table = pd.read_csv(study_dir / "samples.csv").drop(columns=["crs_grade", "nt_grade"])
    table["path"] = [str(study_dir / p) for p in table["path"]]
    own = tmp_path / "no-grades.csv"
    table.to_csv(own, index=False)
    settings = Settings(
        data=str(study_dir), samples=own, out=tmp_path / "o", manifests=quick_manifests
    )
    run = reproduce(settings, only=["claims", "contrasts"])
    lines = closing_lines(run)
    assert any("no CRS and NT grade for 10 patients" in line for line in lines)
    assert any("--grades grades.csv" in line for line in lines)
    contrasts = run.context.read_table("tables/contrasts.csv").set_index("contrast")
    row = contrasts.loc["cycling_car_neg_anakinra"]
    assert row["status"] == "not testable"
    assert "grades unknown for 10 patients" in row["reason"]
    de = run.context.read_table("tables/de.csv")
    assert (de["reason"] != "").all(), "an empty table says why, contrast by contrast"
    claims = run.context.read_table("claims.csv").set_index("id")
    assert claims.loc["monocyte-il1-down", "verdict"] == "not testable"
    assert "grades" in claims.loc["monocyte-il1-down", "reason"]


def test_options_of_a_run_are_found_again(finished):
    settings = saved_settings(finished.context.settings.out, jobs=3)
    assert settings.seed == 1
    assert settings.jobs == 3
    assert settings.manifests == finished.context.settings.manifests


def test_no_run_to_go_on_from(tmp_path):
    with pytest.raises(InputError, match="no run has written here; run `cartscope reproduce"):
        saved_settings(tmp_path, jobs=1)


def test_wanted_steps_bring_what_they_need():
    assert [s.name for s in wanted_steps(["ingest"])] == ["source", "samples", "ingest"]
    with pytest.raises(InputError, match=r"step is 'contrast'.* Did you mean 'contrasts'"):
        wanted_steps(["contrast"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "nowhere"}, "--data nowhere: no such folder"),
        ({"preset": "best"}, "--preset is 'best', but must be one of"),
        ({"jobs": 0}, "--jobs is 0, but must be 1 or more"),
        ({"seed": -1}, "--seed is -1"),
        (
            {"engine": "dask"},
            "--engine dask is not there yet in this version: every step runs in memory",
        ),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler is not there yet"),
        ({"clinical": "nowhere"}, "--clinical is not there yet"),
        ({"grades": "nowhere.csv"}, "--grades nowhere.csv: no such file"),
        ({"manifests": "nowhere"}, "--manifests nowhere: no such folder"),
    ],
)
def test_impossible_options_are_named(tmp_path, options, message):
    paths = {k: Path(v) for k, v in options.items() if k in ("grades", "manifests", "clinical")}
    with pytest.raises(InputError, match=re.escape(message)):
        reproduce(Settings(out=tmp_path / "o", **{**options, **paths}))
    assert not (tmp_path / "o" / "tables").exists()


def test_an_empty_folder_says_what_to_write(tmp_path):
    with pytest.raises(InputError, match=r"neither geo/series nor samples\.csv"):
        reproduce(Settings(data=str(tmp_path), out=tmp_path / "o"))


def test_only_the_grade_that_is_missing_is_asked_for():
    class Run:
        def read_table(self, artifact):
            return pd.DataFrame({"patient": ["A", "B"], "crs_grade": [1, 2]})

    first, then = _without_grades(Run())
    assert first == "no NT grade for 2 patients: A B"
    assert "that grade" in then


def test_labels_of_the_users_take_the_place_of_ours(copy_of, tmp_path):
    ours = anndata.read_h5ad(copy_of().out / "cells.h5ad").obs["cell_type"].astype(str)
    # one type is called otherwise, one has no label, one is not in the file
    theirs = ours.replace({"NK": "T", "B": ""})[ours.ne("CD14 monocyte")]
    path = tmp_path / "labels.csv"
    theirs.rename_axis("cell").rename("cell_type").to_csv(path)
    settings = copy_of(labels=path)
    reproduce(settings, only=["cells"])
    found = anndata.read_h5ad(settings.out / "cells.h5ad").obs["cell_type"].astype(str)
    assert {"NK", "B", "CD14 monocyte"} <= set(ours)
    assert found.tolist() == ours.replace({"NK": "T"}).tolist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cell,majority\n{cell},T\n", r"labels\.csv: has no column cell_type; it has majority"),
        (
            "cell,cell_type\n{cell},t cell\n",
            r"labels\.csv: cell_type is 't cell', but must be one of",
        ),
    ],
)
def test_labels_that_name_no_cell_type_are_refused(copy_of, tmp_path, text, said):
    settings = copy_of()
    cell = anndata.read_h5ad(settings.out / "cells.h5ad", backed="r").obs_names[0]
    path = tmp_path / "labels.csv"
    path.write_text(text.format(cell=cell))
    with pytest.raises(InputError, match=said):
        reproduce(copy_of(labels=path), only=["annotate"])
