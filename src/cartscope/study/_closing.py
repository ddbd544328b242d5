"""What a run says when it ends, and how a later command finds its options again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cartscope._errors import InputError
from cartscope.study._settings import Settings
from cartscope.tl._car_features import UNSEEN

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study._run_record import Run

SETTINGS = "work/settings.json"
SAMPLES = "tables/samples.csv"  # there once the cohort has been read
_PATHS = ("out", "geo_dir", "samples", "grades", "clinical", "labels", "manifests")


def save_settings(ctx: Context) -> None:
    """Write the run's options, for ``cartscope run`` and ``cartscope figure``.

    Parameters
    ----------
    ctx
        The run.
    """
    values = asdict(ctx.settings)
    for name in _PATHS:
        if values[name] is not None:
            values[name] = str(Path(values[name]).resolve())
    if Path(values["data"]).is_dir():
        values["data"] = str(Path(values["data"]).resolve())
    with ctx.writing(SETTINGS) as temporary:
        temporary.write_text(json.dumps(values, indent=1), "utf-8")


def saved_settings(out: Path, *, jobs: int) -> Settings:
    """Return the options of the run that wrote ``out``.

    Parameters
    ----------
    out
        Folder of an earlier run.
    jobs
        Of this run.

    Raises
    ------
    InputError
        If no run wrote there.
    """
    path = out / SETTINGS
    if not path.is_file():
        msg = f"{out}: no run has written here; run `cartscope reproduce --out {out}` first."
        raise InputError(msg)
    values = json.loads(path.read_text("utf-8"))
    for name in _PATHS:
        values[name] = Path(values[name]) if values[name] is not None else None
    values["car_features"] = tuple(values["car_features"])
    return replace(Settings(**values), out=out, jobs=jobs, fresh=False)


def closing_lines(run: Run) -> list[str]:
    """Return what the user should know at the end of a run.

    Parameters
    ----------
    run
        The finished run.
    """
    ctx = run.context
    lines = []
    ran = [s for s in run.steps if not s.skipped]
    if ran:
        lines.append(f"{len(ran)} steps run, {len(run.steps) - len(ran)} up to date")
    else:
        lines.append(f"everything in {ctx.settings.out} is up to date")
    if ctx.path(SAMPLES).is_file():
        lines += _without_grades(ctx)
    if ctx.path("tables/car_calls.csv").is_file():
        lines += _without_car(ctx)
    claims = ctx.path("claims.csv")
    if claims.is_file() and any(s.name == "claims" for s in run.steps):
        counts = ctx.read_table("claims.csv")["verdict"].value_counts()
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        lines.append(f"claims: {verdicts}")
    report = ctx.path("report.html")
    if report.is_file() and any(s.name == "report" for s in run.steps):
        lines.append(f"report: {report}")
    return lines


def _without_car(ctx: Context) -> list[str]:
    calls = ctx.read_table("tables/car_calls.csv")
    if calls.empty:
        return []
    if (calls["car_features"] == "").all():
        return [
            "no CAR feature was found in any library, so every cell's CAR status is unknown; name "
            "it with --car-feature or in the column car_features of samples.csv"
        ]
    silent = calls[calls["reason"].str.contains(UNSEEN)]
    if silent.empty:
        return []
    features = " ".join(sorted(set(" ".join(silent["car_features"]).split())))
    return [
        f"{features} is {UNSEEN}, so the CAR status in {len(silent)} libraries is unknown; "
        "tables/car_calls.csv says which"
    ]


def _without_grades(ctx: Context) -> list[str]:
    table = ctx.read_table(SAMPLES)
    lacking: dict[tuple[str, ...], list[str]] = {}
    for name, column in (("CRS", "crs_grade"), ("NT", "nt_grade")):
        known = table.loc[table[column].notna(), "patient"] if column in table else []
        missing = tuple(sorted(set(table["patient"]) - set(known)))
        if missing:
            lacking.setdefault(missing, []).append(name)
    if not lacking:
        return []
    return [
        *(
            f"no {' and '.join(names)} grade for {len(missing)} patients: {' '.join(missing)}"
            for missing, names in lacking.items()
        ),
        "comparisons by that grade are not testable for them; write grades.csv with the columns "
        "patient, crs_grade, nt_grade, scale and run again with --grades grades.csv",
    ]
