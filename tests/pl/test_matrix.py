"""Heatmaps and the matrix of who has which sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cartscope import pl


@pytest.fixture
def scores():
    return pd.DataFrame(
        {"P1": [1.0, -3.0], "P2": [np.nan, 0.0], "P3": [2.0, 1.0]}, index=["C1QA", "IL1B"]
    )


def test_heatmap_shows_every_number_in_its_place(scores):
    ax = pl.heatmap(scores, ax=Figure().subplots(), label="z")
    values = ax.collections[0].get_array().reshape(scores.shape)
    np.testing.assert_array_equal(np.ma.filled(values, np.nan), scores.to_numpy())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["P1", "P2", "P3"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["C1QA", "IL1B"]
    assert ax.get_ylim() == (2, 0)
    assert ax.figure.axes[1].get_ylabel() == "z"


def test_diverging_scale_is_even_about_its_center(scores):
    mesh = pl.heatmap(scores, ax=Figure().subplots(), label="z", center=0).collections[0]
    assert mesh.get_clim() == (-3, 3)
    plain = pl.heatmap(scores, ax=Figure().subplots(), label="z").collections[0]
    assert plain.get_clim() == (-3, 2)


def test_groups_are_named_over_their_columns_and_set_apart(scores):
    ax = pl.heatmap(scores, ax=Figure().subplots(), label="z", groups=["low", "low", "high"])
    assert [(t.get_text(), t.get_position()[0]) for t in ax.texts] == [("low", 1), ("high", 2.5)]
    assert [line.get_xdata()[0] for line in ax.lines] == [2]


def test_heatmap_without_a_number_is_blank():
    table = pd.DataFrame({"P1": [np.nan]}, index=["C1QA"])
    mesh = pl.heatmap(table, ax=Figure().subplots(), label="z", center=0).collections[0]
    assert mesh.get_array().mask.all()


@pytest.fixture
def samples():
    return pd.DataFrame({"product": [1200, 0], "day 7": [900, np.nan]}, index=["P1", "P2"])


def test_a_sample_that_is_there_is_filled_and_counted(samples):
    group = pd.Series({"P1": "anakinra", "P2": "none"})
    palette = {"anakinra": "#d55e00", "none": "#0072b2"}
    ax = pl.presence_matrix(samples, ax=Figure().subplots(), group=group, palette=palette)
    assert [(t.get_text(), t.get_position()) for t in ax.texts] == [
        ("1,200", (0, 0)),
        ("900", (1, 0)),
    ]
    filled = [to_hex(p.get_facecolor()) for p in ax.patches if p.get_facecolor()[3]]
    assert filled == ["#d55e00", "#d55e00"]
    assert len(ax.patches) == 4
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["anakinra", "none"]


def test_notes_stand_right_of_their_rows(samples):
    notes = pd.DataFrame({"CRS": ["2", "?"]}, index=["P1", "P2"])
    group = pd.Series({"P1": "a"})
    ax = pl.presence_matrix(samples, ax=Figure().subplots(), group=group, notes=notes)
    where = {t.get_text(): t.get_position() for t in ax.texts}
    assert where["2"] == (2, 0)
    assert where["?"] == (2, 1)
    assert ax.get_xticklabels()[-1].get_text() == "CRS"
    assert ax.get_xlim()[1] > 2


def test_a_row_without_a_group_is_called_unknown(samples):
    ax = pl.presence_matrix(samples, ax=Figure().subplots(), group=pd.Series({"P1": "a"}))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "unknown"]
