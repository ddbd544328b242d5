"""The sample table of one or more series on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from cartscope._errors import InputError
from cartscope._schema import SAMPLES
from cartscope.geo._inspect import index_table
from cartscope.geo._members import Unit
from cartscope.geo._override import override, read_user_samples
from cartscope.geo._placed import NOT_USED, USED, Placed
from cartscope.geo._places import find_series
from cartscope.geo._placing import place_series
from cartscope.io._samples import check_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.manifest._geo import GeoSeries


class Indexed(NamedTuple):
    """``samples`` as ``SAMPLES``; ``left_out`` as ``GEO_INDEX``: what is not used, and why."""

    samples: pd.DataFrame
    left_out: pd.DataFrame


def index(
    dest: Path | str,
    manifests: GeoSeries | Sequence[GeoSeries],
    *,
    samples: pd.DataFrame | Path | str | None = None,
) -> Indexed:
    r"""Make the sample table of the series on disk; nothing is unpacked.

    Parameters
    ----------
    dest
        Root of the tree that ``download`` or ``simulate`` wrote, or one series' folder.
    manifests
        The series. One that is not on disk is left out as long as another one is there.
    samples
        Table, or path of a CSV, whose rows win over what was read. A row belongs to the member its
        ``path`` names (with or without the archive and ``::``), else to the sample whose id, GSM or
        title its ``sample_id`` is. Empty cells leave what was read. A row that belongs to no member
        but has a path is a sample of its own; the path is relative to the CSV.

    Returns
    -------
    The samples that are used, sorted by study and sample, and every member or sample that is not,
    with the reason. ``path`` is relative to ``dest``; ``archive.tar::PREFIX`` means the members of
    the archive that start so.

    Raises
    ------
    InputError
        If none of the series is there, a row of ``samples`` belongs to nothing, or a value is
        impossible.
    IntegrityError
        If a file is not the one that was recorded, or an archive is damaged or unsafe.

    Examples
    --------
    >>> import tempfile
    >>> from cartscope import geo
    >>> from cartscope.manifest import manifest_dir, read_geo_series
    >>> dest = tempfile.mkdtemp()
    >>> folder = geo.series_dir("GSE197268", dest) / "suppl"
    >>> folder.mkdir(parents=True)
    >>> _ = (folder / "GSM5911992_Patient6-D7-CART.csv").write_text(",A\nAAAC-1,3\n")
    >>> series = read_geo_series(manifest_dir() / "GSE197268.toml")
    >>> geo.index(dest, series).samples[["sample_id", "patient", "timepoint", "sorted"]].values[0]
    array(['Patient6-D7-CART', 'GSE197268-6', 'day7', 'true'], dtype=object)
    """
    series = list(manifests) if isinstance(manifests, list | tuple) else [manifests]
    placed: list[Placed] = []
    absent: list[InputError] = []
    for manifest in series:
        try:
            find_series(dest, manifest.accession)
        except InputError as error:
            absent.append(error)
            unit = Unit("", (), 0, "", "")
            placed.append(Placed(unit, "", manifest.accession, "", NOT_USED, str(error)))
        else:
            placed += place_series(dest, manifest)
    name = "the sample table"
    if samples is not None:
        user = read_user_samples(samples)
        name = user.name
        placed += override(placed, user, dest=Path(dest))
    elif absent and len(absent) == len(series):
        raise absent[0]
    used = [p for p in placed if p.status == USED]
    _make_ids_unique(used)
    left = index_table(p for p in placed if p.status != USED)
    return Indexed(_table(used, name=name, dest=Path(dest)), left)


def _table(used: list[Placed], *, name: str, dest: Path) -> pd.DataFrame:
    blank = dict.fromkeys(SAMPLES.columns, "")
    rows = sorted(
        ({**blank, **p.row, "path": p.path} for p in used),
        key=lambda row: (row["study"], row["sample_id"]),
    )
    if not rows:
        return SAMPLES.empty()
    table = pd.DataFrame(rows)
    checked = check_samples(table.fillna(""), name=name, base=dest)
    # paths stay relative: a table of the same data must be the same wherever it stands
    return SAMPLES.check(checked.assign(path=table["path"]))


def _make_ids_unique(used: list[Placed]) -> None:
    """Put the study before ids that two studies share, and the GSM behind those within one."""
    for own, group in _shared(used).items():
        if len({p.study for p in group}) > 1:
            for p in group:
                p.row["sample_id"] = f"{p.study}_{own}"
    for own, group in _shared(used).items():
        for p in group:
            p.row["sample_id"] = f"{own}_{p.unit.gsm}" if p.unit.gsm else own
    if twice := sorted(_shared(used)):
        msg = f"sample ids {twice} belong to several files; tell them apart in samples.csv."
        raise InputError(msg)


def _shared(used: list[Placed]) -> dict[str, list[Placed]]:
    groups: dict[str, list[Placed]] = {}
    for p in used:
        groups.setdefault(p.row["sample_id"], []).append(p)
    return {own: group for own, group in groups.items() if len(group) > 1}
