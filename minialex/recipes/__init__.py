"""Recipes: TOML files that say what a run does. `named("paper")`, `load("my.toml")`, `dump(recipe)`; docs/recipes.md."""

from minialex.recipes.files import NAMES, dump, load, named, parse, values_of
from minialex.recipes.recipe import KEYS, DataPart, LearningPart, NetPart, Recipe, RecipeError, RunPart

__all__ = [
    "KEYS",
    "NAMES",
    "DataPart",
    "LearningPart",
    "NetPart",
    "Recipe",
    "RecipeError",
    "RunPart",
    "dump",
    "load",
    "named",
    "parse",
    "values_of",
]
