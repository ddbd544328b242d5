"""Names beside points stay readable, however close the points are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cartscope import pl
from cartscope.pl._labels import turn_colliding


def boxes(ax):
    ax.figure.draw_without_rendering()
    return [Text.get_window_extent(t) for t in ax.texts]


@pytest.mark.parametrize("n", [2, 12])
def test_names_of_points_in_one_place_do_not_overlap(n):
    ax = Figure(figsize=(4, 4), layout="constrained").subplots()
    ax.scatter([0.5] * n, [0.5] * n)
    pl.label_points([0.5] * n, [0.5] * n, [f"GENE{i}" for i in range(n)], ax=ax)
    assert len(ax.texts) == n
    assert not any(a.overlaps(b) for a, b in combinations(boxes(ax), 2))


def test_names_at_the_rim_stay_inside():
    ax = Figure(figsize=(3, 3)).subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    pl.label_points([0, 1, 0, 1], [0, 0, 1, 1], ["CXCL10"] * 4, ax=ax)
    frame = ax.get_window_extent()
    for box in boxes(ax):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1


def test_a_name_keeps_off_the_cloud(rng):
    ax = Figure(figsize=(4, 4)).subplots()
    cloud = rng.normal(0, 0.1, size=(500, 2))
    ax.scatter(*cloud.T)
    ax.set(xlim=(-2, 2), ylim=(-2, 2))
    pl.label_points([0.3], [0.0], ["IL10"], ax=ax)
    (box,) = boxes(ax)
    inside = ax.transData.transform(cloud)
    covered = ((inside > box.min) & (inside < box.max)).all(axis=1).sum()
    assert covered <= 2


def test_each_name_points_at_its_own_point():
    ax = Figure().subplots()
    pl.label_points([0.1, 0.9], [0.2, 0.8], ["A", "B"], ax=ax)
    assert {t.get_text(): t.xy for t in ax.texts} == {"A": (0.1, 0.2), "B": (0.9, 0.8)}


@pytest.mark.parametrize("seed", [0, 1, 5, 9])
def test_a_name_stands_nearest_to_its_own_point(seed):
    points = np.random.default_rng(seed).normal(0.5, 0.06, size=(5, 2))
    ax = Figure(figsize=(3, 3)).subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    pl.label_points(*points.T, [f"GENE{i}" for i in range(5)], ax=ax)
    at = ax.transData.transform(points)
    for own, box in enumerate(boxes(ax)):
        beyond = np.maximum(np.maximum(box.min - at, at - box.max), 0)
        assert np.linalg.norm(beyond, axis=1).argmin() == own


def test_a_line_to_a_name_runs_over_no_other_named_point():
    rng = np.random.default_rng(3)
    ax = Figure(figsize=(4, 4)).subplots()
    ax.scatter(*rng.uniform(0.2, 0.8, size=(2, 3000)))  # names must go far
    ax.set(xlim=(0, 1), ylim=(0, 1))
    points = np.array([[0.5, 0.5], [0.62, 0.56], [0.72, 0.6]])
    pl.label_points(*points.T, ["IL10RB", "IL10RA", "IL4R"], ax=ax)
    at = ax.transData.transform(points)
    for own, box in enumerate(boxes(ax)):
        end = np.clip(at[own], box.min, box.max)
        line = at[own] + np.linspace(0, 1, 50)[:, None] * (end - at[own])
        for other in set(range(3)) - {own}:
            assert np.linalg.norm(line - at[other], axis=1).min() > 4


def test_limits_are_kept_and_points_without_a_place_left_out():
    ax = Figure().subplots()
    ax.set(xlim=(0, 3), ylim=(0, 4))
    pl.label_points([1, np.nan], [1, 1], ["here", "nowhere"], ax=ax)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 3), (0, 4))
    assert [t.get_text() for t in ax.texts] == ["here"]


def test_the_same_points_get_the_same_places():
    def places():
        ax = Figure().subplots()
        pl.label_points([0.5, 0.5, 0.52], [0.5, 0.5, 0.5], ["A", "B", "C"], ax=ax)
        return [t.get_position() for t in ax.texts]

    assert places() == places()


@pytest.mark.parametrize(("names", "turned"), [(["CD4", "CD8"], False), (["x" * 40] * 2, True)])
def test_names_along_the_axis_are_turned_only_where_they_collide(names, turned):
    ax = Figure(figsize=(3, 2)).subplots()
    ax.set_xticks(range(2), names)
    turn_colliding(ax)
    ax.figure.draw_without_rendering()
    assert {t.get_rotation() for t in ax.get_xticklabels()} == {90.0 if turned else 0.0}


def test_long_names_on_the_other_axis_leave_less_room():
    def turned(row):
        ax = Figure(figsize=(4, 2), layout="constrained").subplots()
        ax.set_yticks([0], [row])
        ax.set_xticks(range(3), ["CAR+ CD4 T cells"] * 3)
        turn_colliding(ax)
        return ax.get_xticklabels()[0].get_rotation() == 90

    assert not turned("a")
    assert turned("CXCL10-CXCR3 (CRS, no anakinra)")
