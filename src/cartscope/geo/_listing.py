"""What a server has of a series: folder listings and ``filelist.txt``."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urlsplit

from cartscope._errors import InputError

_PARTS: Final = 4


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for key, value in attrs if key == "href" and value]


def safe_name(name: str) -> bool:
    """Tell whether a name can be a file in a folder and nothing else.

    Parameters
    ----------
    name
        As a server or an archive gives it.
    """
    bad = not name or name.startswith(".") or any(c in name for c in "/\\:\x00\n\r")
    return not bad and name not in {".", ".."}


def parse_folder(html: str) -> list[str]:
    """Return the files that a folder's HTML listing links to.

    Parameters
    ----------
    html
        The page.

    Returns
    -------
    Names without folders, sorted; links that lead elsewhere are left out.

    Examples
    --------
    >>> from cartscope.geo._listing import parse_folder
    >>> parse_folder('<a href="../">up</a> <a href="GSE1_RAW.tar">x</a> <a href="?C=N">by name</a>')
    ['GSE1_RAW.tar']
    """
    links = _Links()
    links.feed(html)
    names = set()
    for link in links.found:
        parts = urlsplit(link)
        name = unquote(parts.path)
        if not (parts.scheme or parts.netloc or parts.query) and safe_name(name):
            names.add(name)
    return sorted(names)


def parse_filelist(text: str, *, name: str = "filelist.txt") -> dict[str, int]:
    r"""Return the size in bytes of every member that ``filelist.txt`` lists.

    Parameters
    ----------
    text
        Its content: a header, then one tab-separated line for the archive and for each member.
    name
        How messages call it.

    Returns
    -------
    Sizes by member; the archive's own line is left out.

    Raises
    ------
    InputError
        If a line is not of GEO's form.

    Examples
    --------
    >>> from cartscope.geo._listing import parse_filelist
    >>> parse_filelist("#Archive/File\tName\tTime\tSize\tType\nFile\ta.gz\t\t7\tGZ\n")
    {'a.gz': 7}
    """
    sizes = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) < _PARTS or not cells[3].strip().isdigit():
            msg = (
                f"{name}, line {number}: {line[:80]!r} is not GEO's form (Archive/File, Name, "
                "Time, Size, Type, separated by tabs); delete it and get it again."
            )
            raise InputError(msg)
        if cells[0].strip().lower() == "file":
            sizes[cells[1].strip()] = int(cells[3])
    return sizes
