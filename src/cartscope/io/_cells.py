from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.io._atomic import replacing
from cartscope.io._sources import reading

if TYPE_CHECKING:
    from anndata import AnnData

_ZARR_ABOVE = 50_000  # cells; one gzipped file costs about a CPU minute a matrix at 200,000
_GZIP = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_SLOTS = ("obsm", "varm", "obsp", "varp")
_SHARES = "cartscope_shares_structure_with_X"


def cells_path(out: str | Path, n_obs: int) -> Path:
    """Return where the annotated cells of a run stand.

    Parameters
    ----------
    out
        Folder of the run.
    n_obs
        Number of cells.

    Returns
    -------
    ``out/cells.h5ad``, above 50,000 cells ``out/cells.zarr``.

    Examples
    --------
    >>> import cartscope as cs
    >>> cs.io.cells_path("results", 20_000).name, cs.io.cells_path("results", 205_873).name
    ('cells.h5ad', 'cells.zarr')
    """
    return Path(out) / ("cells.zarr" if n_obs > _ZARR_ABOVE else "cells.h5ad")


def write_cells(adata: AnnData, path: str | Path) -> None:
    """Write cells, whole or not at all, the same bytes for the same content.

    The result is an ordinary AnnData file that scanpy opens. Where X and the counts share their
    structure in memory it is written once in an .h5ad, and read once by :func:`read_cells`.

    Parameters
    ----------
    adata
        Cells x genes; left as it is.
    path
        ``.h5ad`` or ``.zarr``; :func:`cells_path` chooses.

    Returns
    -------
    None.

    Raises
    ------
    InputError
        ``path`` has another ending.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import anndata as ad, numpy as np, scipy.sparse as sp
    >>> import cartscope as cs
    >>> adata = ad.AnnData(layers={"counts": sp.csr_matrix(np.eye(3, dtype=np.uint8))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "cells.h5ad")
    ...     cs.io.write_cells(adata, path)
    ...     cs.io.read_cells(path).shape
    (3, 3)
    """
    path = Path(path)
    if path.suffix not in {".h5ad", ".zarr"}:
        msg = f"{path}: cells are written as .h5ad or .zarr; change the ending."
        raise InputError(msg)
    with replacing(path) as temporary:
        if path.suffix == ".h5ad":
            import h5py

            with h5py.File(temporary, "w") as file:
                _write(adata, file, _GZIP)
        else:
            import zarr

            store = zarr.open_group(str(temporary), mode="w", zarr_format=2)
            _write(adata, store, {})


def _write(adata: AnnData, root: Any, options: dict[str, Any]) -> None:
    from anndata.io import write_elem

    root.attrs["encoding-type"] = "anndata"
    root.attrs["encoding-version"] = "0.1.0"
    write_elem(root, "obs", _categories(adata.obs), dataset_kwargs=options)
    write_elem(root, "var", _categories(adata.var), dataset_kwargs=options)
    if adata.X is not None:
        write_elem(root, "X", adata.X, dataset_kwargs=options)
    root.require_group("layers")
    root["layers"].attrs["encoding-type"] = "dict"
    root["layers"].attrs["encoding-version"] = "0.1.0"
    for name in sorted(adata.layers):
        matrix = adata.layers[name]
        if _same_structure(adata.X, matrix):
            _write_sharing(root, f"layers/{name}", matrix, options=options)
        else:
            write_elem(root, f"layers/{name}", matrix, dataset_kwargs=options)
    for slot in _SLOTS:
        write_elem(root, slot, _ordered(dict(getattr(adata, slot))), dataset_kwargs=options)
    write_elem(root, "uns", _ordered(_packed(adata.uns)))  # scalars take no compression
    if adata.raw is not None:
        write_elem(root, "raw", adata.raw, dataset_kwargs=options)


def _ordered(value: Any) -> Any:
    # HDF5 lays objects out in the order they are made, which must not depend on the order of steps
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return value


def _packed(uns: Any) -> dict[str, Any]:
    # the ingest report is a JSON text on disk: a group per sample and key would be thousands of
    # files in a zarr store
    out = dict(uns)
    own = out.get(k.uns.cartscope)
    if own is not None and isinstance(own.get(k.uns.ingest), dict):
        text = json.dumps(own[k.uns.ingest], sort_keys=True)
        out[k.uns.cartscope] = {**own, k.uns.ingest: text}
    return out


