"""The page's tables are what its rows say, here and in the committed page."""

from __future__ import annotations

import re

import pytest

from minialex.claims import CLAIMS
from minialex.claims.publish import DOCS, PAGE, PICTURES, PublishError, filled, publish, update
from tests.claims.planted import planted

HEAD = "# Page\n\ntext\n\n<!-- lrn -->\nold\n<!-- end -->\n\nmore\n"


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / PAGE).write_text(HEAD)
    return folder


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    write(folder / "lrn" / "results.csv", planted(0.03))
    write(folder / "lrn" / "curves.csv", planted(0.03))
    (folder / "lrn" / "conclusion.txt").write_text("it is seen\n")
    (folder / "lrn" / "lrn.png").write_bytes(b"png")
    write(folder / "depth" / "results.csv", planted(0.01))  # has no conclusion: it was not run to its end
    return folder


def test_publish(docs, run):
    said = publish(CLAIMS, run, docs)
    assert said.startswith("lrn copied to")
    assert {path.name for path in (docs / "results").iterdir()} == {"lrn.csv", "lrn-curves.csv", "lrn.txt"}
    assert (docs / PICTURES / "lrn.png").read_bytes() == b"png"
    page = (docs / PAGE).read_text()
    assert "| with | 27.0 ± 0.0 % | 37.0 ± 0.0 % | 3 |" in page
    assert "it is seen" in page
    assert "old" not in page
    assert page.startswith("# Page\n\ntext\n\n<!-- lrn -->\n")
    assert page.endswith("<!-- end -->\n\nmore\n")
    assert "all as they were" in update(CLAIMS, docs)


def test_nothing_to_publish(docs, tmp_path):
    with pytest.raises(PublishError, match="no claim has been run"):
        publish(CLAIMS, tmp_path, docs)


def test_large_pictures_stay_out(docs, run):
    (run / "lrn" / "lrn.png").write_bytes(bytes(200_000))
    with pytest.raises(PublishError, match="200,000 bytes"):
        publish(CLAIMS, run, docs)
    assert not (docs / "results").exists()


def test_a_place_for_nothing(docs):
    with pytest.raises(PublishError, match="no such claim"):
        filled("<!-- nonsense -->\n<!-- end -->", CLAIMS, docs)


def test_a_claim_without_rows(docs):
    assert "*Not run at this size yet.*" in filled(HEAD, CLAIMS, docs / "results")


def test_no_page(tmp_path):
    with pytest.raises(PublishError, match="no such page"):
        update(CLAIMS, tmp_path)


def test_the_committed_page_is_what_its_rows_say():
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    assert filled(page, CLAIMS, DOCS / "results") == page, "python scripts/reproduce.py --table brings it up to date"


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_its_place(name):
    assert f"<!-- {name} -->\n" in (DOCS / PAGE).read_text(encoding="utf-8")


def test_pictures_are_there_and_small():
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    for picture in (DOCS / PICTURES).glob("*.png"):
        assert picture.stat().st_size <= 150_000
        assert f"{PICTURES}/{picture.name}" in page


def test_the_page_shows_no_picture_that_is_not_there():
    shown = re.findall(r"\((pictures/[^)]+)\)", (DOCS / PAGE).read_text(encoding="utf-8"))
    assert shown
    assert all((DOCS / picture).exists() for picture in shown)
