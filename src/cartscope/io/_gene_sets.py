from __future__ import annotations

from pathlib import Path

from cartscope._errors import InputError
from cartscope.io._sources import from_disk, open_plain, reading

MIN_FIELDS = 3


def read_gene_sets(path: Path | str) -> dict[str, tuple[str, ...]]:
    """Read gene sets from a GMT file.

    Parameters
    ----------
    path
        One set a line: name, description, genes, separated by tabs; plain text or gzipped.

    Returns
    -------
    Name -> genes in the order of the file, each gene once.

    Raises
    ------
    InputError
        If the file is missing or is no GMT, a line has no gene, or a name occurs twice.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir
    >>> sets = read_gene_sets(manifest_dir() / "gene_sets" / "study.gmt")
    >>> len(sets["REACTOME_INTERLEUKIN_18_SIGNALING"])
    8
    """
    cure = "give a GMT file (name, description, genes, tab-separated)"
    with reading(str(path), cure), open_plain(from_disk(Path(path))) as stream:
        lines = stream.read().decode("utf-8-sig").splitlines()
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = line.split("\t")
        genes = tuple(dict.fromkeys(gene.strip() for gene in rest[1:] if gene.strip()))
        if len(rest) + 1 < MIN_FIELDS or not genes:
            msg = (
                f"{path}, line {number}: {name[:40]!r} has no gene; a line is name, description, "
                "genes, tab-separated."
            )
            raise InputError(msg)
        if name in sets:
            msg = f"{path}, line {number}: the set {name!r} occurs twice; rename one."
            raise InputError(msg)
        sets[name] = genes
    if not sets:
        msg = f"{path}: no gene set in it; a line is name, description, genes, tab-separated."
        raise InputError(msg)
    return sets
