"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import cartscope

SRC = Path(cartscope.__file__).parent
MODULES = sorted(
    ".".join(("cartscope", *p.relative_to(SRC).with_suffix("").parts))
    for p in SRC.rglob("*.py")
    if ">>>" in p.read_text("utf-8") and p.name != "__init__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, tried = doctest.testmod(module, optionflags=flags)
    assert tried > 0
    assert failed == 0
