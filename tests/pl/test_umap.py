"""Cells on a map: all of them, in the colour of their name."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cartscope import pl
from cartscope._errors import CartscopeError


@pytest.fixture
def adata(rng):
    names = ["T"] * 6 + ["NK"] * 3 + ["unassigned"] * 5
    obs = pd.DataFrame({"cell_type": names}, index=[f"c{i}" for i in range(14)])
    return anndata.AnnData(np.ones((14, 1)), obs=obs, obsm={"X_umap": rng.normal(size=(14, 2))})


def colored(ax):
    found = {}
    for c in ax.collections:
        shades = c.get_facecolors()
        for i, point in enumerate(c.get_offsets()):
            # one colour for all is stored once
            found[tuple(np.round(point, 9))] = to_hex(shades[i if len(shades) > 1 else 0])
    return found


def test_every_cell_has_the_colour_of_its_name(adata):
    palette = {"T": "#0072b2", "NK": "#d55e00", "unassigned": "#c8ccd0"}
    ax = pl.umap(adata, color="cell_type", ax=Figure().subplots(), palette=palette)
    found = colored(ax)
    for point, name in zip(adata.obsm["X_umap"], adata.obs["cell_type"], strict=True):
        assert found[tuple(np.round(point, 9))] == palette[name]


def test_legend_counts_cells_the_unassigned_last(adata):
    ax = pl.umap(adata, color="cell_type", ax=Figure().subplots())
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts == ["T (6)", "NK (3)", "unassigned (5)"]


def test_cells_that_are_not_among_them_are_grey_and_not_counted(adata):
    among = np.arange(14) < 4
    ax = pl.umap(adata, color="cell_type", ax=Figure().subplots(), among=among)
    found = colored(ax)
    at = [tuple(np.round(p, 9)) for p in adata.obsm["X_umap"]]
    assert {found[p] for p in at[:4]} == {pl.PALETTE[0].lower()}
    assert {found[p] for p in at[4:]} == {"#e9ebed"}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["T (4)"]


def test_legend_can_be_left_out(adata):
    ax = pl.umap(adata, color="cell_type", ax=Figure().subplots(), legend=False)
    assert ax.get_legend() is None


def test_missing_names_are_unknown(adata):
    adata.obs["cell_type"] = pd.Categorical([*["T"] * 13, None])
    ax = pl.umap(adata, color="cell_type", ax=Figure().subplots())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["T (13)", "unknown (1)"]


@pytest.mark.parametrize("basis", ["X_umap", "X_tsne"])
def test_missing_slots_are_named(adata, basis):
    if basis == "X_tsne":
        with pytest.raises(CartscopeError, match="X_tsne"):
            pl.umap(adata, color="cell_type", ax=Figure().subplots(), basis=basis)
    else:
        with pytest.raises(CartscopeError, match="subset"):
            pl.umap(adata, color="subset", ax=Figure().subplots())


def test_a_long_legend_stays_on_the_page():
    adata = anndata.AnnData(
        np.ones((4, 1)), obsm={"X_umap": np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])}
    )
    adata.obs["cell_type"] = ["T", "NK", "B", "CD14 monocyte with a long name"]
    # here a box that shrinks toward its middle pushes the legend out
    figure = Figure(figsize=(5.4, 3.2), layout="constrained")
    ax = pl.umap(adata, color="cell_type", ax=figure.subplots())
    figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x1 <= figure.bbox.x1
