"""What this machine offers, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from cartscope.cli._options import cores

_PACKAGES = (
    "anndata", "faiss-cpu", "gseapy", "harmonypy", "liana", "numba", "numpy", "pandas", "pydeseq2",
    "scanpy", "scipy", "umap-learn",
)  # fmt: skip
_EXTRAS = {"dask": ("dask", "distributed", "zarr"), "notebooks": ("jupytext", "nbclient")}
_GB_PAPER = 8  # memory that a run of the paper's size needs, with room to spare


def doctor() -> None:
    """Show versions, threads, memory, disk and what is missing."""
    from cartscope import __version__
    from cartscope.geo import default_dest

    print(f"cartscope {__version__}, Python {platform.python_version()}, {platform.system()}")
    for name in _PACKAGES:
        try:
            print(f"  {name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            print(f"  {name} MISSING: install cartscope again")
    for extra, modules in _EXTRAS.items():
        missing = [m for m in modules if find_spec(m) is None]
        state = f"not installed: pip install 'cartscope[{extra}]'" if missing else "installed"
        print(f"  extra {extra}: {state}")
    print(f"cores {cores()}")
    threads = {v: os.environ.get(v, "") for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    print("  " + ", ".join(f"{name} {value or 'not set'}" for name, value in threads.items()))
    memory = _memory_gb()
    if memory is not None:
        enough = "enough" if memory >= _GB_PAPER else "too little"
        print(f"memory {memory:.1f} GB: {enough} for the study at the paper's size")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    print(f"disk {free:.1f} GB free here")
    dest = default_dest()
    there = dest / "geo" / "series"
    found = sorted(p.name for p in there.glob("*/GSE*")) if there.is_dir() else []
    print(f"GEO files in {dest}: {', '.join(found) or 'none; run `cartscope geo get`'}")


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None
