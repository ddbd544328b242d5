"""Names beside points, where they cover neither each other nor the points."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from numpy.typing import ArrayLike

_RINGS: Final = (5, 9, 14, 20, 27, 35, 45, 58)  # points
_ANGLES: Final = np.deg2rad(np.arange(0, 360, 20))
_GAP: Final = np.array([5.0, 1.0])  # pixels between two names
_RIM: Final = 3.0  # pixels inside the frame
_APART: Final = 4.0  # pixels between two names along an axis
_MARKER: Final = 5.0  # pixels from a named point to the rim of its ring
_LEADER: Final = 6  # points; a name farther from its point than this gets a line


def label_points(x: ArrayLike, y: ArrayLike, names: Sequence[str], *, ax: Axes) -> Axes:
    """Write names beside points, moved so that they stay readable.

    Call it last: names are placed by where the points of ``ax`` then lie on the page.

    Parameters
    ----------
    x, y
        Coordinates, in units of the data.
    names
        One name per point.
    ax
        Axes to write on; its limits are kept.

    Returns
    -------
    The same ``ax``.

    Examples
    --------
    >>> import cartscope as cs
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> cs.pl.label_points([0.2, 0.2], [0.5, 0.5], ["CD3D", "CD3E"], ax=ax) is ax
    True
    """
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    keep = np.isfinite(points).all(axis=1)
    points, names = points[keep], [n for n, there in zip(names, keep, strict=True) if there]
    if not names:
        return ax
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    ax.figure.draw_without_rendering()  # the layout decides where points lie
    scale = ax.figure.dpi / 72
    style = {"boxstyle": "square,pad=0.05", "fc": "white", "ec": "none", "alpha": 0.65}
    texts = []
    for name, point in zip(names, points, strict=True):
        text = ax.annotate(
            name, point, (0, 0), textcoords="offset points", ha="center", va="center",
            fontsize=6, bbox=style, zorder=5,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "#555555", "shrinkA": 0,
                        "shrinkB": 1.5},
        )  # fmt: skip
        text.set_in_layout(False)
        texts.append(text)
    sizes = np.array([_size(t) for t in texts])
    at = ax.transData.transform(points)
    every = _all_points(ax)
    frame = ax.get_window_extent()
    placed = np.empty((0, 4))
    # the names on the rim first: they have somewhere to go
    order = np.argsort(-np.abs(at - at.mean(axis=0)).sum(axis=1), kind="stable")
    for i in order:
        shifts, boxes = _candidates(at[i], sizes[i], scale)
        cost = _cost(boxes, placed=placed, points=every, frame=frame.extents)
        cost += 20 * _inside(at, boxes)
        cost += np.linalg.norm(shifts, axis=1) / scale * 0.15
        cost += 6 * _crossings(at[i], boxes, placed)
        cost += 6 * _run_over(at[i], boxes, at)
        cost += 5 * _beside_another(at[i], boxes, at)
        best = int(np.argmin(cost))
        placed = np.vstack([placed, boxes[best]])
        texts[i].set_position(tuple(shifts[best] / scale))
        if np.linalg.norm(_gap(at[i], boxes[best])) / scale < _LEADER:
            texts[i].arrow_patch.set_visible(False)
    return ax


def turn_colliding(ax: Axes) -> None:
    """Turn the names along the x axis upright where they would run into each other.

    Call it after what takes room beside the axes: names are measured where they then lie.

    Parameters
    ----------
    ax
        Its axes.
    """
    ax.figure.draw_without_rendering()
    boxes = sorted(t.get_window_extent().extents[[0, 2]].tolist() for t in ax.get_xticklabels())
    if any(right[0] - left[1] < _APART for left, right in pairwise(boxes)):
        ax.tick_params(axis="x", labelrotation=90)


def _size(text: Annotation) -> np.ndarray:
    from matplotlib.text import Text

    box = Text.get_window_extent(text)  # without the arrow
    return np.array([box.width, box.height])


def _all_points(ax: Axes) -> np.ndarray:
    found = [np.empty((0, 2))]
    for collection in ax.collections:
        offsets = np.ma.filled(collection.get_offsets(), np.nan)
        if len(offsets):
            found.append(collection.get_offset_transform().transform(offsets))
    every = np.vstack(found)
    return every[np.isfinite(every).all(axis=1)]


def _candidates(point: np.ndarray, size: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    radius, angle = (v.ravel() for v in np.meshgrid(_RINGS, _ANGLES, indexing="ij"))
    way = np.column_stack([np.cos(angle), np.sin(angle)])
    shifts = way * (radius * scale)[:, None] + way * size / 2
    centers = point + shifts
    return shifts, np.hstack([centers - size / 2, centers + size / 2])


def _cost(
    boxes: np.ndarray, *, placed: np.ndarray, points: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    other_low, other_high = placed[None, :, :2] - _GAP, placed[None, :, 2:] + _GAP
    width = np.minimum(high, other_high) - np.maximum(low, other_low)
    overlaps = (width > 0).all(axis=2).sum(axis=1)
    outside = np.any(boxes[:, :2] < frame[:2] + _RIM, axis=1)
    outside |= np.any(boxes[:, 2:] > frame[2:] - _RIM, axis=1)
    return 50.0 * overlaps + 100.0 * outside + 3 * np.log1p(_inside(points, boxes))


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    low, high = boxes[:, None, :2] - 2, boxes[:, None, 2:] + 2
    return ((points[None] > low) & (points[None] < high)).all(axis=2).sum(axis=1)


def _crossings(point: np.ndarray, boxes: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Count the names that a line from the point to each box would run through."""
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    steps = np.linspace(0.0, 1.0, 9)[1:-1]
    line = point + steps[None, :, None] * (centers - point)[:, None, :]
    at = line[:, :, None, :]
    inside = ((at > placed[None, None, :, :2]) & (at < placed[None, None, :, 2:])).all(axis=3)
    return inside.any(axis=1).sum(axis=1)


def _run_over(point: np.ndarray, boxes: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Count the other named points that a line from the point to each box would run over."""
    others = named[np.linalg.norm(named - point, axis=1) > 2 * _MARKER]
    way = np.clip(point, boxes[:, :2], boxes[:, 2:]) - point  # to the nearest edge of each box
    to = others[None] - point
    length = np.maximum((way**2).sum(axis=1), 1.0)
    along = np.clip((to * way[:, None]).sum(axis=2) / length[:, None], 0, 1)
    off = np.linalg.norm(to - along[:, :, None] * way[:, None], axis=2)
    return (off < _MARKER).sum(axis=1)


def _beside_another(point: np.ndarray, boxes: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Tell whether a box lies nearer to another named point, which it would seem to name."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]

    def away(points: np.ndarray) -> np.ndarray:
        beyond = np.maximum(np.maximum(low - points[None], points[None] - high), 0)
        return np.linalg.norm(beyond, axis=2)

    others = named[np.linalg.norm(named - point, axis=1) > _MARKER]
    if not len(others):
        return np.zeros(len(boxes))
    return (away(others).min(axis=1) <= away(point[None])[:, 0]).astype(float)


def _gap(point: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(box[:2] - point, point - box[2:]), 0)
