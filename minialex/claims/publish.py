"""docs/reproduction.md, made from rows: `reproduce.py --publish FOLDER` copies what came out, `--table` writes its tables.

Of each claim that has been run in the folder, docs/results/ gets the rows (NAME.csv, NAME-curves.csv, ..) and the conclusion
(NAME.txt), docs/pictures/reproduction/ its pictures. In the page, what lies between `<!-- NAME -->` and `<!-- end -->` is
written anew from these, and nothing else is touched; `<!-- side-by-side -->` is the table of them all.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from minialex.claims.claim import Claim
from minialex.claims.rows import markdown, read_rows

DOCS = Path(__file__).parents[2] / "docs"
PAGE, RESULTS, PICTURES, CONCLUSION = "reproduction.md", "results", "pictures/reproduction", "conclusion.txt"
PLACE = re.compile(r"(<!-- (?P<name>[\w-]+) -->\n)(?P<inside>.*?)(<!-- end -->)", re.DOTALL)
SUMMARY, NOT_YET = "side-by-side", "*Not run at this size yet.*"
LARGEST = 150_000  # bytes of a picture: the documents are cloned by everyone


class PublishError(ValueError):
    """The page and what it is made of do not go together. One line."""


def publish(claims: Mapping[str, Claim], folder: Path, docs: Path = DOCS) -> str:
    """Copy the rows, conclusions and pictures of the claims that were run to their end in `folder`; then `update`.

    Returns what was done, in words. Raises PublishError.
    """
    done = [name for name in claims if (folder / name / CONCLUSION).exists()]
    if not done:
        raise PublishError(f"{folder}: no claim has been run to its end there; reproduce.py NAME --out {folder} does")
    for name in done:
        for picture in (*(folder / name).glob("*.png"), *(folder / name).glob("*.gif")):
            if picture.stat().st_size > LARGEST:
                raise PublishError(
                    f"{picture}: has {picture.stat().st_size:,} bytes, and a picture in docs/ at most {LARGEST:,}"
                )
    for name in done:
        _copy(folder / name, name, docs)
    return f"{', '.join(done)} copied to {docs / RESULTS}; {update(claims, docs)}"


def _copy(folder: Path, name: str, docs: Path) -> None:
    results, pictures = docs / RESULTS, docs / PICTURES
    for place in (results, pictures):
        place.mkdir(parents=True, exist_ok=True)
    for table in folder.glob("*.csv"):
        target = name if table.stem == "results" else f"{name}-{table.stem}"
        shutil.copyfile(table, results / f"{target}.csv")
    shutil.copyfile(folder / CONCLUSION, results / f"{name}.txt")
    for picture in (*folder.glob("*.png"), *folder.glob("*.gif")):
        shutil.copyfile(picture, pictures / picture.name)


def update(claims: Mapping[str, Claim], docs: Path = DOCS) -> str:
    """Write the page's tables; returns what was done, in words. Raises PublishError."""
    page = docs / PAGE
    if not page.exists():
        raise PublishError(f"{page}: there is no such page; the tables are written in a checkout of the project")
    before = page.read_text(encoding="utf-8")
    after = filled(before, claims, docs / RESULTS)
    page.write_text(after, encoding="utf-8")
    places = [place["name"] for place in PLACE.finditer(after)]
    return f"{page}: {len(places)} tables, {'written anew' if after != before else 'all as they were'}"


def filled(page: str, claims: Mapping[str, Claim], results: Path) -> str:
    """The page with every claim's table and conclusion as its rows say. Raises PublishError."""

    def inside(place: re.Match[str]) -> str:
        name = place["name"]
        if name == SUMMARY:
            return f"{place[1]}{_side_by_side(claims, results)}\n{place[4]}"
        if name not in claims:
            raise PublishError(f"{PAGE} has a place for {name!r}, and there is no such claim")
        rows = read_rows(results / f"{name}.csv")
        if not rows:
            return f"{place[1]}{NOT_YET}\n{place[4]}"
        return f"{place[1]}{claims[name].report(rows)}\n\n**Ours:** {_conclusion(name, results)}\n{place[4]}"

    return PLACE.sub(inside, page)


def _side_by_side(claims: Mapping[str, Claim], results: Path) -> str:
    """Every claim: what the paper found, and what was found here."""
    lines = [[f"[{name}](#{name})", claim.paper, _conclusion(name, results)] for name, claim in claims.items()]
    return markdown(["", "the paper", "here"], lines)


def _conclusion(name: str, results: Path) -> str:
    path = results / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else NOT_YET
