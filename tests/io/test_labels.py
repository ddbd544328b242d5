from __future__ import annotations

import pytest

import cartscope as cs
from cartscope._errors import InputError


def read(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return cs.io.read_labels(path)


def test_cells_are_named_as_in_a_cohort(tmp_path) -> None:
    by_parts = read(tmp_path, "sample_id,barcode,cell_type\nA,AC-1,NK\nB,AC-1,\n")
    by_name = read(tmp_path, "cell_type,cell\nNK,A_AC-1\n,B_AC-1\n")
    assert by_parts.equals(by_name)
    assert by_parts["cell"].tolist() == ["A_AC-1", "B_AC-1"]
    assert by_parts["cell_type"].tolist() == ["NK", ""]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("barcode,cell_type\nAC-1,NK\n", "does not name its cells; give a column cell, or samp"),
        ("cell\nA_AC-1\n", "has no column of labels, as cell_type"),
        ("cell,cell_type\nA,NK\nA,B\n", "cell 'A' stands in several rows"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, match) -> None:
    with pytest.raises(InputError, match=f"labels.csv: {match}"):
        read(tmp_path, text)
