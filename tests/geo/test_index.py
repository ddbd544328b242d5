from __future__ import annotations

import shutil

import pandas as pd
import pytest

from cartscope import geo
from cartscope._errors import InputError, IntegrityError
from cartscope._schema import GEO_INDEX, SAMPLES
from cartscope.geo import series_dir
from cartscope.manifest import manifest_dir, read_geo_series

NEW, OLD = "GSE246490", "GSE197268"


@pytest.fixture(scope="module")
def manifests():
    return [read_geo_series(manifest_dir() / f"{name}.toml") for name in (NEW, OLD)]


@pytest.fixture
def comparator(tmp_path, manifests, build):
    """Every sample of GSE197268 under its real title, as a nested archive."""
    known = manifests[1].sample
    members = {f"{s.gsm}_{s.title}.tar.gz": build.nested(s.title) for s in known}
    samples = {s.gsm: {"title": s.title} for s in known}
    build.write_series(tmp_path, OLD, samples, members)
    return tmp_path


def new_cohort(root, build, titles, *, members=None, characteristics=None):
    samples = {
        f"GSMSIM{n:04d}": {"title": t, "characteristics": (characteristics or {}).get(t, {})}
        for n, t in enumerate(titles, start=1)
    }
    files = {
        f"{gsm}_{facts['title'].replace(' ', '-')}.tar.gz": build.nested("x")
        for gsm, facts in samples.items()
    }
    build.write_series(root, NEW, samples, files if members is None else members)
    return root


def test_the_comparator_is_placed_as_published(comparator, manifests):
    samples, left = geo.index(comparator, manifests[1])
    assert len(samples) == 18 + 16 + 11
    kinds = samples.groupby(["timepoint", "sorted"]).size().to_dict()
    assert kinds == {
        ("infusion_product", "false"): 18,
        ("day7", "false"): 16,
        ("day7", "true"): 11,
    }
    numbers = {int(p.removeprefix("GSE197268-")) for p in samples["patient"]}
    assert numbers == set(range(1, 20))
    products = samples.loc[samples["timepoint"] == "infusion_product", "patient"]
    assert "GSE197268-6" not in set(products)
    unsorted = samples[(samples["timepoint"] == "day7") & (samples["sorted"] == "false")]
    assert not {f"GSE197268-{n}" for n in (1, 3, 5)} & set(unsorted["patient"])
    assert set(samples["anakinra"]) == {"false"}
    assert set(samples["product"]) == {"axi-cel"}
    assert set(samples["car_features"]) == {"Yescarta"}
    assert samples["day"].map({0.0: 1, 7.0: 1}).notna().all()
    assert samples["crs_grade"].isna().all()
    # nothing is dropped silently
    assert len(left) == 109 - len(samples)
    assert set(left["status"]) == {"not used"}
    assert left["reason"].str.len().min() > 10
    tisa = left[left["title"].str.extract(r"(\d+)", expand=False).astype(int) >= 20]
    assert tisa["reason"].str.contains("tisa-cel").all()


def test_pools_and_response_are_facts_of_the_manifest(comparator, manifests):
    samples = geo.index(comparator, manifests[1]).samples.set_index("sample_id")
    assert samples.loc["Patient17-Infusion", ["pool", "response"]].tolist() == ["A1", "R"]
    assert samples.loc["Patient18-D7", ["pool", "response"]].tolist() == ["E2", "NR"]
    assert samples.loc["Patient5-Infusion", "response"] == ""
    assert samples.loc["Patient6-D7-CART", "pool"] == ""


def test_the_table_follows_its_schema_and_paths_lead_into_the_archive(comparator, manifests):
    samples, left = geo.index(comparator, manifests[1])
    SAMPLES.check(samples)
    GEO_INDEX.check(left)
    path = samples.set_index("sample_id").loc["Patient6-D7-CART", "path"]
    archive, _, member = path.partition("::")
    assert archive == f"geo/series/GSE197nnn/{OLD}/suppl/{OLD}_RAW.tar"
    assert (comparator / archive).is_file()
    assert member == "GSM5911992_Patient6-D7-CART.tar.gz"


SIM = {
    "SIM Anakinra 01 Infusion": ("Anakinra-01", "infusion_product", "false", "true"),
    "SIM Anakinra 01 D7": ("Anakinra-01", "day7", "false", "true"),
    "SIM Anakinra 10 D7-CART": ("Anakinra-10", "day7", "true", "true"),
    "SIM NoAnakinra 01 Infusion": ("NoAnakinra-01", "infusion_product", "false", "false"),
    "SIM NoAnakinra 04 D7-CART": ("NoAnakinra-04", "day7", "true", "false"),
}


