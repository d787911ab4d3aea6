"""The paper's claims, each an experiment: `CLAIMS["fig1"].run(bench)`. scripts/reproduce.py runs them, docs/reproduction.md
says what came out. A module in this room that has a CLAIM is one of them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from minialex.claims.claim import Bench, Claim

__all__ = ["CLAIMS", "Bench", "Claim"]

ORDER = (
    "fig1", "lrn", "pooling", "depth", "dropout", "augmentation", "two-towers", "views", "ensemble", "pretrain",
    "fig3", "fig4-left", "fig4-right", "codes", "exchange", "stuck",
)  # fmt: skip


def _found() -> dict[str, Claim]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    claims = [module.CLAIM for module in modules if hasattr(module, "CLAIM")]
    places = {name: place for place, name in enumerate(ORDER)}
    return {claim.name: claim for claim in sorted(claims, key=lambda claim: places.get(claim.name, len(ORDER)))}


CLAIMS: dict[str, Claim] = _found()
