"""Which members of an archive, or files of a folder, are one sample's count matrix."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cartscope.geo._tar import TarMember

_ROLE = re.compile(
    r"^(?P<prefix>.*?)(?P<role>matrix|barcodes|features|genes)\.(?P<end>mtx|tsv|txt|csv)(?:\.gz)?$",
    re.I,
)
_GSM = re.compile(r"^(GSM[A-Z0-9]+)(?=[._-]|$)", re.I)
_WHOLE = re.compile(r"(\.tar\.gz|\.tgz|\.tar|\.h5ad(?:\.gz)?|\.h5|\.hdf5)$", re.I)
_DENSE = re.compile(r"\.(?:csv|tsv|txt)(?:\.gz)?$", re.I)
_CALLED = re.compile(r"[._-]*(?:filtered|raw)?[._-]*(?:feature|gene)s?_bc_matri(?:x|ces)$", re.I)
_TAIL = re.compile(r"[._-]+(?:filtered|raw|counts?|matrix|dge|umi|expression|mtx)$", re.I)
_RAW = re.compile(r"(?:^|[._/-])raw[._-](?:feature|gene)s?[._-]bc[._-]matri", re.I)
_OTHER = re.compile(
    r"contig|clonotype|vdj|tcr|bcr|molecule_info|fragments|metadata|meta[._-]?data|annotation|"
    r"hashtag|(?:^|[._-])hto|web_summary|metrics|filelist|readme|series_matrix|barcodes|features",
    re.I,
)


UNKNOWN: Final = "of no known form, by its name"


@dataclass(frozen=True)
class Unit:
    """The members that make one matrix, or one member that is none.

    ``select`` is what stands after ``::`` in a path into the archive; ``problem`` says why the
    unit cannot be read, ``other`` why it is no count matrix at all.
    """

    select: str
    members: tuple[str, ...]
    size: int
    gsm: str
    stem: str
    problem: str = ""
    other: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """Whether it cannot be told what the member is."""
        return self.other == UNKNOWN


def group_members(members: Iterable[TarMember]) -> list[Unit]:
    """Group members into samples by their names.

    Triplets (barcodes, features or genes, matrix) share what stands before these words; a
    ``.tar.gz``, ``.h5``, ``.h5ad`` or dense table stands for itself.

    Parameters
    ----------
    members
        Names and sizes, of one archive or folder.

    Returns
    -------
    Units by name; what is no matrix says so in ``other``.
    """
    triplets: dict[str, dict[str, list[TarMember]]] = defaultdict(lambda: defaultdict(list))
    units = []
    for member in members:
        path = PurePosixPath(member.name)
        if any(part.startswith("._") or part == "__MACOSX" for part in path.parts):
            units.append(_unit(member.name, [member], other="a macOS resource file"))
            continue
        role = _ROLE.match(path.name)
        if role and (role["role"].lower() == "matrix") == (role["end"].lower() == "mtx"):
            folder = path.parent.as_posix()
            prefix = role["prefix"] if folder == "." else f"{folder}/{role['prefix']}"
            kind = role["role"].lower().replace("genes", "features")
            triplets[prefix][kind].append(member)
        elif _OTHER.search(path.name):
            units.append(_unit(member.name, [member], other="not a count matrix, by its name"))
        elif _WHOLE.search(path.name) or (_DENSE.search(path.name) and _GSM.match(path.name)):
            units.append(_unit(member.name, [member]))
        else:
            units.append(_unit(member.name, [member], other=UNKNOWN))
    for prefix, roles in triplets.items():
        files = [m for kind in sorted(roles) for m in roles[kind]]
        missing = sorted({"barcodes", "features", "matrix"} - set(roles))
        problem = f"the triplet has no {' and no '.join(missing)} file" if missing else ""
        units.append(_unit(prefix, files, problem=problem))
    return sorted(_prefer_filtered(units), key=lambda u: u.members)


def gsm_of(name: str) -> str:
    """Return the sample accession that a file's path starts with, or an empty text.

    Parameters
    ----------
    name
        Path inside an archive or folder.
    """
    for part in reversed(PurePosixPath(name).parts):
        found = _GSM.match(part)
        if found:
            return found[1].upper()
    return ""


def _unit(select: str, members: list[TarMember], *, problem: str = "", other: str = "") -> Unit:
    names = tuple(m.name for m in members)
    sizes = {m.name: m.size for m in members}
    stem, size = _stem(select), sum(sizes.values())
    return Unit(select, names, size, gsm_of(names[0]), stem, problem, other, sizes)


def _stem(select: str) -> str:
    """Return what is left of a name that may say which sample it is."""
    path = PurePosixPath(select)
    stem = path.name
    if select.endswith("/"):
        stem = path.name
    elif len(path.parts) > 1 and not _GSM.match(stem):
        # a folder per sample: patient1_D7/matrix.mtx.gz has an empty stem of its own
        stem = "_".join(p for p in (*path.parts[-2:],) if p)
    stem = _DENSE.sub("", _WHOLE.sub("", stem))
    stem = _GSM.sub("", stem).strip("._-")
    stem = _CALLED.sub("", stem)
    stem = _TAIL.sub("", stem)
    return stem.strip("._- ")


def _prefer_filtered(units: list[Unit]) -> list[Unit]:
    """Leave out Cell Ranger's raw matrix where the filtered one of the sample is there too."""
    readable = [u for u in units if not (u.other or u.problem)]
    called = {(u.gsm, u.stem) for u in readable if not _RAW.search(u.select)}
    out = []
    for unit in units:
        raw = unit in readable and _RAW.search(unit.select)
        if raw and (unit.gsm, unit.stem) in called:
            reason = "all barcodes; the filtered matrix of this sample is used"
            out.append(replace(unit, other=reason))
        else:
            out.append(unit)
    return out
