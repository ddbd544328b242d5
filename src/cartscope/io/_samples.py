from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import NUMBER, SAMPLES
from cartscope.io._sources import INSIDE
from cartscope.io._tables import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN_WORDS = frozenset({"", "na", "n/a", "nan", "none", "unknown", "?"})
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_SAMPLE_ID = re.compile(r"^[^\s/\\:]+$")
_REQUIRED = ("sample_id", "path", "patient")
GRADES = (k.obs.crs_grade, k.obs.nt_grade)
_HIGHEST_GRADE = 5
_TRUTHS = (k.obs.sorted, k.obs.anakinra)
TREATED = (k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample)
_WORDS = {
    k.obs.response: {"r": "R", "nr": "NR"},
    k.obs.sex: {"female": "female", "f": "female", "male": "male", "m": "male"},
}
# what cannot differ between two libraries of one patient
PATIENT_LEVEL = (k.obs.study, k.obs.product, k.obs.anakinra, *GRADES, k.obs.response, k.obs.sex)
_TAKEN = frozenset({k.obs.sample, "_index"})  # the cells' own, and AnnData's
_TYPO = 0.85  # similarity from which an unknown column is taken for a mistyped known one


def read_samples(path: str | Path) -> pd.DataFrame:
    r"""Read and check samples.csv: one row per 10x library.

    Parameters
    ----------
    path
        CSV with sample_id, path and patient, and any of the columns that the schema ``SAMPLES``
        names; empty (or NA, unknown) means not known; further columns are kept as text.

    Returns
    -------
    A table that passes ``SAMPLES.check``. ``path`` is joined with the folder of the table;
    ``sorted`` and ``anakinra`` are ``"true"``, ``"false"`` or ``""``; treatment columns
    ``"true"``, ``"false"`` or ``"unknown"``; grades 0-5 or nan. A patient's value that only some
    of their rows have is filled into the others.

    Raises
    ------
    InputError
        The table is missing or empty, a column is mistyped, a sample stands twice, a path leads
        nowhere, a value is impossible, or rows of one patient contradict each other.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "samples.csv")
    ...     _ = pathlib.Path(folder, "a.h5").write_bytes(b"")
    ...     _ = path.write_text("sample_id,path,patient,crs_grade\nP1_D7,a.h5,P1,2\n")
    ...     cs.io.read_samples(path)["crs_grade"].tolist()
    [2.0]
    """
    path = Path(path)
    return check_samples(read_text(path), name=str(path), base=path.parent)


def check_samples(table: pd.DataFrame, *, name: str, base: Path | None = None) -> pd.DataFrame:
    """Check a table of samples and spell its values one way.

    Parameters
    ----------
    table
        One row per library; left as it is.
    name
        How messages call it.
    base
        Folder that relative paths start from; the working directory by default.
    """
    refuse_typos(table.columns, SAMPLES.columns, name=name)
    missing = [column for column in _REQUIRED if column not in table]
    if missing:
        msg = f"{name}: column(s) {missing} are missing; it has {list(table.columns)}."
        raise InputError(msg)
    taken = [column for column in table if str(column) in _TAKEN or "/" in str(column)]
    if taken:
        msg = f"{name}: column {taken[0]!r} cannot be a column of cells; rename it."
        raise InputError(msg)
    if table.empty:
        msg = f"{name}: has no rows; give one per 10x library."
        raise InputError(msg)
    out = table.reset_index(drop=True)
    for column in out:
        if SAMPLES.columns.get(str(column), ("", ""))[0] != NUMBER:
            out[column] = [_spelled(value) for value in out[column]]
    _check_names(out, name)
    for column in (c for c in (*_TRUTHS, *TREATED, *_WORDS) if c in out):
        unknown = "unknown" if column in TREATED else ""
        words = _WORDS.get(column)
        out[column] = [
            _word(value, words, unknown=unknown, where=f"{name}: sample {sample!r}: {column}")
            for value, sample in zip(out[column], out["sample_id"], strict=True)
        ]
    for column in (c for c in (*GRADES, k.obs.day) if c in out):
        out[column] = [
            number(value, f"{name}: sample {sample!r}: {column}", grade=column in GRADES)
            for value, sample in zip(out[column], out["sample_id"], strict=True)
        ]
    for column in (c for c in PATIENT_LEVEL if c in out):
        out[column] = _one_per_patient(out, column, name)
    out["path"] = [_located(text, base or Path(), name) for text in out["path"]]
    _refuse_repeats(out, "path", name=name, cure="each library has a matrix of its own")
    return SAMPLES.check(out)