def test_titles_of_the_simulated_cohort_are_placed(tmp_path, manifests, build):
    samples, left = geo.index(new_cohort(tmp_path, build, SIM), manifests[0])
    assert len(left) == 0
    read = samples.set_index("sample_id")[["patient", "timepoint", "sorted", "anakinra"]]
    for title, (patient, *rest) in SIM.items():
        assert read.loc[title.replace(" ", "-")].tolist() == [f"{NEW}-{patient}", *rest]


def test_unconfirmed_patterns_are_said(tmp_path, manifests, build):
    table = geo.inspect(new_cohort(tmp_path, build, SIM), manifests[0])
    assert table["reason"].str.startswith("read by unconfirmed patterns: patient").all()


def test_samples_of_both_studies_have_names_of_their_own(comparator, manifests, build):
    new_cohort(comparator, build, ["Patient6-D7", "Patient7-D7"])
    samples = geo.index(comparator, manifests).samples
    assert samples["sample_id"].is_unique
    ours = samples[samples["study"] == NEW].set_index("sample_id")["patient"].to_dict()
    assert ours == {f"{NEW}_Patient6-D7": f"{NEW}-06", f"{NEW}_Patient7-D7": f"{NEW}-07"}
    assert not set(samples.loc[samples["study"] == OLD, "patient"]) & set(ours.values())


def test_two_samples_of_one_title_are_told_apart(tmp_path, manifests, build):
    samples = geo.index(new_cohort(tmp_path, build, ["P1 D7", "P1 D7"]), manifests[0]).samples
    assert samples["sample_id"].tolist() == ["P1-D7_GSMSIM0001", "P1-D7_GSMSIM0002"]


def test_what_no_pattern_places_is_listed_with_the_cure(tmp_path, manifests, build):
    samples, left = geo.index(new_cohort(tmp_path, build, ["weird one", "P1 D7"]), manifests[0])
    assert samples["sample_id"].tolist() == ["P1-D7"]
    (row,) = left.to_dict("records")
    assert row["status"] == "not placed"
    for words in (
        "no pattern reads patient, timepoint, sorted from 'weird one'",
        "add to samples.csv a row with sample_id weird-one",
        "path GSMSIM0001_weird-one.tar.gz",
        "GSE246490.toml",
    ):
        assert words in row["reason"]


def test_a_row_of_samples_csv_places_it(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["weird one", "P1 D7"])
    csv = tmp_path / "samples.csv"
    csv.write_text(
        "sample_id,path,patient,timepoint,day,sorted,anakinra,crs_grade,site\n"
        "mine,GSMSIM0001_weird-one.tar.gz,GSE246490-A,day7,7,true,true,3,Boston\n"
    )
    samples, left = geo.index(tmp_path, manifests[0], samples=csv)
    assert len(left) == 0
    row = samples.set_index("sample_id").loc["mine"]
    assert row["patient"] == "GSE246490-A"
    assert (row["day"], row["crs_grade"], row["sorted"], row["site"]) == (7, 3, "true", "Boston")
    assert row["car_features"] == "Yescarta"
    assert row["path"].endswith("_RAW.tar::GSMSIM0001_weird-one.tar.gz")
    assert samples.set_index("sample_id").loc["P1-D7", "site"] == ""
    table = geo.inspect(tmp_path, manifests[0], samples=csv)
    assert table["status"].tolist() == ["used", "used"]


@pytest.mark.parametrize("name", ["P1-D7", "P1 D7", "GSMSIM0001", "GSMSIM0001_P1-D7.tar.gz"])
def test_rows_win_over_patterns_and_empty_cells_do_not(tmp_path, manifests, build, name):
    new_cohort(tmp_path, build, ["P1 D7"])
    own = pd.DataFrame({"sample_id": [name], "patient": ["X"], "timepoint": [""], "day": [None]})
    samples = geo.index(tmp_path, manifests[0], samples=own).samples
    assert samples[["sample_id", "patient", "timepoint", "day"]].values.tolist() == [
        ["P1-D7", "X", "day7", 7.0]
    ]


