"""Where the data of a run come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cartscope import geo
from cartscope._errors import InputError

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study._settings import Settings

SIMULATED = "work/simulated"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place that holds the libraries of a run."""

    kind: Literal["simulated", "geo", "samples"]
    root: Path
    truth: Path | None
    grades: Path | None

    def series_dirs(self, accessions: tuple[str, ...]) -> list[Path]:
        """Return the folders of the study's series that are there.

        Parameters
        ----------
        accessions
            Of the study.
        """
        return [d for d in (geo.series_dir(a, self.root) for a in accessions) if d.is_dir()]

    def files(self, accessions: tuple[str, ...]) -> list[Path]:
        """Return every file whose bytes decide what is read.

        Parameters
        ----------
        accessions
            Of the study.
        """
        if self.kind == "samples":
            found = [p for p in self.root.rglob("*") if p.is_file()]
        else:
            found = [p for d in self.series_dirs(accessions) for p in d.rglob("*") if p.is_file()]
        return sorted(p for p in found if not p.name.startswith(".") and p.suffix != ".part")


def find_source(settings: Settings) -> Source:
    """Return where the data of a run come from.

    Parameters
    ----------
    settings
        What the user chose.

    Raises
    ------
    InputError
        If ``--data`` names a folder that holds neither ``geo/series`` nor ``samples.csv``.
    """
    if settings.data == "simulated":
        root = settings.out / SIMULATED
        return Source(kind="simulated", root=root, truth=root / "truth", grades=root / "grades.csv")
    if settings.data == "geo":
        root = settings.geo_dir or geo.default_dest()
        if not (root / "geo" / "series").is_dir():
            msg = (
                f"--data geo: {root} holds no geo/series; run `cartscope geo get GSE246490 "
                f"GSE197268 --dest {root}` first, or name the folder with --geo-dir."
            )
            raise InputError(msg)
        return _with_extras("geo", root)
    root = Path(settings.data)
    if not root.is_dir():
        msg = f"--data {settings.data}: no such folder; give simulated, geo or a folder."
        raise InputError(msg)
    if (root / "geo" / "series").is_dir():
        return _with_extras("geo", root)
    if settings.samples is not None or (root / "samples.csv").is_file():
        return _with_extras("samples", root)
    msg = (
        f"--data {root}: it holds neither geo/series nor samples.csv; write a samples.csv with the "
        "columns sample_id, path and patient, or name one with --samples."
    )
    raise InputError(msg)


def read_source(ctx: Context) -> Source:
    """Return where the data of a run come from.

    Parameters
    ----------
    ctx
        The run.
    """
    return find_source(ctx.settings)


def input_digests(ctx: Context) -> dict[str, str]:
    """Return the sha256 of every input file, by its path below the source.

    Parameters
    ----------
    ctx
        The run.
    """
    source = read_source(ctx)
    files = source.files(ctx.manifests.cohort.series)
    out = {p.relative_to(source.root).as_posix(): ctx.sha256(p) for p in files}
    for option in ("samples", "grades", "labels"):
        path = getattr(ctx.settings, option)
        if path is not None:
            out[f"--{option}"] = ctx.sha256(path)
    if ctx.settings.grades is None and source.grades is not None and source.grades.is_file():
        out["grades.csv"] = ctx.sha256(source.grades)
    return out


def _with_extras(kind: Literal["geo", "samples"], root: Path) -> Source:
    truth, grades = root / "truth", root / "grades.csv"
    return Source(
        kind=kind,
        root=root,
        truth=truth if (truth / "effects.csv").is_file() else None,
        grades=grades if grades.is_file() else None,
    )
