"""Fetch GEO series, check them, and read which sample is which.

>>> import cartscope as cs
>>> cs.geo.series_path("GSE246490")
'geo/series/GSE246nnn/GSE246490'
"""

from ._download import download
from ._index import Indexed, index
from ._inspect import inspect
from ._places import BASE_URL, check_accession, default_dest, sample_path, series_dir, series_path
from ._soft import Soft, SoftRecord, read_soft
from ._tar import TarMember, extract, list_members
from ._verify import GOOD, verify

__all__ = [
    "download",
    "verify",
    "inspect",
    "index",
    "Indexed",
    "read_soft",
    "Soft",
    "SoftRecord",
    "list_members",
    "extract",
    "TarMember",
    "check_accession",
    "series_path",
    "sample_path",
    "default_dest",
    "series_dir",
    "BASE_URL",
    "GOOD",
]
