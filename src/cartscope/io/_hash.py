from __future__ import annotations

import hashlib
from pathlib import Path

from cartscope._errors import InputError
from cartscope.io._sources import reading

_CHUNK = 1 << 20


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, or of a folder's names and contents.

    Parameters
    ----------
    path
        File, or folder such as a zarr store.

    Returns
    -------
    64 hexadecimal digits. A folder's digest covers the relative name and the digest of every file
    in it, in the order of the names.

    Raises
    ------
    InputError
        There is nothing at ``path``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "empty")
    ...     path.touch()
    ...     cs.io.sha256(path)[:8]
    'e3b0c442'
    """
    path = Path(path)
    if path.is_dir():
        total = hashlib.sha256()
        names = sorted((p.relative_to(path).as_posix(), p) for p in path.rglob("*") if p.is_file())
        for name, file in names:
            total.update(f"{name}\0{_of_file(file)}\n".encode())
        return total.hexdigest()
    if not path.exists():
        msg = f"{path}: no such file; check the path."
        raise InputError(msg)
    return _of_file(path)


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with reading(str(path)), path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
