"""The paper's supplementary tables, by what its text says of them."""

from __future__ import annotations

import pytest

from cartscope._errors import ManifestError
from cartscope.manifest import manifest_dir, read_contrasts, read_supplement


def test_every_supplementary_table_has_one_row():
    supplement = read_supplement(manifest_dir() / "supplement.toml")
    assert [t.id for t in supplement.table] == [f"S{i}" for i in range(1, 12)]
    # the text names every one of them but S6
    assert [t.id for t in supplement.table if not t.says] == ["S6"]


def test_contrasts_that_tables_name_exist():
    known = {c.id for c in read_contrasts(manifest_dir() / "contrasts.toml").contrast}
    for table in read_supplement(manifest_dir() / "supplement.toml").table:
        assert set(table.where.get("contrast", ())) <= known, table.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[table]]\nid = "S1"\nsays = "x"\n', "one of from, gene_sets and missing"),
        ('[[table]]\nid = "S1"\nsays = "x"\nfrom = "de"\nmissing = "y"\n', "one of from"),
        ('[[table]]\nid = "T1"\nsays = "x"\nfrom = "de"\n', "id"),
        ('[[table]]\nid = "S1"\nsays = "x"\nfrom = "serum"\n', "from"),
        ('[[table]]\nid = "S1"\nsays = "x"\nfrm = "de"\n', "unknown key"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, message):
    (tmp_path / "supplement.toml").write_text(text, "utf-8")
    with pytest.raises(ManifestError, match=message):
        read_supplement(tmp_path / "supplement.toml")
