from __future__ import annotations

import subprocess
import sys
import time

import pandas as pd
import pytest

from cartscope.cli import main
from cartscope.geo import series_dir

RAW = "GSE197268_RAW.tar"


@pytest.fixture
def got(server, tmp_path, capsys):
    dest = tmp_path / "dest"
    arguments = ["geo", "get", "GSE197268", "--dest", str(dest), "--base-url", server.url]
    assert main(arguments) == 0
    return dest, capsys.readouterr()


def test_get_shows_what_came(got):
    dest, said = got
    assert f"suppl/{RAW}" in said.out
    assert said.out.count("fetched") == 4
    assert said.err == ""  # no progress bar where there is no terminal
    assert (series_dir("GSE197268", dest) / "suppl" / RAW).is_file()


def test_get_only(server, tmp_path, capsys):
    arguments = ["--dest", str(tmp_path), "--base-url", server.url, "--only", "*CART*"]
    assert main(["geo", "get", "GSE197268", *arguments]) == 0
    assert "Patient6-D7-CART.tar.gz" in capsys.readouterr().out


def test_inspect_lists_members_and_what_matched_nothing(got, capsys):
    dest, _ = got
    out = dest / "index.csv"
    arguments = ["geo", "inspect", "GSE197268", "--dest", str(dest), "--csv", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "GSE197268: 2 used, 2 not used" in said
    assert "GSM5911992_Patient6-D7-CART.tar.gz" in said
    assert "tisa-cel" in said
    assert len(pd.read_csv(out)) == 4


def test_inspect_reads_the_users_manifest_and_samples(got, tmp_path, capsys):
    from cartscope.manifest import manifest_dir

    dest, _ = got
    text = (manifest_dir() / "GSE197268.toml").read_text().replace("[-_]Infusion", "[-_]Nothing")
    text = text.replace("[-_]D7(?!", "[-_]D8(?!")
    (tmp_path / "GSE197268.toml").write_text(text)
    arguments = ["geo", "inspect", "GSE197268", "--dest", str(dest)]
    assert main([*arguments, "--manifests", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "2 not placed" in said
    assert "no pattern reads timepoint from 'Patient6-D7'" in said
    (tmp_path / "s.csv").write_text("sample_id,timepoint\nPatient6-D7,day7\n")
    more = ["--manifests", str(tmp_path), "--samples", str(tmp_path / "s.csv")]
    assert main([*arguments, *more]) == 0
    assert "1 not placed" in capsys.readouterr().out


def test_verify_says_ok_and_names_what_is_not(got, capsys):
    dest, _ = got
    arguments = ["geo", "verify", "GSE197268", "--dest", str(dest)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("as recorded") == 4
    path = series_dir("GSE197268", dest) / "suppl" / RAW
    path.write_bytes(path.read_bytes()[:-512])
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "cut off" in said.out
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert f"{RAW}: cut off" in said.err


def test_a_killed_process_is_resumed_by_the_next_one(server, remote, tmp_path):
    server.faults[RAW] = [{"pace": 0.2}]
    part = series_dir("GSE197268", tmp_path) / "suppl" / (RAW + ".part")
    command = [sys.executable, "-c", "from cartscope.cli import main; main()", "geo", "get"]
    command += ["GSE197268", "--dest", str(tmp_path), "--base-url", server.url]
    # the server's small block size is this process's only: a big block would arrive all at once
    command[2] = "import cartscope.geo._http as h; h._BLOCK = 16_384; " + command[2]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 0):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.wait()
    kept = part.stat().st_size
    whole = series_dir("GSE197268", remote) / "suppl" / RAW
    assert 0 < kept < whole.stat().st_size
    arguments = ["geo", "get", "GSE197268", "--dest", str(tmp_path), "--base-url", server.url]
    assert main(arguments) == 0
    assert server.asked(RAW)[-1]["Range"] == f"bytes={kept}-"
    assert part.with_name(RAW).read_bytes() == whole.read_bytes()


def test_every_accession_is_checked_before_any_is_fetched(server, tmp_path, capsys):
    arguments = ["geo", "get", "GSE197268", "GSE12x", "--dest", str(tmp_path)]
    assert main([*arguments, "--base-url", server.url]) == 1
    assert "error: accession 'GSE12x' is not a GEO series" in capsys.readouterr().err
    assert server.requests == []


def test_an_accession_without_manifest_is_named(got, capsys):
    dest, _ = got
    assert main(["geo", "inspect", "GSE1", "--dest", str(dest)]) == 1
    assert "GSE1.toml: no such manifest" in capsys.readouterr().err


def test_wrong_usage_is_2():
    assert main(["geo", "get"]) == 2
    assert main(["geo", "get", "GSE1", "--jobs", "0"]) == 2


def test_the_command_line_imports_nothing_heavy():
    code = (
        "import sys; import cartscope.cli._geo; "
        "print([m for m in ('pandas', 'anndata', 'scanpy', 'tqdm') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