def _spelled(value: object) -> str:
    # a patient called 7 comes back from other readers as 7 or, beside a missing one, as 7.0
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def refuse_typos(columns: Iterable[str], known: Iterable[str], *, name: str) -> None:
    """Raise InputError for a column that looks like a known one that is not there.

    Parameters
    ----------
    columns
        Columns of the table.
    known
        Columns that mean something.
    name
        How the message calls the table.
    """
    have = [str(column) for column in columns]
    absent = {re.sub(r"[\W_]", "", word).lower(): word for word in known if word not in have}
    for column in have:
        if column in known:
            continue
        near = get_close_matches(re.sub(r"[\W_]", "", column).lower(), absent, n=1, cutoff=_TYPO)
        if near:
            msg = f"{name}: column {column!r} looks like {absent[near[0]]!r}; rename the column."
            raise InputError(msg)


def _check_names(table: pd.DataFrame, name: str) -> None:
    for column in _REQUIRED:
        empty = [int(i) + 2 for i in table.index[table[column] == ""]]
        if empty:
            msg = f"{name}: column {column!r} is empty in line(s) {empty}; fill it in."
            raise InputError(msg)
    bad = [text for text in table["sample_id"] if not _SAMPLE_ID.match(text)]
    if bad:
        msg = f"{name}: sample_id {bad[0]!r} holds a space, colon or slash; rename the sample."
        raise InputError(msg)
    _refuse_repeats(table, "sample_id", name=name, cure="each row needs a name of its own")


def _refuse_repeats(table: pd.DataFrame, column: str, *, name: str, cure: str) -> None:
    twice = table.loc[table[column].duplicated(), column]
    if len(twice):
        samples = table.loc[table[column] == twice.iloc[0], "sample_id"].tolist()
        msg = f"{name}: {column} {twice.iloc[0]!r} stands in {len(samples)} rows {samples}; {cure}."
        raise InputError(msg)


def _word(value: str, words: dict[str, str] | None, *, unknown: str, where: str) -> str:
    low = value.lower()
    if low in UNKNOWN_WORDS:
        return unknown
    if words is None:
        if low in _TRUE:
            return "true"
        if low in _FALSE:
            return "false"
        msg = f"{where} is {value!r}, but must be true, false or empty."
        raise InputError(msg)
    if low in words:
        return words[low]
    msg = f"{where} is {value!r}, but must be {' or '.join(sorted(set(words.values())))} or empty."
    raise InputError(msg)


def number(value: object, where: str, *, grade: bool) -> float:
    """Return a number or nan, or raise InputError.

    Parameters
    ----------
    value
        Field of a table.
    where
        What it is, for the message.
    grade
        Whether it must be a whole number from 0 to 5.
    """
    if value is None or str(value).strip().lower() in UNKNOWN_WORDS or pd.isna(value):
        return float("nan")
    try:
        out = float(str(value))
    except ValueError:
        out = float("nan")
    good = out == out and abs(out) != float("inf")  # noqa: PLR0124
    if grade:
        good = good and out.is_integer() and 0 <= out <= _HIGHEST_GRADE
    if not good:
        wanted = "a whole grade from 0 to 5" if grade else "a number"
        msg = f"{where} is {value!r}, but must be {wanted} or empty."
        raise InputError(msg)
    return out


def _one_per_patient(table: pd.DataFrame, column: str, name: str) -> pd.Series:
    known = table[table[column].notna() & (table[column] != "")]
    values = known.groupby("patient", sort=False)[column].unique()
    for patient, several in values.items():
        if len(several) > 1:
            cure = "correct the rows that are wrong"
            if column == k.obs.study:
                cure = "patients of two studies need different names, as STUDY_1"
            shown = [v.item() if hasattr(v, "item") else v for v in several]
            msg = f"{name}: patient {patient!r} has {column} {shown}; {cure}."
            raise InputError(msg)
    return table[column].where(
        table[column].notna() & (table[column] != ""),
        table["patient"]
        .map(values.map(lambda v: v[0]))
        .fillna(float("nan") if column in GRADES else ""),
    )


def _located(text: str, base: Path, name: str) -> str:
    outer, *inner = text.split(INSIDE)
    place = (base / outer).absolute()
    # a prefix of a triplet is no file of its own; what stands beside it decides
    there = place.exists() or (
        not inner and place.parent.is_dir() and any(place.parent.glob(f"{_escaped(place.name)}*"))
    )
    if not there:
        msg = f"{name}: path {text!r} leads nowhere ({place}); paths are relative to the table."
        raise InputError(msg)
    return INSIDE.join([str(place), *inner])


def _escaped(text: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", text)
