"""A simulated study, served as GEO serves it, is the same study after it was fetched."""

from __future__ import annotations

import pandas as pd
import pytest

from cartscope import geo
from cartscope.manifest import manifest_dir, read_cohort_manifest, read_geo_series


@pytest.mark.slow
def test_a_simulated_study_survives_the_network(server, tmp_path, monkeypatch):
    from cartscope.simulate import simulate

    study, here = tmp_path / "study", tmp_path / "here"
    simulate(study, cells=2000, seed=3)
    server.root = study
    names = read_cohort_manifest(manifest_dir() / "cohort.toml").series
    manifests = [read_geo_series(manifest_dir() / f"{name}.toml") for name in names]
    server.faults["_RAW.tar"] = [{"kill_after": 1_000_000}]
    for name in names:
        geo.download(name, here, base_url=server.url, retry_seconds=3)
    fetched, direct = geo.index(here, manifests), geo.index(study, manifests)
    pd.testing.assert_frame_equal(fetched.samples, direct.samples)
    pd.testing.assert_frame_equal(fetched.left_out, direct.left_out)
    assert not (fetched.left_out["status"] == "not placed").any()
    truth = pd.read_csv(study / "truth" / "cells.csv.gz", usecols=["sample_id"])["sample_id"]
    assert set(fetched.samples["sample_id"]) <= set(truth)
    for accession in names:
        assert set(geo.verify(accession, here)["status"]) == {"as recorded"}
