"""From the files of a series on disk to samples with a patient and a time point."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cartscope.geo._characteristics import read_characteristics, read_identity
from cartscope.geo._lock import check_locked
from cartscope.geo._members import Unit
from cartscope.geo._placed import (
    NOT_PLACED,
    NOT_USED,
    PATIENT_COLUMNS,
    USED,
    Placed,
    row_for,
    settle_doubles,
)
from cartscope.geo._places import find_series
from cartscope.geo._units import soft_samples, units_of
from cartscope.manifest._titles import COLUMNS, in_order

if TYPE_CHECKING:
    from cartscope.geo._soft import SoftRecord
    from cartscope.manifest._geo import GeoSeries
    from cartscope.manifest._titles import Reading


def place_series(dest: Path | str, manifest: GeoSeries) -> list[Placed]:
    """Read every unit of a series on disk by its manifest.

    Parameters
    ----------
    dest
        Root of the tree, or the series' folder.
    manifest
        The series.

    Returns
    -------
    Every archive member and file with its status and the reason for it.

    Raises
    ------
    InputError
        If nothing of the series is there.
    IntegrityError
        If a file is not the one that was recorded, or an archive is damaged or unsafe.
    """
    folder = find_series(dest, manifest.accession)
    check_locked(folder)
    soft = soft_samples(folder, manifest.accession)
    placed = [
        _place(unit, path, manifest, record=soft.get(unit.gsm))
        for unit, path in units_of(folder, manifest, dest=Path(dest))
    ]
    settle_doubles(placed)
    placed += _without_file(placed, soft, manifest)
    _agree_within_patients(placed)
    return placed


def safe_id(title: str) -> str:
    """Return a title as a name that can stand in file names and before a barcode.

    Parameters
    ----------
    title
        A sample's title.

    Examples
    --------
    >>> from cartscope.geo._placing import safe_id
    >>> safe_id("Patient 3, day +7 (PBMC)")
    'Patient-3-day-+7-PBMC'
    """
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", title).strip("-.") or "sample"


def _place(unit: Unit, path: str, manifest: GeoSeries, *, record: SoftRecord | None) -> Placed:
    known = next((s for s in manifest.sample if s.gsm == unit.gsm), None)
    title = (record.first("title") if record else "") or (known.title if known else "") or unit.stem
    placed = Placed(unit, path, manifest.accession, title)
    placed.row = {"sample_id": safe_id(title), "study": manifest.accession}
    if unit.other:
        why = manifest.why_not_used(title, file=unit.members[0])
        placed.status, placed.reason = NOT_USED, why or unit.other
        if unit.unknown and not why:
            placed.status = NOT_PLACED
            placed.reason += f"; if it is a count matrix, {row_for(placed)}"
        return placed
    if record and known and _bare(record.first("title")) != _bare(known.title):
        placed.reason = (
            f"SOFT calls {unit.gsm} {record.first('title')!r}, {manifest.accession}.toml "
            f"{known.title!r}; correct [[sample]] there, or {row_for(placed)}"
        )
        return placed
    reading, clash = _read_both(manifest, title, unit.stem if unit.stem != title else "")
    if record is not None:
        reading = _complete(reading, read_identity(record.characteristics, manifest.read))
    product = _product(manifest, placed, patient=reading.patient)
    _fill(placed, manifest, reading, product=product or "")
    _add_characteristics(placed, manifest, record)
    _judge(placed, manifest, (reading, clash, product))
    return placed


def _bare(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", title.lower())


def _read_both(manifest: GeoSeries, title: str, stem: str) -> tuple[Reading, list[str]]:
    """Read the title, let the file's name fill what it does not say, and note where they differ."""
    reading = manifest.read(title)
    if not stem:
        return reading, []
    other = manifest.read(stem)
    clash = [
        f"{column}: title {getattr(reading, column)}, file name {getattr(other, column)}"
        for column in ("patient", "timepoint", "sorted")
        if getattr(reading, column)
        and getattr(other, column)
        and getattr(reading, column) != getattr(other, column)
    ]
    taken = {
        column: getattr(other, column)
        for column in COLUMNS
        if not getattr(reading, column) and getattr(other, column)
    }
    unsure = {*reading.unconfirmed, *(c for c in taken if c in other.unconfirmed)}
    # a title that is ambiguous on a column stays so, whatever the file is called
    taken = {c: v for c, v in taken.items() if not any(a.startswith(c) for a in reading.ambiguous)}
    return reading.model_copy(update={**taken, "unconfirmed": in_order(unsure)}), clash


def _complete(reading: Reading, found: dict[str, str]) -> Reading:
    """Let SOFT's characteristics say what neither title nor file name does."""
    said = {a.split(":")[0] for a in reading.ambiguous}
    new = {c: v for c, v in found.items() if not getattr(reading, c) and c not in said}
    unsure = in_order({*reading.unconfirmed, *new})
    return reading.model_copy(update={**new, "unconfirmed": unsure})


