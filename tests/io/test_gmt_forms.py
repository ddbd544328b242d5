from __future__ import annotations

import gzip

import pytest

import cartscope as cs
from cartscope._errors import InputError


def test_sets_and_genes_stay_in_file_order_each_gene_once(tmp_path) -> None:
    text = "B\tnote\tIL18\tIL18R1\tIL18\n\nA\thttp://x\tTNF\t\r\n"
    (tmp_path / "a.gmt").write_text(text, newline="")
    (tmp_path / "a.gmt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.gmt", "a.gmt.gz"):
        sets = cs.io.read_gene_sets(tmp_path / name)
        assert {key: list(genes) for key, genes in sets.items()} == {
            "B": ["IL18", "IL18R1"],
            "A": ["TNF"],
        }
        assert list(sets) == ["B", "A"]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"A\tnote\n", r"a.gmt, line 1: 'A' has no gene"),
        (b"A\tn\tX\nA\tn\tY\n", r"a.gmt, line 2: the set 'A' occurs twice"),
        (b"", "the file is empty"),
        (b"\n\n", "a.gmt: "),
        (b"\xff\xfe\x00", "a.gmt: cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, data, match) -> None:
    (tmp_path / "a.gmt").write_bytes(data)
    with pytest.raises(InputError, match=match):
        cs.io.read_gene_sets(tmp_path / "a.gmt")


def test_a_missing_file(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no.gmt: no such file"):
        cs.io.read_gene_sets(tmp_path / "no.gmt")


@pytest.mark.reference
def test_real_collections(reference) -> None:
    hallmark = cs.io.read_gene_sets(reference / "genesets" / "h.all.v7.0.symbols.gmt")
    assert len(hallmark) == 50
    assert "CXCL10" in hallmark["HALLMARK_INTERFERON_GAMMA_RESPONSE"]
    assert len(cs.io.read_gene_sets(reference / "genesets" / "c2.cp.v7.4.symbols.gmt")) == 2922
