from __future__ import annotations

import pytest

from cartscope.geo._characteristics import read_characteristics


@pytest.mark.parametrize(
    ("key", "value", "column", "read"),
    [
        ("crs grade", "2", "crs_grade", "2"),
        ("CRS_grade", "Grade 3", "crs_grade", "3"),
        ("max crs grade", "0", "crs_grade", "0"),
        ("crs", "1.0", "crs_grade", "1"),
        ("nt grade", "4", "nt_grade", "4"),
        ("icans grade", "G1", "nt_grade", "1"),
        ("neurotoxicity grade", "2", "nt_grade", "2"),
        ("Sex", "F", "sex", "female"),
        ("gender", "Male", "sex", "male"),
        ("response", "Non-responder", "response", "NR"),
        ("clinical response", "R", "response", "R"),
        ("anakinra", "yes", "anakinra", "true"),
        ("anakinra prophylaxis", "none", "anakinra", "false"),
        ("treatment", "axi-cel with anakinra", "anakinra", "true"),
        ("arm", "no anakinra", "anakinra", "false"),
        ("treatment", "axi-cel without prophylactic anakinra", "anakinra", "false"),
        ("tocilizumab before sample", "yes", "tocilizumab_before_sample", "true"),
        ("steroid before sample", "no", "steroid_before_sample", "false"),
        ("dexamethasone prior to collection", "Y", "steroid_before_sample", "true"),
        ("loading pool", "A1", "pool", "A1"),
        ("channel", "A1-2", "channel", "A1-2"),
    ],
)
def test_what_is_read(key, value, column, read):
    assert read_characteristics({key.lower(): value}) == ({column: read}, [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crs grade", "unknown"),
        ("crs grade", "NA"),
        ("crs grade", "none"),  # no CRS, or not known: it does not say
        ("sex", ""),
        ("treatment", "standard of care"),
        ("treatment", "none"),
        ("tocilizumab", "yes"),  # given, but before or after the sample?
        ("crs onset day", "2"),
        ("tissue", "PBMC"),
    ],
)
def test_what_says_nothing_stays_unknown(key, value):
    assert read_characteristics({key: value}) == ({}, [])


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("crs grade", "1-2", "'crs grade: 1-2' is not a grade from 0 to 5"),
        ("crs grade", ">=2", "'crs grade: >=2' is not a grade from 0 to 5"),
        ("icans grade", "6", "'icans grade: 6' is not a grade from 0 to 5"),
        ("response", "CR", "'response: CR' is not R or NR"),
        ("sex", "x", "'sex: x' is not female or male"),
    ],
)
def test_what_cannot_be_read_is_noted_and_not_guessed(key, value, says):
    assert read_characteristics({key: value}) == ({}, [says])


def test_contradictions_are_noted():
    found, notes = read_characteristics({"nt grade": "1", "icans grade": "3"})
    assert found == {"nt_grade": "1"}
    assert notes == ["'icans grade: 3' contradicts nt_grade = 1"]
