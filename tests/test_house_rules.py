"""House rules, checked on every file and every public name."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cartscope

SRC = Path(cartscope.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
ROOMS = ("geo", "io", "manifest", "pl", "pp", "simulate", "stats", "tl")
CHECKOUT = Path(__file__).parents[1]


def public_functions():
    for room in ROOMS:
        module = getattr(cartscope, room)
        for name in module.__all__:
            item = getattr(module, name)
            if inspect.isfunction(item):
                yield pytest.param(item, id=f"{room}.{name}")


PUBLIC = list(public_functions())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_file_can_be_read_in_one_go(path):
    assert len(path.read_text("utf-8").splitlines()) <= 350


@pytest.mark.parametrize("function", PUBLIC)
def test_signature(function):
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 3
    assert len(parameters) <= 8
    assert all(p.annotation is not p.empty for p in parameters)


@pytest.mark.parametrize("function", PUBLIC)
def test_docstring_says_what_a_user_needs(function):
    doc = inspect.getdoc(function) or ""
    assert "Returns\n-------" in doc
    assert "Examples\n--------" in doc
    parameters = inspect.signature(function).parameters
    if parameters:
        assert "Parameters\n----------" in doc
    described = set(re.findall(r"^\*{0,2}(\w[\w, *]*)$", doc.split("Returns\n---")[0], re.M))
    names = {n.strip(" *") for line in described for n in line.split(",")}
    assert set(parameters) <= names, f"not described: {set(parameters) - names}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_slots_are_named_only_in_keys(path):
    slots = {"obs", "var", "obsm", "varm", "layers", "uns", "obsp"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr in slots
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
            and "study" not in path.relative_to(SRC).parts
        ):
            pytest.fail(f"{path.name}:{node.lineno}: use _keys, not {node.slice.value!r}")


def test_contracts_of_tables_have_one_door():
    rooms = [p for p in FILES if not p.name.startswith("_schema")]
    through = [p.name for p in rooms if re.search(r"\b_schema_\w+ import", p.read_text("utf-8"))]
    assert through == [], "import contracts of tables from cartscope._schema"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_library_neither_asserts_nor_prints(path):
    if "cli" in path.relative_to(SRC).parts:
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not isinstance(node, ast.Assert), f"{path.name}:{node.lineno}: assert"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path.name}:{node.lineno}: print"


def test_floors_hold():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_is_content():
    command = [sys.executable, "-m", "ruff", "check", "src", "tests", "benchmarks"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_code_is_formatted():
    command = [sys.executable, "-m", "ruff", "format", "--check", "src", "tests", "benchmarks"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from cartscope.cli import main; main(['--help']);"
        "heavy = {'scanpy', 'liana', 'gseapy', 'pydeseq2', 'lifelines', 'anndata', 'matplotlib',"
        " 'umap', 'numba', 'pandas', 'scipy'} & set(sys.modules); print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout, done.stdout


def test_import_leaves_the_process_as_it_was():
    code = (
        "import logging, warnings, random; import numpy as np;"
        "before = (list(warnings.filters), logging.root.handlers[:], random.getstate(),"
        " np.random.get_state()[1].tolist());"
        "import cartscope as cs;"
        "[getattr(cs, room) for room in cs.__all__];"
        "after = (list(warnings.filters), logging.root.handlers[:], random.getstate(),"
        " np.random.get_state()[1].tolist());"
        "assert before[1:] == after[1:];"
        "ours = [f for f in after[0] if f not in before[0]];"
        "print('NEW FILTERS', len(ours))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_project_names_no_path_of_a_machine():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    # spelt in two parts, so that this file does not name them either
    bad = re.compile("(^|[^a-zA-Z0-9._/:-])/(" + "wo" + "rk|ro" + "ot|ho" + "me|tm" + "p/w)/")
    for name in tracked.stdout.splitlines():
        path = CHECKOUT / name
        if path.suffix in {".py", ".toml", ".md", ".html", ".css", ".js", ".R", ""}:
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            assert not bad.search(text), f"{name}: {bad.search(text)}"
