"""Volcanoes and effects against effects: which gene lies where, in which colour, named or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cartscope import pl
from cartscope._errors import InputError


@pytest.fixture
def genes():
    return pd.DataFrame(
        {
            "gene": ["UP", "DOWN", "SMALL", "NULL", "OUTLIER"],
            "log2_fc": [2.0, -3.0, 0.2, 0.1, 5.0],
            "p_value": [1e-6, 1e-4, 1e-5, 0.5, np.nan],
            "fdr": [1e-5, 1e-3, 1e-4, 0.6, np.nan],
        }
    )


def points(ax, color):
    found = [
        c.get_offsets().data
        for c in ax.collections
        if len(c.get_offsets())
        and len(c.get_facecolors())
        and to_hex(c.get_facecolors()[0]) == color.lower()
    ]
    return np.vstack(found) if found else np.empty((0, 2))


def test_volcano_puts_every_tested_gene_at_effect_and_p(genes):
    ax = pl.volcano(genes, ax=Figure().subplots(), min_effect=1)
    np.testing.assert_allclose(points(ax, pl.GROUP), [[2, 6]])
    np.testing.assert_allclose(points(ax, pl.REFERENCE), [[-3, 4]])
    grey = points(ax, pl.GREY)
    np.testing.assert_allclose(grey[np.argsort(grey[:, 0])], [[0.1, -np.log10(0.5)], [0.2, 5]])


def test_volcano_counts_what_passes_in_its_legend(genes):
    ax = pl.volcano(genes, ax=Figure().subplots())
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts == ["q \u2265 0.1 (1)", "higher (2)", "lower (1)"]


def test_volcano_names_genes_that_are_there(genes):
    ax = pl.volcano(genes, ax=Figure().subplots(), label=["NULL", "UP", "OUTLIER", "ABSENT"])
    assert {t.get_text() for t in ax.texts} == {"NULL", "UP"}


def test_volcano_draws_a_p_of_zero_at_the_top(genes):
    genes.loc[0, "p_value"] = 0.0
    ax = pl.volcano(genes, ax=Figure().subplots())
    high = points(ax, pl.GROUP)[:, 1].max()
    assert 300 < high < ax.get_ylim()[1]


def test_volcano_holds_every_point(genes):
    ax = pl.volcano(genes, ax=Figure().subplots())
    assert ax.get_xlim()[0] < -3 < 2 < ax.get_xlim()[1]


def test_volcano_of_nothing_is_empty_axes(genes):
    ax = pl.volcano(genes.head(0), ax=Figure().subplots())
    assert len(ax.texts) == 0


def test_volcano_names_a_missing_column(genes):
    with pytest.raises(InputError, match="fdr"):
        pl.volcano(genes.drop(columns="fdr"), ax=Figure().subplots())


@pytest.fixture
def effects():
    return pd.DataFrame(
        {
            "x": [2.0, 1.0, 0.0, np.nan],
            "y": [2.5, 0.0, 0.1, 1.0],
            "class": ["both", "one", "none", "both"],
            "differ": [False, True, False, True],
        },
        index=["C1QA", "CXCL10", "ACTB", "LOST"],
    )


PALETTE = {"none": "#cccccc", "one": "#d55e00", "both": "#882255"}


def test_effects_lie_at_their_coordinates_in_the_colour_of_their_class(effects):
    ax = pl.effect_scatter(
        effects, x="x", y="y", color="class", ax=Figure().subplots(), palette=PALETTE
    )
    np.testing.assert_allclose(points(ax, "#882255"), [[2.0, 2.5]])
    np.testing.assert_allclose(points(ax, "#d55e00"), [[1.0, 0.0]])
    np.testing.assert_allclose(points(ax, "#cccccc"), [[0.0, 0.1]])
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts == ["none (1)", "one (1)", "both (1)"]


def test_genes_whose_effects_differ_are_triangles(effects):
    ax = pl.effect_scatter(
        effects, x="x", y="y", color="class", ax=Figure().subplots(), palette=PALETTE,
        triangle="differ",
    )  # fmt: skip
    corners = {
        tuple(c.get_offsets()[0]): len(c.get_paths()[0].vertices)
        for c in ax.collections
        if len(c.get_offsets()) and to_hex(c.get_facecolors()[0]) in PALETTE.values()
    }
    assert corners[1.0, 0.0] == 4  # a closed triangle
    assert corners[2.0, 2.5] > 4
    assert ax.get_legend().get_texts()[-1].get_text() == "differ (1)"


def test_both_axes_have_the_same_scale_and_hold_every_point(effects):
    ax = pl.effect_scatter(
        effects, x="x", y="y", color="class", ax=Figure().subplots(), palette=PALETTE
    )
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[1] > 2.5
    assert ax.get_aspect() == 1


def test_label_is_what_the_caller_writes(effects):
    ax = pl.effect_scatter(
        effects, x="x", y="y", color="class", ax=Figure().subplots(), palette=PALETTE,
        label={"C1QA": "complement", "LOST": "lost", "OTHER": "other"},
    )  # fmt: skip
    assert [t.get_text() for t in ax.texts] == ["complement"]


def test_effects_name_a_missing_column(effects):
    with pytest.raises(InputError, match="wrong"):
        pl.effect_scatter(
            effects, x="x", y="y", color="wrong", ax=Figure().subplots(), palette=PALETTE
        )
