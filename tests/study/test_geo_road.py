"""A simulated study served as GEO serves it gives the same cells as reading it directly."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cartscope import io
from cartscope.cli import main
from cartscope.simulate import simulate
from cartscope.study import Settings, reproduce


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(folder):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_fetched_and_read_directly_are_the_same_cells(serve, tmp_path, quick_manifests):
    simulate(tmp_path / "study", cells=2000, seed=7)
    url = serve(tmp_path / "study")
    got = tmp_path / "got"
    status = main(["geo", "get", "GSE246490", "GSE197268", "--dest", str(got), "--base-url", url])
    assert status == 0
    common = {"manifests": quick_manifests, "seed": 2}
    fetched = reproduce(
        Settings(
            data="geo",
            geo_dir=got,
            grades=tmp_path / "study" / "grades.csv",
            out=tmp_path / "a",
            **common,
        ),
        only=["qc", "provenance"],
    )
    direct = reproduce(
        Settings(data=str(tmp_path / "study"), out=tmp_path / "b", **common),
        only=["qc", "provenance"],
    )
    a, b = (io.read_cells(r.context.path("work/ingest.h5ad")) for r in (fetched, direct))
    assert a.n_obs > 1500
    assert a.obs_names.equals(b.obs_names)
    assert a.var_names.equals(b.var_names)
    assert (a.layers["counts"] != b.layers["counts"]).nnz == 0
    # grades are no part of GEO's files: given here, found beside the data there
    assert np.array_equal(a.obs["patient"].astype(str), b.obs["patient"].astype(str))
    assert a.obs["crs_grade"].equals(b.obs["crs_grade"])
    for run in (fetched, direct):
        assert run.context.read_table("tables/samples.csv")["simulated"].eq("true").all()


def test_geo_that_was_never_fetched_says_what_to_run(tmp_path, capsys):
    out = ["--out", str(tmp_path / "o")]
    assert main(["reproduce", "--data", "geo", "--geo-dir", str(tmp_path), *out]) == 1
    assert "run `cartscope geo get GSE246490 GSE197268" in capsys.readouterr().err


def test_a_sample_that_no_pattern_places_stops_the_run_and_is_named(tmp_path, capsys):
    suppl = tmp_path / "geo" / "series" / "GSE246nnn" / "GSE246490" / "suppl"
    suppl.mkdir(parents=True)
    (suppl / "GSM1_whatever.csv.gz").write_bytes(b"")
    assert main(["reproduce", "--data", str(tmp_path), "--out", str(tmp_path / "o")]) == 1
    err = capsys.readouterr().err
    assert err.count("error: ") == 1
    assert "GSM1_whatever" in err
