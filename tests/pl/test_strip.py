"""One dot per patient: where it stands, what is written, who counts."""

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
            "grade": ["low"] * 4 + ["high"] * 3,
            "share": [1.0, 2.0, 3.0, 40.0, 10.0, 30.0, 20.0],
            "counted": [True, True, True, False, True, True, True],
        }
    )


def dots(ax):
    return [c for c in ax.collections if len(c.get_offsets()) and c.get_zorder() == 3]


def bars(ax):
    lines = [c for c in ax.collections if hasattr(c, "get_segments") and c.get_segments()]
    return [tuple(line.get_segments()[0][:, 1]) for line in lines]


def test_every_patient_is_a_dot_over_its_group(shares):
    ax = pl.strip(shares, x="grade", y="share", ax=Figure().subplots(), order=["low", "high"])
    low, high = (c.get_offsets() for c in dots(ax))
    assert sorted(low[:, 1]) == [1, 2, 3, 40]
    assert sorted(high[:, 1]) == [10, 20, 30]
    assert np.abs(low[:, 0] - 0).max() < 0.5
    assert np.abs(high[:, 0] - 1).max() < 0.5


def test_bar_and_n_leave_out_who_is_not_counted(shares):
    ax = pl.strip(shares, x="grade", y="share", ax=Figure().subplots(), filled="counted")
    assert bars(ax) == [(2.0, 2.0), (20.0, 20.0)]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["low\nn = 3", "high\nn = 3"]
    faces = dots(ax)[0].get_facecolors()
    assert [bool(f[3]) for f in faces] == [True, True, True, False]


def test_without_filled_all_count(shares):
    ax = pl.strip(shares, x="grade", y="share", ax=Figure().subplots())
    assert bars(ax) == [(2.5, 2.5), (20.0, 20.0)]


def test_test_is_written_above_its_two_groups_and_inside_the_axes(shares):
    ax = pl.strip(
        shares, x="grade", y="share", ax=Figure().subplots(), tests={("low", "high"): "p = 0.1"}
    )
    (text,) = ax.texts
    assert text.get_text() == "p = 0.1"
    ax.figure.draw_without_rendering()
    box, frame = text.get_window_extent(), ax.get_window_extent()
    left, right = (ax.transData.transform((x, 40.0)) for x in (0, 1))
    assert (box.x0 + box.x1) / 2 == pytest.approx((left[0] + right[0]) / 2)
    assert left[1] < box.y0
    assert box.y1 < frame.y1


def test_test_of_dots_in_a_narrow_range_stays_inside_when_zero_is_shown():
    table = pd.DataFrame({"g": ["a", "a", "b", "b"], "v": [60.0, 61.0, 62.0, 63.0]})
    ax = Figure(figsize=(2, 1.6)).subplots()
    ax.set_ylim(0, 64)
    pl.strip(table, x="g", y="v", ax=ax, tests={("a", "b"): "p = 0.3\nq = 0.6"})
    ax.figure.draw_without_rendering()
    assert ax.get_ylim()[0] == 0
    assert ax.texts[0].get_window_extent().y1 < ax.get_window_extent().y1


def test_dots_of_like_value_stand_side_by_side():
    table = pd.DataFrame({"g": ["a"] * 5 + ["b"], "v": [7.0] * 5 + [0.0]})
    ax = pl.strip(table, x="g", y="v", ax=Figure().subplots())
    across = dots(ax)[0].get_offsets()[:, 0]
    assert len(set(np.round(across, 6))) == 5
    again = dots(pl.strip(table, x="g", y="v", ax=Figure().subplots()))[0].get_offsets()[:, 0]
    assert np.array_equal(across, again)


def test_a_group_without_patients_says_n_0():
    table = pd.DataFrame({"g": ["a", "a"], "v": [1.0, 2.0]})
    ax = pl.strip(table, x="g", y="v", ax=Figure().subplots(), order=["a", "b"])
    assert ax.get_xticklabels()[1].get_text() == "b\nn = 0"


def test_missing_column_is_named(shares):
    with pytest.raises(InputError, match="wrong"):
        pl.strip(shares, x="grade", y="wrong", ax=Figure().subplots())


def test_table_is_left_as_it_was(shares):
    before = shares.copy()
    pl.strip(shares, x="grade", y="share", ax=Figure().subplots(), filled="counted")
    pd.testing.assert_frame_equal(shares, before)


def test_more_dots_than_fit_are_spread_over_the_width():
    table = pd.DataFrame({"g": ["a"] * 21 + ["b"], "v": [7.0] * 21 + [0.0]})
    ax = pl.strip(table, x="g", y="v", ax=Figure().subplots())
    _, counts = np.unique(np.round(dots(ax)[0].get_offsets()[:, 0], 6), return_counts=True)
    assert len(counts) == 7
    assert counts.max() - counts.min() <= 1
