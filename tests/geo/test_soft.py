from __future__ import annotations

import gzip

import pytest

from cartscope.geo import read_soft

FAMILY = """^DATABASE = GeoMiame
!Database_name = Gene Expression Omnibus (GEO)
^SERIES = GSE1
!Series_title = a = b
!Series_summary = one
!Series_summary = two
^PLATFORM = GPL1
!Platform_title = chip
#ID = id
!platform_table_begin
ID\tx
!Sample_title = no attribute
^SAMPLE = no entity
!platform_table_end
^SAMPLE = GSM1
!Sample_title = Patient1-D7
!Sample_geo_accession = GSM1
!Sample_characteristics_ch1 = CRS grade: 2
!Sample_characteristics_ch1 = time: day 7: evening
!Sample_characteristics_ch1 = no colon here
!Sample_characteristics_ch2 = sex: F
!Sample_supplementary_file_1 = ftp://x/GSM1_a.h5
!Sample_supplementary_file_2 = NONE
"""


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_entities_and_attributes(tmp_path):
    soft = read_soft(write(tmp_path / "x.soft", FAMILY))
    assert [(r.kind, r.name) for r in soft.records] == [
        ("DATABASE", "GeoMiame"),
        ("SERIES", "GSE1"),
        ("PLATFORM", "GPL1"),
        ("SAMPLE", "GSM1"),
    ]
    assert soft.series.first("title") == "a = b"
    assert soft.series.values["summary"] == ("one", "two")
    sample = soft.samples[0]
    assert sample.accession == "GSM1"
    assert sample.characteristics == {"crs grade": "2", "time": "day 7: evening", "sex": "F"}
    assert sample.supplementary_files == ("ftp://x/GSM1_a.h5",)
    assert sample.first("absent") == ""


def test_tables_are_not_read_as_attributes(tmp_path):
    soft = read_soft(write(tmp_path / "x.soft", FAMILY))
    assert set(soft.of("platform")[0].values) == {"title"}


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_line_ends(tmp_path, newline):
    soft = read_soft(write(tmp_path / "x.soft", FAMILY.replace("\n", newline)))
    assert soft.samples[0].first("title") == "Patient1-D7"


def test_gzip_is_told_by_its_bytes(tmp_path):
    soft = read_soft(write(tmp_path / "x.soft", gzip.compress(FAMILY.encode())))
    assert len(soft.records) == 4


def test_letters_that_are_not_utf8_do_not_stop_the_reader(tmp_path):
    text = FAMILY.replace("chip", "5 \u00b5l").encode("latin-1")
    assert (
        read_soft(write(tmp_path / "x.soft", text)).of("PLATFORM")[0].first("title") == "5 \ufffdl"
    )


def test_a_cut_off_gzip_is_named(tmp_path):
    data = gzip.compress(FAMILY.encode() * 50)
    with pytest.raises(ValueError, match=r"x.soft.gz: the gzip stream is damaged or cut off"):
        read_soft(write(tmp_path / "x.soft.gz", data[:-20]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"x.soft: no such file; fetch it"):
        read_soft(tmp_path / "x.soft")


def test_an_empty_file_is_no_soft(tmp_path):
    with pytest.raises(ValueError, match="no SOFT record; expected a line such as"):
        read_soft(write(tmp_path / "x.soft", "\n"))


def test_an_attribute_before_any_entity_is_no_soft(tmp_path):
    with pytest.raises(ValueError, match=r"stands before any .* line: not SOFT"):
        read_soft(write(tmp_path / "x.soft", "!Sample_title = x\n"))


# ---- real records ------------------------------------------------------------------------------


def naive(path) -> list[tuple[str, int]]:
    """Entities and their number of attribute lines, counted another way."""
    text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    counts, table = [], False
    for line in text.split("\n"):
        lower = line.lower()
        if lower.startswith("!") and "_table_begin" in lower:
            table = True
        elif lower.startswith("!") and "_table_end" in lower:
            table = False
        elif table:
            continue
        elif line.startswith("^"):
            counts.append([line[1:].split("=")[0].strip().upper(), 0])
        elif line.startswith("!"):
            counts[-1][1] += 1
    return [tuple(c) for c in counts]


@pytest.mark.reference
def test_every_real_record_is_read_whole(reference):
    files = [
        *(reference / "geo" / "soft_samples").glob("*.soft"),
        *(reference / "geo" / "geoparse_tests").glob("*.soft"),
        *(reference / "geo" / "geoparse_tests").glob("*.txt"),
    ]
    assert len(files) > 15
    for path in files:
        soft = read_soft(path)
        read = [(r.kind, sum(map(len, r.values.values()))) for r in soft.records]
        assert read == naive(path), path.name


@pytest.mark.reference
def test_a_real_single_cell_sample(reference):
    folder = reference / "geo" / "soft_samples"
    sample = read_soft(folder / "GSM4138136.soft").samples[0]
    assert sample.accession == "GSM4138136"
    assert sample.first("title") == "HNSCC_14_PBMC"
    assert sample.first("series_id") == "GSE139324"
    assert sample.characteristics == {
        "tissue": "peripheral blood",
        "disease state": "Head and neck squamous cell carcinoma (HNSCC)",
        "hpv_status": "HPV_negative",
    }
    assert [f.rsplit("_", 1)[1] for f in sample.supplementary_files] == [
        "barcodes.tsv.gz",
        "genes.tsv.gz",
        "matrix.mtx.gz",
    ]


@pytest.mark.reference
def test_several_real_samples_in_one_file(reference, tmp_path):
    path = reference / "geo" / "soft_samples" / "GSE147110_five_samples_concat.soft"
    soft = read_soft(path)
    assert len(soft.samples) == 5
    zipped = tmp_path / "x.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_soft(zipped) == soft


@pytest.mark.reference
def test_real_series_and_platform_files(reference):
    folder = reference / "geo" / "geoparse_tests"
    assert read_soft(folder / "GSE105845_family.soft").series.accession == "GSE105845"
    kinds = [r.kind for r in read_soft(folder / "soft_ex_family.txt").records]
    assert {"PLATFORM", "SAMPLE", "SERIES"} <= set(kinds)
