from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cartscope._errors import InputError, MissingExtraError
from cartscope.io import _lr_resources, read_lr_resource, read_lr_table
from cartscope.manifest import manifest_dir, read_ligand_receptor


def test_which_resource_holds_the_pairs_that_claims_name():
    pairs = read_lr_resource().set_index(["ligand", "receptor"])["source"]
    assert pairs["RETN", "CAP1"] == "cellchatdb"
    assert pairs["CXCL10", "DPP4"] == "cellphonedb"
    assert pairs["CXCL10", "CXCR3"] == "cellchatdb;cellphonedb"


def test_the_manifest_says_the_same_of_its_pairs():
    manifest = read_ligand_receptor(manifest_dir() / "ligand_receptor.toml")
    table = read_lr_resource(manifest.resources.names)
    pairs = table.set_index(["ligand", "receptor"])["source"]
    for pair in manifest.pair:
        assert pairs[pair.ligand, pair.receptor] == ";".join(pair.databases)
        assert pair.name == f"{pair.ligand}_{pair.receptor}"
    measured = manifest.resources.measured_with
    if table.attrs["sha256"] != measured.sha256:
        pytest.skip(f"another LIANA than {measured.liana}: its counts are its own")
    assert table.attrs["n_pairs"] == measured.pairs
    assert len(table) == measured.union


def test_the_file_and_its_version_are_recorded():
    table = read_lr_resource()
    folder = Path(find_spec("liana").submodule_search_locations[0])
    raw = (folder / "resource" / "omni_resource.csv").read_bytes()
    assert table.attrs["sha256"] == hashlib.sha256(raw).hexdigest()
    assert table.attrs["liana_version"]
    assert not table.duplicated(["ligand", "receptor"]).any()


def test_one_resource_alone_is_a_part_of_the_union():
    alone = read_lr_resource("cellphonedb")
    assert (alone["source"] == "cellphonedb").all()
    both = set(map(tuple, read_lr_resource()[["ligand", "receptor"]].to_numpy()))
    assert set(map(tuple, alone[["ligand", "receptor"]].to_numpy())) < both


def test_reading_does_not_import_liana():
    """Importing it takes seconds, and warnings of its own end a run under -W error."""
    code = (
        "import sys; from cartscope.io import read_lr_resource; read_lr_resource(); "
        "sys.exit('liana' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


def test_unknown_resources_are_named():
    with pytest.raises(InputError, match="Did you mean 'cellchatdb'"):
        read_lr_resource(["cellchat_db"])
    with pytest.raises(InputError, match="names is empty"):
        read_lr_resource([])


def test_without_liana_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(_lr_resources, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install liana"):
        read_lr_resource()


def test_a_liana_without_its_table_is_named(monkeypatch):
    monkeypatch.setattr(_lr_resources, "LIANA_TABLE", ("resource", "gone.csv"))
    with pytest.raises(MissingExtraError, match=r"has no resource/gone\.csv.*read_lr_table"):
        read_lr_resource()


def test_a_table_of_your_own(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("receptor\tligand\tnote\nCXCR3\tCXCL10\tx\nCXCR3\tCXCL10\ty\nCAP1\tRETN\tz\n")
    table = read_lr_table(path)
    assert table.to_numpy().tolist() == [
        ["CXCL10", "CXCR3", "mine.tsv"],
        ["RETN", "CAP1", "mine.tsv"],
    ]
    assert table.attrs["n_pairs"] == {"mine.tsv": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ligand,target\nA,B\n", r"missing column\(s\) \['receptor'\]"),
        ("ligand,receptor\nA,B\n,C\n", "line 3 has no ligand or no receptor"),
        ("", "mine.csv: no table"),
        ("ligand,receptor\nA,B\nA,B,C,D\n", "mine.csv: no table"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_lr_table(path)
    with pytest.raises(InputError, match="no such file"):
        read_lr_table(tmp_path / "none.csv")
