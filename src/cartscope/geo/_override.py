"""Rows of a user's ``samples.csv`` win over what was read from GEO."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from cartscope._check import require_columns
from cartscope._errors import InputError
from cartscope._schema import SAMPLES
from cartscope.geo._members import Unit, gsm_of
from cartscope.geo._placed import NOT_USED, PATIENT_COLUMNS, USED, Placed
from cartscope.geo._places import relative_to
from cartscope.io._samples import refuse_typos

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSIDE: Final = "::"
_SHOWN: Final = 4


@dataclass(frozen=True)
class UserSamples:
    """The rows that have something to say, as text, and where they come from."""

    rows: tuple[dict[str, str], ...]
    folder: Path
    name: str


def read_user_samples(samples: pd.DataFrame | Path | str) -> UserSamples:
    """Read a user's sample table.

    Parameters
    ----------
    samples
        Table, or path of a CSV; column ``sample_id`` is required.

    Returns
    -------
    Its rows without their empty cells.

    Raises
    ------
    InputError
        If it cannot be read, has no ``sample_id`` or a mistyped column, or names a sample twice.
    """
    if isinstance(samples, pd.DataFrame):
        table, folder, name = samples, Path.cwd(), "samples"
    else:
        path = Path(samples)
        folder, name = path.parent, str(path)
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            msg = f"{path}: cannot be read as a CSV table: {error}"
            raise InputError(msg) from error
    refuse_typos(table.columns, SAMPLES.columns, name=name)
    require_columns(table, ["sample_id"], name=name)
    text = table.astype(object).where(table.notna(), "").astype(str)
    rows = tuple(
        {str(c): v.strip() for c, v in row.items() if v.strip()} for row in text.to_dict("records")
    )
    counts = Counter(row.get("sample_id", "") for row in rows)
    if counts[""]:
        msg = f"{name}: {counts['']} row(s) have no sample_id; fill it in."
        raise InputError(msg)
    twice = sorted(v for v, n in counts.items() if n > 1)
    if twice:
        msg = f"{name}: sample_id {twice} stand twice; give each sample one row."
        raise InputError(msg)
    return UserSamples(rows, folder, name)


def override(placed: Sequence[Placed], user: UserSamples, *, dest: Path) -> list[Placed]:
    """Apply a user's rows to the units they belong to, in place.

    Parameters
    ----------
    placed
        Units as they were read.
    user
        The user's rows.
    dest
        Folder that paths are written relative to.

    Returns
    -------
    The samples that the user adds: rows with a path that belongs to no unit.

    Raises
    ------
    InputError
        If a row belongs to nothing or to several units, or leaves a sample without a patient.
    """
    added: list[Placed] = []
    told: list[tuple[Placed, dict[str, str]]] = []
    for given in user.rows:
        where = f"{user.name}, sample_id {given['sample_id']!r}"
        hits = [p for p in placed if _belongs(p, given)]
        if "study" in given:
            hits = [p for p in hits if p.study == given["study"]]
        if len(hits) > 1:
            members = [p.unit.select for p in hits][:_SHOWN]
            msg = f"{where}: belongs to {len(hits)} members, {members}; name one in column path."
            raise InputError(msg)
        if hits:
            target = hits[0]
            _apply(target, given)
            _leave_out_others(target, placed)
        else:
            target = _new_sample(given, user, dest=dest)
            if target is None:
                known = [p.row.get("sample_id", "") for p in placed if p.unit.members]
                near = get_close_matches(given["sample_id"], known, n=3)
                cure = f"did you mean {' or '.join(near)}?" if near else "fill in column path."
                msg = f"{where}: is no sample of these series and has no path; {cure}"
                raise InputError(msg)
            added.append(target)
        if target.status == USED and not target.row.get("patient"):
            msg = f"{where}: no patient was read and the row has none; fill in column patient."
            raise InputError(msg)
        told.append((target, given))
    _tell_patients(told, [*placed, *added])
    return added


def _tell_patients(told: list[tuple[Placed, dict[str, str]]], placed: list[Placed]) -> None:
    """Let what a row says of a patient hold for the patient's other samples too."""
    own = {id(p): given for p, given in told}
    for source, given in told:
        news = {c: given[c] for c in PATIENT_COLUMNS if c in given}
        for p in placed:
            if p.status == USED and p.row.get("patient") == source.row.get("patient"):
                p.row.update({c: v for c, v in news.items() if c not in own.get(id(p), {})})


def _belongs(p: Placed, given: dict[str, str]) -> bool:
    path = given.get("path", "")
    if path:
        inside = path.rpartition(_INSIDE)[2]
        own = {p.unit.select, *p.unit.members} - {""}
        return inside in own or path == p.path
    own = {p.unit.gsm, p.title, p.row.get("sample_id", ""), p.unit.select} - {""}
    return bool(p.unit.members) and given["sample_id"] in own


def _apply(p: Placed, given: dict[str, str]) -> None:
    values = {c: v for c, v in given.items() if c != "path"}
    if "path" not in given:
        # the row was found by its sample_id, which may be a GSM or a title: keep the safe name
        values.pop("sample_id")
    p.row.update(values)
    if not p.unit.problem:
        p.status, p.reason = USED, "from samples.csv"


def _leave_out_others(chosen: Placed, placed: Sequence[Placed]) -> None:
    """Once the user has named one file of a sample, the others are not in doubt any more."""
    for p in placed:
        if p is not chosen and p.unit.gsm and p.unit.gsm == chosen.unit.gsm:
            p.status, p.reason = NOT_USED, f"samples.csv names {chosen.unit.select} for this sample"


def _new_sample(given: dict[str, str], user: UserSamples, *, dest: Path) -> Placed | None:
    if "path" not in given:
        return None
    outer, inside, select = given["path"].partition(_INSIDE)
    path = relative_to(user.folder / outer, dest)
    unit = Unit(given["path"], (given["path"],), 0, gsm_of(given["path"]), "")
    row = {c: v for c, v in given.items() if c != "path"}
    study = given.get("study", "")
    return Placed(unit, f"{path}{inside}{select}", study, "", USED, "from samples.csv", row)
