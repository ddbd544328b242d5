"""What GEO's sample characteristics say about a patient and a sample."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cartscope.manifest._titles import Reading

_NOTHING: Final = frozenset(
    {"", "na", "n/a", "nan", "none", "unknown", "not available", "not known", "missing", "-", "?"}
)
_YES: Final = frozenset({"yes", "y", "true", "1", "given", "received", "treated"})
_NO: Final = frozenset({"no", "n", "false", "0", "not given", "none", "untreated"})
_GRADE = re.compile(r"(?:grade|g|gr\.?)?\s*([0-5])(?:\.0+)?")


def read_characteristics(values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Read grades, sex, response, treatment, pool and channel from sample characteristics.

    Parameters
    ----------
    values
        Characteristics of one sample, keys in lower case.

    Returns
    -------
    Columns of the sample table with their values, and what was there but could not be read.

    Examples
    --------
    >>> from cartscope.geo._characteristics import read_characteristics
    >>> read_characteristics({"crs grade": "Grade 2", "sex": "F"})
    ({'crs_grade': '2', 'sex': 'female'}, [])
    >>> read_characteristics({"icans grade": "1-2"})[1]
    ["'icans grade: 1-2' is not a grade from 0 to 5"]
    """
    found: dict[str, str] = {}
    notes: list[str] = []
    for key, value in values.items():
        words = " ".join(re.split(r"[\s_./-]+", key.strip().lower()))
        for name, (pattern, read, expected) in _COLUMNS.items():
            if not pattern.search(words) or value.strip().lower() in _nothing(name.strip()):
                continue
            column = name.strip()
            said = read(value)
            if said is None:
                if expected:
                    notes.append(f"'{key}: {value}' is not {expected}")
            elif column in found and found[column] != said:
                notes.append(f"'{key}: {value}' contradicts {column} = {found[column]}")
            else:
                found[column] = said
    return found, notes


def read_identity(values: Mapping[str, str], read: Callable[[str], Reading]) -> dict[str, str]:
    """Read patient, time point and sort from the characteristics that name them.

    Parameters
    ----------
    values
        Characteristics of one sample, keys in lower case.
    read
        Reads a title by a manifest's patterns.

    Returns
    -------
    What was found, of ``patient``, ``timepoint`` and ``sorted``.
    """
    found: dict[str, str] = {}
    for key, value in values.items():
        words = " ".join(re.split(r"[\s_./-]+", key.strip().lower()))
        if re.fullmatch(r"(?:patient|subject|donor|participant|individual)(?: id| number)?", words):
            found["patient"] = read(f"patient {value}").patient
        elif re.fullmatch(r"time ?point|time|day|visit|collection time", words):
            found["timepoint"] = read(value).timepoint
        elif "sort" in words.split() or "sorted" in words.split():
            found["sorted"] = _truth(value) or ""
    return {column: value for column, value in found.items() if value}


def _nothing(column: str) -> frozenset[str]:
    # "treatment: none" says something; "crs grade: none" may mean 0 or unknown
    treatment = {"anakinra", "tocilizumab_before_sample", "steroid_before_sample"}
    return _NOTHING - {"none"} if column in treatment else _NOTHING


def _grade(value: str) -> str | None:
    found = _GRADE.fullmatch(value.strip().lower())
    return found[1] if found else None


def _sex(value: str) -> str | None:
    return {"f": "female", "female": "female", "woman": "female",
            "m": "male", "male": "male", "man": "male"}.get(value.strip().lower())  # fmt: skip


def _response(value: str) -> str | None:
    word = re.sub(r"[\s_-]+", "", value.strip().lower())
    # complete or partial is not the split of the study, which counts durable responses
    return {"r": "R", "responder": "R", "nr": "NR", "nonresponder": "NR"}.get(word)


def _truth(value: str) -> str | None:
    word = value.strip().lower()
    if word in _YES:
        return "true"
    return "false" if word in _NO else None


def _arm(value: str) -> str | None:
    word = value.strip().lower()
    if re.search(r"\b(?:no|non|without|w/o|not)\b.*anakinra", word):
        return "false"
    return "true" if "anakinra" in word else None


def _anakinra(value: str) -> str | None:
    said = _truth(value)
    return said if said is not None else _arm(value)


def _text(value: str) -> str | None:
    return value.strip() or None


_BEFORE: Final = r"(?:before|prior|pre)\b"
_COLUMNS: Final[dict[str, tuple[re.Pattern[str], Callable[[str], str | None], str]]] = {
    "crs_grade": (
        re.compile(r"^(?:max(?:imum)? )?crs(?: (?:max(?:imum)? )?grade)?(?: max(?:imum)?)?$"),
        _grade,
        "a grade from 0 to 5",
    ),
    "nt_grade": (
        re.compile(
            r"^(?:max(?:imum)? )?(?:nt|icans|neurotoxicity|neurotox|neurologic(?:al)? toxicity)"
            r"(?: (?:max(?:imum)? )?grade)?(?: max(?:imum)?)?$"
        ),
        _grade,
        "a grade from 0 to 5",
    ),
    "sex": (re.compile(r"^(?:patient |donor )?(?:sex|gender)$"), _sex, "female or male"),
    "response": (
        re.compile(r"^(?:clinical |best )?response(?: status)?$|^responder$"),
        _response,
        "R or NR",
    ),
    "anakinra": (re.compile(r"^anakinra(?: prophylaxis| treatment)?$"), _anakinra, "yes or no"),
    # a word that says nothing of anakinra is common here and no fault
    " anakinra": (re.compile(r"^(?:treatment|arm|group|cohort|prophylaxis)$"), _arm, ""),
    "tocilizumab_before_sample": (
        re.compile(rf"(?=.*\btoci(?:lizumab)?\b)(?=.*\b{_BEFORE})"),
        _truth,
        "yes or no",
    ),
    "steroid_before_sample": (
        re.compile(
            rf"(?=.*\b(?:cortico)?steroids?\b|.*\bdexamethasone\b|.*\bglucocorticoids?\b)"
            rf"(?=.*\b{_BEFORE})"
        ),
        _truth,
        "yes or no",
    ),
    "pool": (re.compile(r"^(?:loading )?pool$"), _text, "a name"),
    "channel": (re.compile(r"^(?:10x )?(?:channel|lane)$"), _text, "a name"),
}
