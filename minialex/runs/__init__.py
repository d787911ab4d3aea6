"""Runs: their folders, what is built from their recipes, and how they go on after a stop, whatever stopped them."""

from minialex.runs.folder import Run, load_weights, versions

__all__ = ["Run", "load_weights", "versions"]
