"""What every manifest has in common: frozen models, unknown keys refused, errors with a cure."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cartscope._errors import ManifestError


class Model(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


M = TypeVar("M", bound=Model)


def manifest_dir() -> Path:
    """Return the folder of the manifests that came with cartscope.

    Returns
    -------
    ``cartscope/data_manifests`` of an installed package, ``data_manifests`` of a checkout.

    Raises
    ------
    ManifestError
        If neither is there.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir
    >>> (manifest_dir() / "claims.toml").is_file()
    True
    """
    package = Path(__file__).resolve().parents[1]
    places = [package / "data_manifests", package.parents[1] / "data_manifests"]
    for place in places:
        if (place / "contrasts.toml").is_file():
            return place
    msg = (
        f"The manifests are missing: looked in {places[0]} and {places[1]}. "
        "Install cartscope again, or pass --manifests DIR."
    )
    raise ManifestError(msg)


def load_toml(path: Path | str, model: type[M]) -> M:
    """Read a TOML file into a model.

    Parameters
    ----------
    path
        File to read.
    model
        Model of the whole file.

    Returns
    -------
    The validated, frozen model.

    Raises
    ------
    ManifestError
        If the file is missing, is no TOML, or holds an unknown key or an impossible value; the
        message names the file, the key and what would have been valid.

    Examples
    --------
    >>> from cartscope.manifest import Cohort, load_toml, manifest_dir
    >>> load_toml(manifest_dir() / "cohort.toml", Cohort).doi
    '10.1182/bloodadvances.2024015161'
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        msg = f"{path}: no such manifest; pass --manifests DIR with a folder that holds it."
        raise ManifestError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not valid TOML: {error}"
        raise ManifestError(msg) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        msg = f"{path}: {_explain(error, model=model, data=data)}"
        raise ManifestError(msg) from error


def _explain(error: ValidationError, *, model: type[Model], data: Any) -> str:
    problems = error.errors(include_url=False)
    lines = []
    for problem in problems[:5]:
        where = _where(problem["loc"], data)
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            near = get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {sorted(known)}"
            lines.append(f"{where}: unknown key{hint}")
        elif problem["type"] == "missing":
            lines.append(f"{where}: missing; add it")
        else:
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where} = {problem['input']!r}: {text}")
    if len(problems) > len(lines):
        lines.append(f"and {len(problems) - len(lines)} more")
    return "; ".join(lines)


def _where(loc: tuple[int | str, ...], data: Any) -> str:
    """Spell a key as in the file; list entries by their id where they have one."""
    words: list[str] = []
    for part in loc:
        if isinstance(part, int):
            entry = data[part] if isinstance(data, list) and part < len(data) else None
            name = entry.get("id") if isinstance(entry, dict) else None
            words[-1] = f"{words[-1] if words else ''}[{name or part}]" if words else f"[{part}]"
        else:
            words.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return ".".join(words) or "the file"


def _fields_at(model: type[Model], loc: tuple[int | str, ...]) -> list[str]:
    """Return the fields of the model that stands at ``loc``."""
    current: Any = model
    for part in loc:
        fields = getattr(current, "model_fields", {})
        if isinstance(part, str) and part in fields:
            current = _inner_model(fields[part].annotation)
    return list(getattr(current, "model_fields", {}))


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
