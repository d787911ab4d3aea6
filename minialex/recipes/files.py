"""Recipes as TOML files: those that come with minialex, those of a person, and the one that a run leaves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from minialex.recipes.kinds import hint
from minialex.recipes.recipe import KEYS, PARTS, Recipe, RecipeError

NAMES = ("digits", "paper", "code2012", "cifar10", "photos")


def named(name: str) -> Recipe:
    """One of the recipes that come with minialex. Raises RecipeError."""
    if name not in NAMES:
        raise RecipeError(f"there is no recipe {name!r}{hint(name, NAMES)} There are {', '.join(NAMES)}")
    return parse(resources.files("minialex.recipes").joinpath(f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def read(path: str | Path) -> tuple[dict[str, Any], str | None]:
    """The keys that a TOML file sets, and the recipe that it starts from (recipe = "paper"), if any. Raises RecipeError."""
    return _parsed(_text(path), str(path))


def load(path: str | Path) -> Recipe:
    """The recipe in this file; what it leaves open is as in the recipe that it starts from. Raises RecipeError."""
    return parse(_text(path), str(path))


def parse(text: str, source: str) -> Recipe:
    """A TOML text -> a recipe. `source` names it in errors. Raises RecipeError."""
    values, name = _parsed(text, source)
    base = named(name) if name else Recipe()
    title = " ".join(line.lstrip("# ") for line in text.partition("\n\n")[0].splitlines() if line.startswith("#"))
    return replace(base.with_keys(values), title=title or base.title)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is no text"
        raise RecipeError(f"{path}: cannot be read: {reason}") from None


def _parsed(text: str, source: str) -> tuple[dict[str, Any], str | None]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: is no TOML: {error}") from None
    name = content.pop("recipe", None)
    if name is not None and name not in NAMES:
        raise RecipeError(f"{source}: there is no recipe {name!r}{hint(str(name), NAMES)} There are {', '.join(NAMES)}")
    return values_of(content, source), name


def values_of(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The keys that a file's content sets, and their values. Raises RecipeError: an unknown key, a value that does not fit."""
    values = {}
    for part, inside in content.items():
        if part not in PARTS:
            plain = next((name for name in KEYS if name.split(".")[1] == part), None)
            where = f"; it belongs under [{plain.split('.')[0]}]" if plain else hint(part, PARTS)
            raise RecipeError(f"{source}: unknown {'part' if isinstance(inside, dict) else 'key'} {part!r}{where}")
        if not isinstance(inside, dict):
            raise RecipeError(f"{source}: {part} must be a part, [{part}], with keys in it")
        for name, value in inside.items():
            if (whole := f"{part}.{name}") not in KEYS:
                raise RecipeError(f"{source}: unknown key {whole}{_nearest(part, name)}")
            try:
                values[whole] = KEYS[whole].metadata["kind"].take(value)
            except ValueError as error:
                got = "" if "there is no" in str(error) else f", got {value!r}"
                raise RecipeError(f"{source}: {whole}: {error}{got}") from None
    return values


def _nearest(part: str, name: str) -> str:
    """What an unknown key was meant to be: first in its own part, then in the others."""
    own = [key.split(".")[1] for key in KEYS if key.startswith(f"{part}.")]
    elsewhere = [key for key in KEYS if key.split(".")[1] == name]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    found = hint(name, own)
    if found == ".":
        return hint(name, [key.split(".")[1] for key in KEYS])
    return found


def dump(recipe: Recipe) -> str:
    """The recipe as a TOML text that `parse` gives back equal; a key that is None is left out."""
    lines = [f"# {recipe.title}" if recipe.title else "# A recipe of minialex.", ""]
    for part in PARTS:
        lines.append(f"[{part}]")
        for name, value in recipe.flat().items():
            if name.startswith(f"{part}.") and value is not None:
                lines.append(f"{name.split('.')[1]} = {toml(value)}")
        lines.append("")
    return "\n".join(lines)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)
