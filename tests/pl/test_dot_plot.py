"""Dot plots: two numbers per dot, none lost, none invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cartscope import pl
from cartscope._errors import InputError


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "pair": ["RETN-CAP1", "RETN-CAP1", "CXCL10-CXCR3", "CXCL10-CXCR3"],
            "to": ["CD4", "CD8", "CD4", "CD8"],
            "change": [1.0, -2.0, np.inf, 0.5],
            "strength": [2.0, 0.5, 1.0, np.nan],
        }
    )


def draw(table, **more):
    ax = Figure().subplots()
    return pl.dot_plot(table, x="to", y="pair", color="change", size="strength", ax=ax, **more)


def test_dots_stand_where_their_names_are(table):
    ax = draw(table)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["CD4", "CD8"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["RETN-CAP1", "CXCL10-CXCR3"]
    assert ax.collections[0].get_offsets().tolist() == [[0, 0], [1, 0], [0, 1]]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is on top


def test_area_grows_with_size_and_ends_at_the_largest(table):
    two, half, one = draw(table).collections[0].get_sizes()
    assert half < one < two == 60
    two, half, one = draw(table, largest=1.0).collections[0].get_sizes()
    assert half < one == two == 60


def test_infinite_colour_is_the_end_of_the_scale(table):
    dots = draw(table, diverging=True).collections[0]
    assert dots.get_clim() == (-2, 2)
    assert dots.get_array().tolist() == [1, -2, 2]


def test_sequential_scale_starts_at_zero(table):
    dots = draw(table.assign(change=[1.0, 2.0, 4.0, 3.0])).collections[0]
    assert dots.get_clim() == (0, 4)


def test_a_row_without_a_result_is_a_cross_and_the_legend_says_so(table):
    ax = draw(table)
    assert ax.collections[1].get_offsets().tolist() == [[1, 1]]
    assert ax.get_legend().get_texts()[-1].get_text() == "not tested"
    whole = draw(table.fillna({"strength": 1.0}))
    assert "not tested" not in [t.get_text() for t in whole.get_legend().get_texts()]


def test_categories_give_the_order_and_unused_ones_no_room(table):
    order = ["CXCL10-CXCR3", "CXCL10-DPP4", "RETN-CAP1"]
    ax = draw(table.assign(pair=pd.Categorical(table["pair"], order)))
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CXCL10-CXCR3", "RETN-CAP1"]
    assert ax.collections[0].get_offsets().tolist() == [[0, 1], [1, 1], [0, 0]]


def test_scales_are_named_by_their_columns(table):
    ax = draw(table)
    assert ax.get_legend().get_title().get_text() == "strength"
    assert ax.figure.axes[1].get_ylabel() == "change"


def test_names_turn_only_where_they_would_collide(table):
    assert {t.get_rotation() for t in draw(table).get_xticklabels()} == {0}
    long = table.assign(to=table["to"] + " T cells of unsorted samples of the new study")
    assert {t.get_rotation() for t in draw(long).get_xticklabels()} == {90}


def test_a_missing_column_is_named(table):
    with pytest.raises(InputError, match="strength"):
        draw(table.drop(columns="strength"))
