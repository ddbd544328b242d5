from __future__ import annotations

import csv
import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _check
from cartscope._errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIANA_TABLE = ("resource", "omni_resource.csv")
COLUMNS = ["ligand", "receptor", "source"]


def read_lr_resource(names: Sequence[str] = ("cellphonedb", "cellchatdb")) -> pd.DataFrame:
    """Read ligand-receptor pairs from the tables that come with LIANA, offline.

    The file is read where LIANA is installed, without importing LIANA (which takes seconds and
    warns), and nothing of it is copied: CellChatDB is GPL-3.

    Parameters
    ----------
    names
        Resources to unite, as LIANA names them.

    Returns
    -------
    One row per pair, sorted: ligand and receptor (subunits of a complex joined by "_"), source
    (the resources that hold the pair, joined by ";"). ``attrs`` has liana_version, sha256 of the
    file and n_pairs per resource.

    Raises
    ------
    MissingExtraError
        If LIANA is not installed.
    InputError
        If a name is unknown.

    References
    ----------
    CellPhoneDB, doi 10.1038/s41596-020-0292-x; CellChat, doi 10.1038/s41467-021-21246-9; LIANA,
    doi 10.1038/s41467-022-30755-0.

    Examples
    --------
    >>> pairs = read_lr_resource()
    >>> pairs.set_index(["ligand", "receptor"]).loc[("CXCL10", "CXCR3"), "source"]
    'cellchatdb;cellphonedb'
    """
    wanted = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if not wanted:
        msg = "names is empty; name at least one resource, for instance 'cellphonedb'."
        raise InputError(msg)
    raw = _liana_table().read_bytes()
    rows = list(csv.DictReader(StringIO(raw.decode("utf-8"))))
    known = sorted({row["resource"] for row in rows})
    for name in wanted:
        _check.one_of(name, known, name="resource")
    sources: dict[tuple[str, str], set[str]] = {}
    counts = dict.fromkeys(wanted, 0)
    for row in rows:
        if row["resource"] in counts:
            held = sources.setdefault((row["source_genesymbol"], row["target_genesymbol"]), set())
            counts[row["resource"]] += row["resource"] not in held
            held.add(row["resource"])
    table = pd.DataFrame(
        [(*pair, ";".join(sorted(held))) for pair, held in sorted(sources.items())],
        columns=COLUMNS,
    )
    table.attrs.update(
        liana_version=version("liana"), sha256=hashlib.sha256(raw).hexdigest(), n_pairs=counts
    )
    return table


def read_lr_table(path: Path | str) -> pd.DataFrame:
    r"""Read ligand-receptor pairs from a CSV or TSV of your own.

    Parameters
    ----------
    path
        Table with the columns ligand and receptor (subunits joined by "_"); a column source is
        kept, else the file's name stands there.

    Returns
    -------
    As :func:`read_lr_resource`; ``attrs`` has the sha256 of the file.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, or has an empty cell in one.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.csv"
    ...     size = path.write_text("ligand,receptor\nCXCL10,CXCR3\n")
    ...     read_lr_table(path).values.tolist()
    [['CXCL10', 'CXCR3', 'mine.csv']]
    """
    path = Path(path)
    if not path.is_file():
        msg = f"{path}: no such file; give a table with the columns ligand and receptor."
        raise InputError(msg)
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
        separator = "\t" if "\t" in text.partition("\n")[0] else ","
        table = pd.read_csv(StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: no table ({error}); give a CSV with the columns ligand and receptor."
        raise InputError(msg) from error
    _check.require_columns(table, COLUMNS[:2], name=str(path))
    blank = (table[COLUMNS[:2]].apply(lambda column: column.str.strip()) == "").any(axis=1)
    if blank.any():
        msg = f"{path}: line {int(blank.to_numpy().argmax()) + 2} has no ligand or no receptor."
        raise InputError(msg)
    if "source" not in table:
        table["source"] = path.name
    table = table[COLUMNS].drop_duplicates(COLUMNS[:2]).sort_values(COLUMNS[:2], ignore_index=True)
    table.attrs.update(sha256=hashlib.sha256(raw).hexdigest(), n_pairs={path.name: len(table)})
    return table


def _liana_table() -> Path:
    spec = find_spec("liana")
    if spec is None or not spec.submodule_search_locations:
        msg = "LIANA is not installed, and its tables are read where it is: pip install liana."
        raise MissingExtraError(msg)
    path = Path(next(iter(spec.submodule_search_locations))).joinpath(*LIANA_TABLE)
    if not path.is_file():
        try:
            found = version("liana")
        except PackageNotFoundError:
            found = "unknown"
        msg = (
            f"LIANA {found} has no {'/'.join(LIANA_TABLE)}; install a version from 1.5 to 1.10, or "
            "give a table of your own with cartscope.io.read_lr_table."
        )
        raise MissingExtraError(msg)
    return path
