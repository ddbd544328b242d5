from __future__ import annotations

from collections import Counter

from cartscope.simulate._design import libraries, patients


def test_the_shape_is_the_published_one():
    shape = Counter((lib.patient.study, lib.timepoint, lib.sorted) for lib in libraries())
    assert shape == {
        ("GSE246490", "infusion_product", False): 11,
        ("GSE246490", "day7", False): 14,
        ("GSE246490", "day7", True): 3,
        ("GSE197268", "infusion_product", False): 18,
        ("GSE197268", "day7", False): 16,
        ("GSE197268", "day7", True): 11,
        ("GSE197268", "baseline", False): 1,
    }


def test_numbers_of_patients_by_grade():
    everyone = patients()
    day7 = {lib.patient.name for lib in libraries() if lib.timepoint == "day7"}
    crs = Counter((p.study, p.anakinra, p.crs_high) for p in everyone if p.name in day7)
    assert crs == {
        ("GSE246490", True, False): 6,
        ("GSE246490", True, True): 4,
        ("GSE246490", False, False): 4,
        ("GSE197268", False, False): 6,
        ("GSE197268", False, True): 10,
    }
    arm = [p for p in everyone if p.anakinra]
    assert Counter(p.toxic for p in arm) == {True: 5, False: 5}
    assert sum(p.nt_high and not p.crs_high for p in arm) == 1


def test_neurotoxicity_does_not_stand_for_crs_in_the_comparator():
    day7 = {lib.patient.name for lib in libraries() if lib.timepoint == "day7"}
    mine = [p for p in patients() if p.name in day7 and p.study == "GSE197268"]
    by = Counter((p.crs_high, p.nt_high) for p in mine)
    assert by == {(True, True): 5, (True, False): 5, (False, True): 3, (False, False): 3}


def test_crs_does_not_stand_for_response():
    # nothing is planted by response, so that grades must not bring it in by the back door
    non_responders = {6, 7, 9, 10, 14, 16, 18}
    mine = {
        int(lib.patient.name.split("-")[1]): lib.patient.crs_high
        for lib in libraries()
        if lib.product and lib.patient.study == "GSE197268"
    }
    by = Counter((n in non_responders, high) for n, high in mine.items() if n != 5)
    assert by == {(True, True): 3, (True, False): 3, (False, True): 6, (False, False): 5}


def test_treatment_is_tied_to_grade():
    assert all(p.tocilizumab == p.crs_high for p in patients())
    assert not any(p.steroid for p in patients() if not p.toxic)


def test_no_channel_is_of_two_pools_or_studies():
    owner: dict[str, tuple[str, str]] = {}
    for lib in libraries():
        assert owner.setdefault(lib.channel, (lib.pool, lib.patient.study)) == (
            lib.pool,
            lib.patient.study,
        )
    # a pool holds several patients, as the comparator's did
    assert max(Counter(lib.channel for lib in libraries()).values()) >= 3


def test_names_are_unique_and_safe():
    ids = [lib.sample_id for lib in libraries()]
    assert len(ids) == len(set(ids)) == 74
    assert all(c.isalnum() or c == "-" for i in ids for c in i)