def _product(manifest: GeoSeries, placed: Placed, *, patient: str) -> str | None:
    """Return the sample's product; None when the manifest knows its patients and this is none."""
    for sample in manifest.sample:
        if sample.gsm == placed.unit.gsm or sample.title == placed.title:
            return sample.product or manifest.product
    known = {s.patient: s.product for s in manifest.sample}
    if not known or not patient:
        return manifest.product
    return known.get(patient)


def _fill(placed: Placed, manifest: GeoSeries, reading: Reading, *, product: str) -> None:
    row = placed.row
    if reading.patient:
        row["patient"] = manifest.patient_id(reading.patient)
    if reading.timepoint:
        row["timepoint"] = reading.timepoint
        day = manifest.timepoint[reading.timepoint].day
        if day is not None:
            row["day"] = f"{day:g}"
    row["sorted"] = reading.sorted
    row["product"] = product
    row["car_features"] = " ".join(manifest.car_features(product))
    row["anakinra"] = reading.anakinra
    if manifest.anakinra is not None:
        row["anakinra"] = str(manifest.anakinra).lower()
    row.update(manifest.facts_of(placed.title, reading.patient))
    if reading.unconfirmed:
        placed.notes.append(f"read by unconfirmed patterns: {', '.join(reading.unconfirmed)}")


def _add_characteristics(placed: Placed, manifest: GeoSeries, record: SoftRecord | None) -> None:
    if record is None:
        return
    found, notes = read_characteristics(record.characteristics)
    placed.notes += [f"SOFT: {note}" for note in notes]
    for column, value in found.items():
        before = placed.row.get(column, "")
        if before and before != value:
            placed.notes.append(f"SOFT says {column} = {value}, title or manifest {before}")
            if column == "anakinra" and manifest.anakinra is not None:
                continue
        placed.row[column] = value


def _judge(
    placed: Placed, manifest: GeoSeries, read: tuple[Reading, list[str], str | None]
) -> None:
    reading, clash, product = read
    unit = placed.unit
    why = manifest.why_not_used(placed.title, file=unit.members[0], product=product or "")
    missing = [c for c in ("patient", "timepoint", "sorted") if not getattr(reading, c)]
    if why:
        placed.status, placed.reason = NOT_USED, why
    elif unit.problem:
        placed.reason = f"{unit.problem}; get the archive again"
    elif clash:
        placed.reason = f"title and file name disagree ({'; '.join(clash)}); {row_for(placed)}"
    elif missing:
        doubt = [a for a in reading.ambiguous if a.split(":")[0] in missing]
        what = (
            f"the patterns disagree on {'; '.join(doubt)}"
            if doubt
            else f"no pattern reads {', '.join(missing)} from {placed.title!r}"
        )
        placed.reason = (
            f"{what}; {row_for(placed)}, or correct a [[pattern]] or add a [[not_used]] in "
            f"{manifest.accession}.toml"
        )
    elif product is None:
        placed.reason = (
            f"patient {reading.patient} is none of those that {manifest.accession}.toml lists; "
            f"{row_for(placed)}, or add a [[sample]] there"
        )
    else:
        placed.status = USED
        placed.reason = "; ".join(placed.notes)


def _without_file(
    placed: list[Placed], soft: dict[str, SoftRecord], manifest: GeoSeries
) -> list[Placed]:
    have = {p.unit.gsm for p in placed}
    rows = []
    for gsm, record in soft.items():
        if gsm in have:
            continue
        title = record.first("title")
        unit = Unit("", (), 0, gsm, "")
        reason = "no file of this sample is here: not fetched, or only in dbGaP or SRA"
        values = {"sample_id": safe_id(title), "study": manifest.accession}
        rows.append(Placed(unit, "", manifest.accession, title, NOT_USED, reason, values))
    return rows


def _agree_within_patients(placed: list[Placed]) -> None:
    """Give a patient's samples the patient's values; where they differ the value is unknown."""
    by_patient: dict[str, list[Placed]] = {}
    for p in placed:
        if p.status == USED:
            by_patient.setdefault(p.row["patient"], []).append(p)
    for patient, samples in by_patient.items():
        for column in PATIENT_COLUMNS:
            found = sorted({s.row.get(column, "") for s in samples} - {""})
            if len(found) > 1:
                note = (
                    f"samples of {patient} differ in {column} ({' or '.join(found)}): unknown; "
                    "give it in samples.csv"
                )
            for s in samples:
                s.row[column] = found[0] if len(found) == 1 else ""
                if len(found) > 1:
                    s.reason = "; ".join(x for x in (s.reason, note) if x)
