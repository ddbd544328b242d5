"""What a series on disk holds, and as what each member was read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cartscope._schema import GEO_INDEX
from cartscope.geo._override import override, read_user_samples
from cartscope.geo._placing import place_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from cartscope.geo._placed import Placed
    from cartscope.manifest._geo import GeoSeries


def inspect(
    dest: Path | str,
    manifest: GeoSeries,
    *,
    samples: pd.DataFrame | Path | str | None = None,
) -> pd.DataFrame:
    r"""List every archive member and file of a series, and the sample it was read as.

    Parameters
    ----------
    dest
        Root of the tree that ``download`` wrote, or the series' folder.
    manifest
        The series, from ``cartscope.manifest.read_geo_series``.
    samples
        Table or CSV whose rows win over what was read, as in :func:`index`.

    Returns
    -------
    One row per member, as ``GEO_INDEX``; ``status`` is used, not used or not placed, and
    ``reason`` says why, or what to write to place it. A sample without a file has an empty member.

    Raises
    ------
    InputError
        If nothing of the series is there.
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
    >>> geo.inspect(dest, series).loc[0, ["sample_id", "status"]].to_list()
    ['Patient6-D7-CART', 'used']
    """
    placed = place_series(dest, manifest)
    if samples is not None:
        own = read_user_samples(samples)
        # rows of other series are none of this one's business
        rows = tuple(
            r for r in own.rows if r.get("study", manifest.accession) == manifest.accession
        )
        placed += override(placed, replace(own, rows=rows), dest=Path(dest))
    return index_table(placed)


def index_table(placed: Iterable[Placed]) -> pd.DataFrame:
    """Return placed units as a ``GEO_INDEX`` table, a row per member.

    Parameters
    ----------
    placed
        Units with their status.
    """
    import pandas as pd

    rows = []
    for p in placed:
        for member in p.unit.members or ("",):
            row = GEO_INDEX.blank(
                accession=p.study,
                member=member,
                size=p.unit.sizes.get(member, 0),
                gsm=p.unit.gsm,
                title=p.title,
                sample_id=p.row.get("sample_id", ""),
                patient=p.row.get("patient", ""),
                timepoint=p.row.get("timepoint", ""),
                sorted=p.row.get("sorted", ""),
                status=p.status,
                reason=p.reason,
            )
            rows.append(row)
    return GEO_INDEX.check(pd.DataFrame(rows, columns=list(GEO_INDEX.columns)))
