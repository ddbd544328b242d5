"""One look, and a mark that stays with the panel."""

from __future__ import annotations

import io
import re
import zlib

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from cartscope import pl


def pdf_text(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    streams = re.findall(rb"stream\n(.*?)\nendstream", buffer.getvalue(), re.S)
    words = []
    for stream in streams:
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue
        for text in re.findall(rb"BT\n(.*?)\nET", drawn, re.S):
            words.append(b"".join(re.findall(rb"\((.*?)\)", text, re.S)).replace(b"\0", b""))
    return words


def test_style_ends_with_its_block():
    before = mpl.rcParams.copy()
    with pl.style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == dict(before)


def test_text_in_a_pdf_can_be_edited():
    with pl.style():
        figure, ax = plt.subplots()
        ax.set_title("editable")
        assert b"editable" in pdf_text(figure)
        plt.close(figure)


def test_the_mark_is_on_the_figure_and_in_every_panel_but_no_scale():
    figure, axes = plt.subplots(1, 2, layout="constrained")
    figure.colorbar(axes[0].scatter([0], [0], c=[1]), ax=axes[0])
    pl.stamp(figure, "SIMULATED")
    assert [t.get_text() for t in figure.texts] == ["SIMULATED"]
    marked = [[t.get_text() for t in ax.texts] for ax in figure.axes]
    assert marked == [["SIMULATED"], ["SIMULATED"], []]
    plt.close(figure)


def test_a_footnote_fits_under_the_figure_and_shrinks_no_panel():
    def drawn(text):
        figure, ax = plt.subplots(figsize=(2.4, 2), layout="constrained")
        ax.set_xlabel("cells")
        if text:
            pl.footnote(figure, text)
            pl.stamp(figure, "SIMULATED")
        figure.draw_without_rendering()
        plt.close(figure)
        return figure, ax

    _, plain = drawn("")
    words = "Exact two-sided Mann-Whitney U test, one value per patient; q over cell types. So rare"
    figure, ax = drawn(words)
    note, mark = figure.texts
    assert note.get_text().replace("\n", " ") == words
    box, page = note.get_window_extent(), figure.bbox
    assert box.x1 <= page.x1
    assert box.y0 >= page.y0
    assert not box.overlaps(ax.get_tightbbox())
    assert not mark.get_window_extent().overlaps(ax.get_tightbbox())
    assert abs(ax.get_window_extent().height - plain.get_window_extent().height) < 2


def test_a_footnote_leaves_a_figure_without_a_layout_its_size():
    figure = plt.figure(figsize=(3, 2))
    pl.footnote(figure, "no test")
    assert tuple(figure.get_size_inches()) == (3, 2)
    plt.close(figure)


def test_the_mark_covers_no_title_and_shrinks_no_panel():
    def title_and_size(*, marked):
        figure, ax = plt.subplots(figsize=(3, 2), layout="constrained")
        ax.set_title("A long title that reaches far to the right of it")
        if marked:
            pl.stamp(figure, "SIMULATED")
        figure.draw_without_rendering()
        out = ax.title.get_window_extent(), ax.get_window_extent().height, figure
        plt.close(figure)
        return out

    _, height, _ = title_and_size(marked=False)
    title, marked_height, figure = title_and_size(marked=True)
    (mark,) = figure.texts
    assert not mark.get_window_extent().overlaps(title)
    assert abs(marked_height - height) < 2


def test_colours_are_told_apart_by_lightness_or_hue_and_names_keep_theirs():
    rgb = np.array([to_rgb(c) for c in pl.PALETTE])
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)
    assert apart[~np.eye(len(rgb), dtype=bool)].min() > 0.15
    assert pl.colors(["unassigned", "T", "NK"]) == {
        "unassigned": pl.GREY,
        "T": pl.PALETTE[0],
        "NK": pl.PALETTE[1],
    }
