"""SOFT: GEO's text format for series, samples and platforms."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class SoftRecord:
    """One entity of a SOFT file.

    ``kind`` is DATABASE, SERIES, SAMPLE or PLATFORM; ``name`` what stands after the caret line's
    equal sign; ``values`` every attribute without its ``Sample_`` or similar prefix, in file order.
    """

    kind: str
    name: str
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, key: str) -> str:
        """Return an attribute's first value, or an empty text.

        Parameters
        ----------
        key
            Attribute without its prefix, for instance ``"title"``.
        """
        return self.values.get(key, ("",))[0]

    @property
    def accession(self) -> str:
        """The accession; a submission that has none yet goes by its name."""
        return self.first("geo_accession") or self.name

    @property
    def characteristics(self) -> dict[str, str]:
        """``key: value`` characteristics of every channel, keys in lower case."""
        found: dict[str, str] = {}
        for attribute, texts in self.values.items():
            if attribute.startswith("characteristics_ch"):
                for text in texts:
                    key, colon, value = text.partition(":")
                    if colon and key.strip():
                        found.setdefault(key.strip().lower(), value.strip())
        return found

    @property
    def supplementary_files(self) -> tuple[str, ...]:
        """Addresses of the supplementary files."""
        found = [
            text
            for attribute, texts in self.values.items()
            if attribute.startswith("supplementary_file")
            for text in texts
        ]
        return tuple(text for text in found if text and text.upper() != "NONE")


@dataclass(frozen=True)
class Soft:
    """Every entity of a SOFT file, in file order."""

    records: tuple[SoftRecord, ...]

    def of(self, kind: str) -> tuple[SoftRecord, ...]:
        """Return the entities of one kind.

        Parameters
        ----------
        kind
            ``"DATABASE"``, ``"SERIES"``, ``"SAMPLE"`` or ``"PLATFORM"``.
        """
        return tuple(r for r in self.records if r.kind == kind.upper())

    @property
    def series(self) -> SoftRecord | None:
        """The first series, or None."""
        return next(iter(self.of("SERIES")), None)

    @property
    def samples(self) -> tuple[SoftRecord, ...]:
        """The samples."""
        return self.of("SAMPLE")


def read_soft(path: Path | str) -> Soft:
    r"""Read the metadata of a SOFT file; data tables are skipped without being kept.

    Parameters
    ----------
    path
        Family file or single record, plain or gzipped (told by its first bytes).

    Returns
    -------
    Series, samples and platforms with their attributes.

    Raises
    ------
    InputError
        If the file is missing, cut off, or not SOFT.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from cartscope.geo import read_soft
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "x.soft"
    >>> _ = file.write_text("^SAMPLE = GSM1\n!Sample_title = Patient1-D7\n")
    >>> read_soft(file).samples[0].first("title")
    'Patient1-D7'
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if zipped else raw
            # old records hold Latin-1 letters: a name with a wrong letter beats no record at all
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline=None)  # type: ignore[arg-type]
            records = tuple(_records(text, path))
    except FileNotFoundError as error:
        msg = f"{path}: no such file; fetch it with `cartscope geo get`."
        raise InputError(msg) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = (
            f"{path}: the gzip stream is damaged or cut off ({error}); delete it and get it again."
        )
        raise InputError(msg) from error
    if not records:
        msg = f"{path}: no SOFT record; expected a line such as '^SAMPLE = GSM123'."
        raise InputError(msg)
    return Soft(records)


def _records(lines: io.TextIOWrapper, path: Path) -> Iterator[SoftRecord]:
    kind, name = "", ""
    values: dict[str, list[str]] = {}
    in_table = False
    for line in lines:
        if in_table:
            in_table = not line.lower().startswith("!") or "_table_end" not in line.lower()
            continue
        text = line.rstrip("\r\n")
        if text.startswith("^"):
            if kind:
                yield _record(kind, name, values)
            word, _, rest = text[1:].partition("=")
            kind, name, values = word.strip().upper(), rest.strip(), {}
        elif text.startswith("!"):
            if not kind:
                msg = f"{path}: attribute {text[:60]!r} stands before any '^' line: not SOFT."
                raise InputError(msg)
            key, _, value = text[1:].partition("=")
            key = key.strip()
            if key.lower().endswith("_table_begin"):
                in_table = True
                continue
            # "Sample_title" -> "title"; the prefix only repeats the kind of the entity
            values.setdefault(key.partition("_")[2].lower() or key.lower(), []).append(
                value.strip()
            )
    if kind:
        yield _record(kind, name, values)


def _record(kind: str, name: str, values: dict[str, list[str]]) -> SoftRecord:
    return SoftRecord(kind, name, {key: tuple(texts) for key, texts in values.items()})
