from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cartscope._check import require_columns
from cartscope._errors import InputError
from cartscope._schema import NUMBER, TEXT, Schema
from cartscope.io._samples import GRADES, number, refuse_typos
from cartscope.io._tables import read_text

if TYPE_CHECKING:
    import pandas as pd

GRADES_TABLE = Schema(
    "grades.csv",
    {
        "patient": (TEXT, "patient, as in samples.csv"),
        "crs_grade": (NUMBER, "highest CRS grade, 0-5 or empty"),
        "nt_grade": (NUMBER, "highest neurotoxicity grade, 0-5 or empty"),
        "scale": (TEXT, "grading scale, as ASTCT"),
    },
    optional=frozenset({"crs_grade", "nt_grade", "scale"}),
)
SCALE_COLUMN = "grade_scale"


def read_grades(path: str | Path) -> pd.DataFrame:
    r"""Read toxicity grades, one row per patient.

    Parameters
    ----------
    path
        CSV with patient, crs_grade, nt_grade (0-5 or empty) and scale (free text).

    Returns
    -------
    The table, grades as floats with nan for what is not known.

    Raises
    ------
    InputError
        A column is missing or mistyped, a patient stands twice, or a grade is none.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "grades.csv")
    ...     _ = path.write_text("patient,crs_grade,nt_grade,scale\nP1,2,,ASTCT\n")
    ...     cs.io.read_grades(path)["crs_grade"].tolist()
    [2.0]
    """
    name = str(path)
    table = read_text(Path(path))
    refuse_typos(table.columns, GRADES_TABLE.columns, name=name)
    require_columns(table, ["patient"], name=name)
    if not any(column in table for column in GRADES):
        msg = f"{name}: has neither crs_grade nor nt_grade; it has {list(table.columns)}."
        raise InputError(msg)
    table["patient"] = table["patient"].str.strip()
    twice = table.loc[table["patient"].duplicated(), "patient"]
    if len(twice):
        msg = f"{name}: patient {twice.iloc[0]!r} stands in several rows; keep one."
        raise InputError(msg)
    for column in GRADES:
        given = table[column] if column in table else [""] * len(table)
        table[column] = [
            number(value, f"{name}: patient {patient!r}: {column}", grade=True)
            for value, patient in zip(given, table["patient"], strict=True)
        ]
    if "scale" not in table:
        table["scale"] = ""
    return GRADES_TABLE.check(table)


def apply_grades(samples: pd.DataFrame, grades: pd.DataFrame) -> pd.DataFrame:
    """Fill the grades of each sample from its patient's.

    Parameters
    ----------
    samples
        As :func:`read_samples` returns it.
    grades
        As :func:`read_grades` returns it. Patients it does not name keep what they have.

    Returns
    -------
    A new table with crs_grade, nt_grade and grade_scale.

    Raises
    ------
    InputError
        ``grades`` names a patient who is in no sample, or contradicts a grade that ``samples`` has.

    Examples
    --------
    >>> import pandas as pd
    >>> import cartscope as cs
    >>> samples = pd.DataFrame({"sample_id": ["a"], "path": ["a.h5"], "patient": ["P1"]})
    >>> grades = pd.DataFrame({"patient": ["P1"], "crs_grade": [2.0], "nt_grade": [0.0]})
    >>> cs.io.apply_grades(samples, grades)["crs_grade"].tolist()
    [2.0]
    """
    known = list(dict.fromkeys(samples["patient"]))
    strange = [patient for patient in grades["patient"] if patient not in known]
    if strange:
        spelt = {str(patient).casefold(): patient for patient in known}
        near = get_close_matches(str(strange[0]).casefold(), spelt, n=1)
        hint = f" Did you mean {spelt[near[0]]!r}?" if near else ""
        msg = f"grades: unknown patient(s) {strange}; the samples have {known}.{hint}"
        raise InputError(msg)
    out = samples.copy()
    by_patient = grades.set_index("patient")
    for column in (c for c in GRADES if c in by_patient):
        new = out["patient"].map(by_patient[column]).astype(float)
        old = out[column].astype(float) if column in out else new * np.nan
        differ = old.notna() & new.notna() & (old != new)
        if differ.any():
            patient = out.loc[differ, "patient"].iloc[0]
            msg = (
                f"grades: patient {patient!r} has {column} {new[differ].iloc[0]:g} in the grades, "
                f"but {old[differ].iloc[0]:g} in the samples; correct one of them."
            )
            raise InputError(msg)
        out[column] = new.where(new.notna(), old)
    if "scale" in by_patient:
        out[SCALE_COLUMN] = out["patient"].map(by_patient["scale"]).fillna("").astype(object)
    return out
