"""Bars: heights that are the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cartscope import pl
from cartscope._errors import InputError


@pytest.fixture
def shares():
    return pd.DataFrame(
        {
            "patient": ["1", "1", "2", "2"],
            "subset": ["CD4", "CD8", "CD4", "Treg"],
            "share": [0.4, 0.6, 0.7, 0.3],
        }
    )


def heights(ax):
    return [
        (
            round(b.get_x() + b.get_width() / 2),
            round(float(b.get_y()), 6),
            round(float(b.get_height()), 6),
        )
        for b in ax.patches
    ]


def test_parts_stack_in_the_order_of_the_palette(shares):
    palette = {"Treg": "#000000", "CD8": "#ff0000", "CD4": "#00ff00"}
    ax = pl.stacked_bars(
        shares, x="patient", part="subset", height="share", ax=Figure().subplots(), palette=palette
    )
    assert heights(ax) == [
        (0, 0, 0), (1, 0, 0.3), (0, 0, 0.6), (1, 0.3, 0), (0, 0.6, 0.4), (1, 0.3, 0.7),
    ]  # fmt: skip
    top = np.zeros(2)
    for place, low, height in heights(ax):
        top[place] = max(top[place], low + height)
    np.testing.assert_allclose(top, 1)


def test_legend_reads_from_the_top_down(shares):
    ax = pl.stacked_bars(shares, x="patient", part="subset", height="share", ax=Figure().subplots())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Treg", "CD8", "CD4"]
    assert ax.get_ylabel() == "share"
    bare = pl.stacked_bars(
        shares, x="patient", part="subset", height="share", ax=Figure().subplots(), legend=False
    )
    assert bare.get_legend() is None


def test_bars_are_drawn_from_the_top_with_their_numbers():
    table = pd.DataFrame({"population": ["CD8", "CD4"], "genes": [352, -12], "note": ["a", "b"]})
    ax = pl.bars(table, y="population", width="genes", ax=Figure().subplots())
    assert [b.get_width() for b in ax.patches] == [352, -12]
    assert [t.get_text() for t in ax.texts] == ["352", "-12"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    noted = pl.bars(table, y="population", width="genes", ax=Figure().subplots(), note="note")
    assert [t.get_text() for t in noted.texts] == ["a", "b"]


def test_counts_have_no_fractional_ticks():
    table = pd.DataFrame({"population": ["CD8", "CD4"], "genes": [1, 0]})
    ax = pl.bars(table, y="population", width="genes", ax=Figure().subplots())
    assert all(float(t).is_integer() for t in ax.get_xticks())


@pytest.mark.parametrize("missing", ["patient", "subset", "share"])
def test_a_missing_column_is_named(shares, missing):
    with pytest.raises(InputError, match=missing):
        pl.stacked_bars(
            shares.drop(columns=missing), x="patient", part="subset", height="share",
            ax=Figure().subplots(),
        )  # fmt: skip


def test_bars_name_a_missing_column():
    with pytest.raises(InputError, match="genes"):
        pl.bars(pd.DataFrame({"y": ["a"]}), y="y", width="genes", ax=Figure().subplots())
