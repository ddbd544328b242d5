from __future__ import annotations

import pytest

from cartscope._errors import ManifestError
from cartscope.manifest import manifest_dir, read_geo_series

GOOD = """
accession = "GSE1"
title = "unknown"
paper = "none"
product = "axi-cel"
patient_format = "GSE1-{n}"
[[file]]
folder = "suppl"
name = "{accession}_RAW.tar"
[[car_feature]]
name = "Yescarta"
product = "axi-cel"
status = "confirmed"
[timepoint.day7]
day = 7
[[pattern]]
field = "patient"
regex = '^P(\\d+)'
value = "{1:02d}"
status = "confirmed"
[[pattern]]
field = "timepoint"
regex = 'D7'
value = "day7"
status = "unconfirmed"
"""


def read(tmp_path, text):
    path = tmp_path / "GSE1.toml"
    path.write_text(text)
    return read_geo_series(path)


@pytest.fixture(scope="module")
def old():
    return read_geo_series(manifest_dir() / "GSE197268.toml")


@pytest.fixture(scope="module")
def new():
    return read_geo_series(manifest_dir() / "GSE246490.toml")


def test_the_comparator_lists_all_samples(old):
    assert len(old.sample) == 109
    assert old.sample[0].gsm == "GSM5911983"
    assert old.sample[-1].gsm == "GSM5912091"
    assert {s.product for s in old.sample if int(s.patient) <= 19} == {"axi-cel"}
    assert {s.product for s in old.sample if int(s.patient) >= 20} == {"tisa-cel"}
    assert old.anakinra is False


def test_the_patterns_read_every_title_as_its_type_says(old):
    kinds = {
        "Infusion": ("infusion_product", "false"),
        "Baseline": ("baseline", "false"),
        "D7": ("day7", "false"),
        "D7-CART": ("day7", "true"),
        "D14": ("day14", "false"),
    }
    for sample in old.sample:
        reading = old.read(sample.title)
        assert reading.patient == sample.patient
        expected = kinds[sample.type.removesuffix("-retreatment")]
        assert (reading.timepoint, reading.sorted) == expected, sample.title
        assert not reading.ambiguous
        assert not reading.unconfirmed


def test_samples_used_are_axi_cel_products_and_day_7(old):
    used = [s for s in old.sample if not old.why_not_used(s.title, product=s.product)]
    assert {s.type for s in used} == {"Infusion", "D7", "D7-CART"}
    assert {s.product for s in used} == {"axi-cel"}
    assert len(used) == 45
    wanted = [
        s for s in old.sample
        if s.product == "axi-cel" and s.type in {"Infusion", "D7", "D7-CART"}
    ]  # fmt: skip
    assert used == wanted


def test_facts_have_sources_and_belong_to_samples(old):
    titles = {s.title for s in old.sample}
    patients = {s.patient for s in old.sample}
    for fact in old.fact:
        assert fact.source
        assert set(fact.values) <= (titles if fact.by == "title" else patients)
    pools, response = old.fact
    assert (len(pools.values), len(response.values)) == (60, 31)
    assert "5" not in response.values
    assert old.facts_of("Patient17-Infusion", "17") == {"pool": "A1", "response": "R"}


def test_car_features_by_product(old, new):
    assert old.car_features("axi-cel") == ("Yescarta",)
    assert old.car_features("tisa-cel") == ("Kymriah",)
    assert old.car_features("") == ("Yescarta", "Kymriah")
    assert new.car_feature[0].status == "unconfirmed"


def test_nothing_of_the_new_cohort_is_made_up(new):
    assert new.sample == ()
    assert new.fact == ()
    assert new.title == "unknown"
    assert {p.status for p in new.pattern} == {"unconfirmed"}
    assert len(new.unknown) > 5


TITLES = {
    "Patient 3, day +7, PBMC": ("03", "day7", "false", ""),
    "Pt03_IP": ("03", "infusion_product", "false", ""),
    "P12 D7 CAR+ sorted": ("12", "day7", "true", ""),
    "P12-Day7-CART": ("12", "day7", "true", ""),
    "P12_D7_CAR_T": ("12", "day7", "true", ""),
    "p12 d07 unsorted": ("12", "day7", "false", ""),
    "p12 day 7 not sorted CART": ("12", "day7", "false", ""),
    "Patient 1 CAR-T infusion product": ("01", "infusion_product", "false", ""),
    "patient1-product": ("01", "infusion_product", "false", ""),
    "Subject 4 Day 7 PBMC (no anakinra)": ("04", "day7", "false", "false"),
    "Subject 4 Day 7 PBMC (anakinra)": ("04", "day7", "false", "true"),
    "Anakinra 07 D7": ("Anakinra-07", "day7", "false", "true"),
    "No-anakinra patient 2 D7": ("NoAnakinra-02", "day7", "false", "false"),
    "Control 2 IP": ("NoAnakinra-02", "infusion_product", "false", "false"),
    "SOC_3_D7_CART": ("NoAnakinra-03", "day7", "true", "false"),
    "P5 D70": ("05", "", "", ""),
    "P5 D17": ("05", "", "", ""),
    "Recipient sample": ("", "", "", ""),
    "CARMELA": ("", "", "", ""),
}