def test_a_row_with_a_path_of_its_own_is_a_sample_of_its_own(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"])
    (tmp_path / "lists").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "x.h5").write_bytes(b"")
    csv = tmp_path / "lists" / "samples.csv"
    csv.write_text("sample_id,path,patient,timepoint\nextra,../own/x.h5,Me,day7\n")
    samples = geo.index(tmp_path, manifests[0], samples=csv).samples
    row = samples.set_index("sample_id").loc["extra"]
    assert (row["path"], row["patient"]) == ("own/x.h5", "Me")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,patient\nx,y\n", r"missing column\(s\) \['sample_id'\]"),
        ("sample_id,patient\nP1-D8,x\n", "is no sample of these series .*did you mean P1-D7"),
        ("sample_id,patient\nnothing like it,x\n", "fill in column path"),
        ("sample_id,patient\nP1-D7,x\nP1-D7,y\n", r"\['P1-D7'\] stand twice"),
        ("sample_id,patient\n,y\n", r"1 row\(s\) have no sample_id"),
        ("sample_id,path\nmine,x.h5\n", "the row has none; fill in column patient"),
        ("sample_id,path,patient\nmine,x.h5,P\n", "path '.*x.h5' leads nowhere"),
        ("sample_id,crs_grade\nP1-D7,high\n", "crs_grade is 'high', but must be a whole grade"),
        ("sample_id,crs_grade\nP1-D7,6\n", "crs_grade is '6', but must be a whole grade"),
        ("sample_id,anakinra\nP1-D7,maybe\n", "anakinra is 'maybe', but must be true, false"),
        ("sample_id,crs_grad\nP1-D7,2\n", "column 'crs_grad' looks like 'crs_grade'"),
    ],
)
def test_rows_that_make_no_sense_are_named(tmp_path, manifests, build, text, says):
    new_cohort(tmp_path, build, ["P1 D7"])
    csv = tmp_path / "samples.csv"
    csv.write_text(text)
    with pytest.raises(InputError, match=says):
        geo.index(tmp_path, manifests[0], samples=csv)