def _unpacked(own: Any) -> dict[str, Any]:
    out = plain(own)
    if isinstance(out.get(k.uns.ingest), str):
        out[k.uns.ingest] = json.loads(out[k.uns.ingest])
    return out


def _same_structure(first: Any, second: Any) -> bool:
    if not (sparse.issparse(first) and sparse.issparse(second)) or first.format != second.format:
        return False
    return all(
        np.shares_memory(getattr(first, part), getattr(second, part))
        and getattr(first, part).shape == getattr(second, part).shape
        for part in ("indices", "indptr")
    )


def _write_sharing(root: Any, name: str, matrix: Any, *, options: dict[str, Any]) -> None:
    from anndata.io import write_elem

    x = root["X"]
    if hasattr(x, "id"):  # HDF5: one data set under two names
        group = root.create_group(name)
        for key in ("encoding-type", "encoding-version", "shape"):
            group.attrs[key] = x.attrs[key]
        group.create_dataset("data", data=matrix.data, **options)
        group["indices"] = x["indices"]
        group["indptr"] = x["indptr"]
    else:
        write_elem(root, name, matrix, dataset_kwargs=options)
        root[name].attrs[_SHARES] = True


def _categories(table: pd.DataFrame) -> pd.DataFrame:
    # on a copy: the caller's object stays as it is
    out = table.copy(deep=False)
    for column in out:
        if out[column].dtype == object or isinstance(out[column].dtype, pd.StringDtype):
            values = out[column].astype(object)
            if values.isna().any():  # a text array on disk has no missing values, categories do
                out[column] = pd.Categorical(values)
    return out


def read_cells(path: str | Path) -> AnnData:
    """Read cells that :func:`write_cells` wrote; X and the counts share their structure.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr``.

    Returns
    -------
    The cells. ``uns["cartscope"]`` holds plain Python values, as it did when it was written.

    Raises
    ------
    InputError
        There is no such file, or it holds no AnnData.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import anndata as ad, numpy as np, scipy.sparse as sp
    >>> import cartscope as cs
    >>> adata = ad.AnnData(layers={"counts": sp.csr_matrix(np.eye(3, dtype=np.uint8))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cs.io.write_cells(adata, pathlib.Path(folder, "cells.zarr"))
    ...     cs.io.read_cells(pathlib.Path(folder, "cells.zarr")).layers["counts"].dtype
    dtype('uint8')
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: no such file; run the step that writes it, or check the path."
        raise InputError(msg)
    with reading(str(path), "write the cells again"):
        if path.is_dir():
            import zarr

            return _read(zarr.open_group(str(path), mode="r"), str(path))
        import h5py

        with h5py.File(path, "r") as file:
            return _read(file, str(path))


def _read(root: Any, label: str) -> AnnData:
    import anndata as ad
    from anndata.io import read_elem

    if root.attrs.get("encoding-type") != "anndata":
        msg = f"{label}: holds no AnnData; give an .h5ad or .zarr of cells."
        raise InputError(msg)
    x = read_elem(root["X"]) if "X" in root else None
    layers = {}
    for name in sorted(root["layers"]) if "layers" in root else ():
        node = root["layers"][name]
        if x is not None and _shared_on_disk(root["X"], node):
            data = node["data"][...]
            layers[name] = type(x)((data, x.indices, x.indptr), shape=x.shape, copy=False)
        else:
            layers[name] = read_elem(node)
    slots = {slot: read_elem(root[slot]) for slot in _SLOTS if slot in root}
    uns = read_elem(root["uns"]) if "uns" in root else {}
    if k.uns.cartscope in uns:
        uns[k.uns.cartscope] = _unpacked(uns[k.uns.cartscope])
    adata = ad.AnnData(
        X=x, obs=read_elem(root["obs"]), var=read_elem(root["var"]), layers=layers, uns=uns, **slots
    )
    raw = read_elem(root["raw"]) if "raw" in root else None
    if raw is not None:
        adata.raw = raw
    return adata


def _shared_on_disk(x: Any, node: Any) -> bool:
    if not hasattr(node, "keys") or "indices" not in node or "indices" not in x:
        return False
    if hasattr(node, "id"):
        return bool(node["indices"] == x["indices"] and node["indptr"] == x["indptr"])
    return bool(node.attrs.get(_SHARES, False))


def plain(value: Any) -> Any:
    """Return what AnnData's files made of a JSON-able value as that value.

    Parameters
    ----------
    value
        Nested dicts, arrays and NumPy scalars.
    """
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    return value