@pytest.mark.parametrize("title", TITLES)
def test_tolerant_patterns(new, title):
    reading = new.read(title)
    found = (reading.patient, reading.timepoint, reading.sorted, reading.anakinra)
    assert found == TITLES[title]
    assert not reading.ambiguous


def test_numbers_are_the_same_patient_with_and_without_zeros(new):
    assert new.read("P1 D7").patient == new.read("P01 IP").patient == new.read("pt_001").patient


@pytest.mark.parametrize("title", ["P1 D7 and IP", "P1 infusion, day 7"])
def test_a_title_that_says_two_things_says_nothing(new, title):
    reading = new.read(title)
    assert reading.timepoint == ""
    assert reading.ambiguous == ("timepoint: day7 or infusion_product",)


def test_lower_order_decides(tmp_path):
    more = """
[[pattern]]
field = "patient"
regex = 'Pat(\\d+)'
value = "late-{1}"
order = 1
status = "confirmed"
"""
    series = read(tmp_path, GOOD + more)
    assert series.read("P3 Pat4").patient == "03"
    assert series.read("x Pat4").patient == "late-4"


def test_a_manifest_is_frozen(old):
    with pytest.raises(ValueError, match="frozen"):
        old.accession = "GSE2"


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('title = "unknown"', 'titel = "unknown"', r"titel: unknown key; did you mean 'title'"),
        ('accession = "GSE1"', 'accession = "1"', r"accession = '1': "),
        ('"GSE1-{n}"', '"GSE1"', r"patient_format = 'GSE1': must hold \{n\}"),
        ("'^P(\\d+)'", "'^P(\\d+'", r"pattern\[0\].regex.*not a regular expression"),
        ("'^P(\\d+)'", "'^P\\d+'", r"pattern\[0\].*does not fit a regex with 0 group"),
        ('value = "day7"', 'value = "day8"', r"time point 'day8', which has no \[timepoint.day8\]"),
        ('field = "timepoint"', 'field = "sorted"', "must be 'true' or 'false', not 'day7'"),
        ('field = "timepoint"', 'field = "when"', r"pattern\[1\].field = 'when'"),
        ('status = "unconfirmed"', 'status = "maybe"', r"pattern\[1\].status = 'maybe'"),
        ('folder = "suppl"', 'folder = "raw"', r"file\[0\].folder = 'raw'"),
        ('name = "Yescarta"', 'name = "a b"', r"car_feature\[0\].name = 'a b'"),
        ("day = 7", 'day = "seven"', r"timepoint.day7.day = 'seven'"),
        ("day = 7", "days = 7", r"timepoint.day7.days: unknown key; did you mean 'day'"),
    ],
)
def test_errors_name_file_key_and_cure(tmp_path, before, after, says):
    assert before in GOOD
    with pytest.raises(ManifestError, match=rf"GSE1\.toml: .*{says}"):
        read(tmp_path, GOOD.replace(before, after, 1))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            '[[sample]]\ngsm = "GSM1"\ntitle = "P3 D7"\npatient = "04"\n',
            "sample GSM1 'P3 D7' is of patient '04', but the patterns read patient '03'",
        ),
        (
            '[[sample]]\ngsm = "GSM1"\ntitle = "a"\n[[sample]]\ngsm = "GSM1"\ntitle = "b"\n',
            r"samples share a gsm: \['GSM1'\]",
        ),
        ('[[sample]]\ngsm = "1"\ntitle = "a"\n', r"sample\[0\].gsm = '1'"),
        (
            '[[not_used]]\nreason = "because"\n',
            r"needs title or file \(regular expressions\) or product",
        ),
        ('[[not_used]]\nreason = "because"\ntitle = "("\n', "not a regular expression"),
        (
            '[[fact]]\ncolumn = "age"\nby = "title"\nsource = "seen"\n[fact.values]\n',
            r"fact\[0\].column = 'age'",
        ),
    ],
)
def test_contradictions_within_a_manifest(tmp_path, more, says):
    with pytest.raises(ManifestError, match=says):
        read(tmp_path, GOOD + more)


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"GSE9.toml: no such manifest"):
        read_geo_series(tmp_path / "GSE9.toml")