def test_a_samples_csv_that_is_not_there_is_named(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"])
    with pytest.raises(InputError, match=r"none.csv: cannot be read as a CSV table"):
        geo.index(tmp_path, manifests[0], samples=tmp_path / "none.csv")


def test_a_row_that_fits_two_members_is_refused(comparator, manifests, build):
    new_cohort(comparator, build, ["Patient6-D7"])
    own = pd.DataFrame({"sample_id": ["Patient6-D7"], "crs_grade": ["2"]})
    with pytest.raises(InputError, match=r"belongs to 2 members.*name one in column path"):
        geo.index(comparator, manifests, samples=own)
    own["study"] = OLD
    samples = geo.index(comparator, manifests, samples=own).samples.set_index("sample_id")
    assert samples.loc[f"{OLD}_Patient6-D7", "crs_grade"] == 2
    assert pd.isna(samples.loc[f"{NEW}_Patient6-D7", "crs_grade"])


def test_grades_come_from_characteristics_and_hold_for_the_patient(tmp_path, manifests, build):
    titles = ["SIM Anakinra 01 Infusion", "SIM Anakinra 01 D7"]
    facts = {titles[1]: {"CRS grade": "2", "ICANS grade": "0", "Sex": "F", "channel": "c1"}}
    new_cohort(tmp_path, build, titles, characteristics=facts)
    samples = geo.index(tmp_path, manifests[0]).samples.set_index("timepoint")
    assert samples["crs_grade"].tolist() == [2, 2]
    assert samples["nt_grade"].tolist() == [0, 0]
    assert set(samples["sex"]) == {"female"}
    # a channel belongs to the library
    assert samples.loc[["infusion_product", "day7"], "channel"].tolist() == ["", "c1"]


def test_values_that_differ_between_a_patients_samples_are_unknown(tmp_path, manifests, build):
    titles = ["SIM Anakinra 01 Infusion", "SIM Anakinra 01 D7"]
    facts = {titles[0]: {"CRS grade": "1"}, titles[1]: {"CRS grade": "2"}}
    new_cohort(tmp_path, build, titles, characteristics=facts)
    assert geo.index(tmp_path, manifests[0]).samples["crs_grade"].isna().all()
    reasons = geo.inspect(tmp_path, manifests[0])["reason"]
    assert reasons.str.contains(r"differ in crs_grade \(1 or 2\): unknown").all()


def test_unreadable_characteristics_are_said(tmp_path, manifests, build):
    facts = {"P1 D7": {"CRS grade": ">=2"}}
    new_cohort(tmp_path, build, ["P1 D7"], characteristics=facts)
    table = geo.inspect(tmp_path, manifests[0])
    assert "SOFT: 'crs grade: >=2' is not a grade from 0 to 5" in table["reason"][0]


def test_characteristics_name_patient_and_time_where_titles_do_not(tmp_path, manifests, build):
    facts = {"library 7a": {"patient": "3", "time point": "Day 7", "car sorted": "yes"}}
    new_cohort(tmp_path, build, ["library 7a"], characteristics=facts)
    samples = geo.index(tmp_path, manifests[0]).samples
    assert samples[["patient", "timepoint", "sorted"]].values.tolist() == [
        ["GSE246490-03", "day7", "true"]
    ]


def test_an_ambiguous_title_is_not_guessed(tmp_path, manifests, build):
    left = geo.index(new_cohort(tmp_path, build, ["P1 IP and D7"]), manifests[0]).left_out
    assert left["status"].tolist() == ["not placed"]
    assert "the patterns disagree on timepoint: day7 or infusion_product" in left["reason"][0]


def test_title_and_file_name_that_disagree_are_not_guessed(tmp_path, manifests, build):
    members = {"GSMSIM0001_P2-D7.tar.gz": build.nested("x")}
    new_cohort(tmp_path, build, ["P1 D7"], members=members)
    left = geo.index(tmp_path, manifests[0]).left_out
    assert "disagree (patient: title 01, file name 02)" in left["reason"][0]


def test_soft_and_manifest_that_disagree_are_not_guessed(tmp_path, manifests, build):
    samples = {"GSM5911990": {"title": "Patient7-D7"}}
    members = {"GSM5911990_Patient7-D7.tar.gz": build.nested("x")}
    build.write_series(tmp_path, OLD, samples, members)
    left = geo.index(tmp_path, manifests[1]).left_out
    assert "SOFT calls GSM5911990 'Patient7-D7', GSE197268.toml 'Patient6-D7'" in left["reason"][0]


def test_a_patient_that_the_manifest_does_not_list_is_not_placed(tmp_path, manifests, build):
    samples = {"GSM1": {"title": "Patient77-D7"}}
    build.write_series(tmp_path, OLD, samples, {"GSM1_Patient77-D7.tar.gz": build.nested("x")})
    left = geo.index(tmp_path, manifests[1]).left_out
    assert "patient 77 is none of those that GSE197268.toml lists" in left["reason"][0]


def test_an_incomplete_triplet_is_not_placed(tmp_path, manifests, build):
    members = build.triplet("", prefix="GSMSIM0001_P1-D7_")
    members.pop("GSMSIM0001_P1-D7_barcodes.tsv.gz")
    new_cohort(tmp_path, build, ["P1 D7"], members=members)
    left = geo.index(tmp_path, manifests[0]).left_out
    assert len(left) == 2
    assert set(left["status"]) == {"not placed"}
    assert left["reason"].str.startswith("the triplet has no barcodes file").all()


def test_flat_triplets_are_one_sample_and_a_row_for_each_member(tmp_path, manifests, build):
    members = build.triplet("", prefix="GSMSIM0001_P1-D7_")
    new_cohort(tmp_path, build, ["P1 D7"], members=members)
    samples = geo.index(tmp_path, manifests[0]).samples
    assert samples["path"][0].endswith("_RAW.tar::GSMSIM0001_P1-D7_")
    table = geo.inspect(tmp_path, manifests[0])
    assert table["member"].tolist() == sorted(members)
    assert table["size"].tolist() == [len(members[name]) for name in sorted(members)]


def test_without_soft_the_file_names_are_read(comparator, manifests):
    shutil.rmtree(series_dir(OLD, comparator) / "soft")
    assert len(geo.index(comparator, manifests[1]).samples) == 45


def test_samples_without_a_file_are_listed(tmp_path, manifests, build):
    samples = {"GSM5911990": {"title": "Patient6-D7"}, "GSM5911992": {"title": "Patient6-D7-CART"}}
    build.write_series(tmp_path, OLD, samples, {"GSM5911990_Patient6-D7.tar.gz": build.nested("x")})
    left = geo.index(tmp_path, manifests[1]).left_out
    assert left[["gsm", "member", "status"]].values.tolist() == [["GSM5911992", "", "not used"]]
    assert "no file of this sample is here" in left["reason"][0]


def test_single_samples_are_used_without_the_archive(server, tmp_path, manifests):
    geo.download(OLD, tmp_path, base_url=server.url, only="*-D7-CART", retry_seconds=2)
    samples, left = geo.index(tmp_path, manifests[1])
    assert samples["sample_id"].tolist() == ["Patient6-D7-CART"]
    assert (tmp_path / samples["path"][0]).is_file()
    geo.download(OLD, tmp_path, base_url=server.url, retry_seconds=2)
    samples, left = geo.index(tmp_path, manifests[1])
    assert samples["path"].str.contains("_RAW.tar::").all()
    assert left["reason"].str.contains("this sample is read from GSM5911992_").any()


def test_a_missing_series_is_listed_while_another_is_there(comparator, manifests):
    samples, left = geo.index(comparator, manifests)
    assert set(samples["study"]) == {OLD}
    (row,) = left[left["accession"] == NEW].to_dict("records")
    assert "cartscope geo get GSE246490" in row["reason"]
    assert row["status"] == "not used"


def test_no_series_at_all_is_an_error(tmp_path, manifests):
    with pytest.raises(InputError, match=r"nothing of GSE246490; .*cartscope geo get GSE246490"):
        geo.index(tmp_path, manifests)


def test_an_unsafe_archive_is_not_used(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"], members={"../GSMSIM0001_P1-D7.tar.gz": b"x"})
    with pytest.raises(IntegrityError, match="points out of the archive"):
        geo.index(tmp_path, manifests[0])


def test_looking_writes_nothing(comparator, manifests):
    before = sorted(comparator.rglob("*"))
    geo.index(comparator, manifests)
    geo.inspect(comparator, manifests[1])
    assert sorted(comparator.rglob("*")) == before


def test_the_archive_is_read_by_the_reader_of_matrices(tmp_path, manifests, build):
    from cartscope import io

    titles = ["P1 D7", "P2 D7"]
    members = {"GSMSIM0001_P1-D7.tar.gz": build.nested("P1-D7")}
    members |= build.triplet("", prefix="GSMSIM0002_P2-D7_")
    new_cohort(tmp_path, build, titles, members=members)
    for path in geo.index(tmp_path, manifests[0]).samples["path"]:
        adata = io.read_10x(str(tmp_path / path))
        assert adata.shape == (2, 2)
        assert "Yescarta" in adata.var_names


def test_files_beside_the_archive_are_read_by_their_names(tmp_path, manifests, build):
    from cartscope import io

    folder = new_cohort(tmp_path, build, ["P1 D7"])
    suppl = series_dir(NEW, folder) / "suppl"
    for name, data in build.triplet("", prefix="GSM9_P3-D7-CART_").items():
        (suppl / name).write_bytes(data)
    (suppl / "GSM8_P4-D7.tar.gz").write_bytes(build.nested("P4-D7"))
    samples = geo.index(tmp_path, manifests[0]).samples.set_index("sample_id")
    assert samples.index.tolist() == ["P1-D7", "P3-D7-CART", "P4-D7"]
    for name in ("P3-D7-CART", "P4-D7"):
        path = samples.loc[name, "path"]
        assert path.startswith("geo/series/GSE246nnn/GSE246490/suppl/GSM")
        assert io.read_10x(str(tmp_path / path)).shape == (2, 2)


def test_files_of_the_whole_series_are_listed_and_stop_nothing(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"])
    suppl = series_dir(NEW, tmp_path) / "suppl"
    for name in ("GSE246490_all_cells.h5ad", "GSE246490_seurat.rds", "notes.xlsx"):
        (suppl / name).write_bytes(b"x")
    samples, left = geo.index(tmp_path, manifests[0])
    assert samples["sample_id"].tolist() == ["P1-D7"]
    assert left["status"].tolist() == ["not used"] * 3
    hint = left["reason"].str.contains("may hold several samples: split it by sample")
    assert hint.tolist() == [True, True, False]


def test_a_file_of_the_whole_series_is_not_placed_where_it_is_all_there_is(
    tmp_path, manifests, build
):
    suppl = series_dir(NEW, tmp_path) / "suppl"
    suppl.mkdir(parents=True)
    (suppl / "GSE246490_all_cells.h5ad").write_bytes(b"x")
    samples, left = geo.index(tmp_path, manifests[0])
    assert len(samples) == 0
    assert left["status"].tolist() == ["not placed"]


def test_a_sample_of_unknown_form_is_not_placed(tmp_path, manifests, build):
    members = {"GSMSIM0001_P1-D7.rds": b"x", "GSMSIM0002_P2-D7.tar.gz": build.nested("x")}
    new_cohort(tmp_path, build, ["P1 D7", "P2 D7"], members=members)
    left = geo.index(tmp_path, manifests[0]).left_out
    assert left[["member", "status"]].values.tolist() == [["GSMSIM0001_P1-D7.rds", "not placed"]]


FORMS = ["GSMSIM0001_P1-D7.tar.gz", "GSMSIM0001_P1-D7.h5", "GSMSIM0001_P1-D7.h5ad"]


def test_of_one_library_in_several_forms_the_rawest_is_used(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"], members=dict.fromkeys(reversed(FORMS), b"x"))
    samples, left = geo.index(tmp_path, manifests[0])
    assert samples["path"][0].endswith("::" + FORMS[0])
    assert left["status"].tolist() == ["not used"] * 2
    assert (left["reason"] == f"this sample is read from {FORMS[0]}").all()


def test_two_matrices_of_one_sample_are_the_users_choice(tmp_path, manifests, build):
    names = ["GSMSIM0001_P1-D7_gex.csv.gz", "GSMSIM0001_P1-D7_adt.csv.gz"]
    new_cohort(tmp_path, build, ["P1 D7"], members=dict.fromkeys(names, build.gzipped(b"a")))
    samples, left = geo.index(tmp_path, manifests[0])
    assert len(samples) == 0
    assert left["status"].tolist() == ["not placed"] * 2
    assert left["reason"].str.contains("GSMSIM0001 has 2 matrices").all()
    own = pd.DataFrame({"sample_id": ["a"], "path": names[:1], "patient": ["GSE246490-01"]})
    samples, left = geo.index(tmp_path, manifests[0], samples=own)
    assert samples["path"].str.endswith(names[0]).tolist() == [True]
    assert left[["member", "status"]].values.tolist() == [[names[1], "not used"]]


def test_a_rule_of_the_manifest_leaves_files_out(tmp_path, manifests, build):
    from cartscope.manifest import GeoSeries

    names = ["GSMSIM0001_P1-D7_gex.csv.gz", "GSMSIM0001_P1-D7_adt.csv.gz", "GSMSIM0002_x.rds"]
    members = dict.fromkeys(names, build.gzipped(b"a"))
    new_cohort(tmp_path, build, ["P1 D7", "x"], members=members)
    data = manifests[0].model_dump()
    data["not_used"] += ({"file": "adt|rds", "reason": "antibodies and R objects"},)
    samples, left = geo.index(tmp_path, GeoSeries.model_validate(data))
    assert samples["path"].str.endswith(names[0]).tolist() == [True]
    assert left["reason"].tolist() == ["antibodies and R objects"] * 2


def test_the_users_table_is_left_as_it_is(tmp_path, manifests, build):
    new_cohort(tmp_path, build, ["P1 D7"])
    own = pd.DataFrame({"sample_id": ["P1 D7"], "crs_grade": [None], "patient": [" X "]})
    before = own.copy()
    samples = geo.index(tmp_path, manifests[0], samples=own).samples
    assert samples["patient"].tolist() == ["X"]
    pd.testing.assert_frame_equal(own, before)


def test_what_a_row_says_of_a_patient_holds_for_all_their_samples(tmp_path, manifests, build):
    titles = ["SIM Anakinra 01 Infusion", "SIM Anakinra 01 D7", "SIM Anakinra 02 D7"]
    facts = {titles[0]: {"CRS grade": "1"}}
    new_cohort(tmp_path, build, titles, characteristics=facts)
    own = pd.DataFrame({"sample_id": [titles[1]], "crs_grade": [3], "sorted": ["TRUE"]})
    samples = geo.index(tmp_path, manifests[0], samples=own).samples.set_index("sample_id")
    assert samples["crs_grade"].tolist()[:2] == [3, 3]
    assert pd.isna(samples["crs_grade"].iloc[2])
    # the sort belongs to the library
    assert samples["sorted"].tolist() == ["true", "false", "false"]


def test_rows_that_contradict_each_other_on_a_patient_are_named(tmp_path, manifests, build):
    titles = ["SIM Anakinra 01 Infusion", "SIM Anakinra 01 D7"]
    new_cohort(tmp_path, build, titles)
    own = pd.DataFrame({"sample_id": titles, "crs_grade": [1, 2]})
    with pytest.raises(InputError, match=r"'GSE246490-Anakinra-01' has crs_grade \["):
        geo.index(tmp_path, manifests[0], samples=own)
