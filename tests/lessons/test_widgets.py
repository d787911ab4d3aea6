"""The lessons' two widgets in a real browser: they show what minialex computes, in every setting; mouse and keys work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright: pip install -e '.[browser]'")

from lessons.draw.flow import BATCHES, data_flow  # noqa: E402
from lessons.draw.im2col import CHOICES, IMAGE, KERNEL, im2col_explorer  # noqa: E402
from minialex.devices import parse_devices  # noqa: E402
from minialex.layers import im2col  # noqa: E402
from minialex.net import Net  # noqa: E402
from minialex.nets import small_towers  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the widgets are tried in a browser, and there is no Chromium here")
READ = """root => {
  const texts = [], svg = root.querySelector("svg");
  for (const rect of svg.querySelectorAll("rect.mx-cell")) {
    const next = rect.nextElementSibling, told = next && next.tagName === "text";
    texts.push([Number(rect.getAttribute("x")), told ? next.textContent.replace("\\u2212", "-") : null,
                rect.classList.contains("mx-patch"), rect.classList.contains("mx-copy")]);
  }
  return texts;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def page_with(html: str, folder: Path) -> str:
    """The address of a page with this widget in it."""
    file = folder / "page.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'><body>{html}", encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_with(im2col_explorer().html, tmp_path_factory.mktemp("explorer"))


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Any:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(address)
    return page


def cells(page: Any) -> list[Any]:
    return page.locator(".mx-im2col").evaluate(READ)


@pytest.mark.parametrize(("k", "s", "p", "C"), list(product(*CHOICES.values())))
def test_it_shows_what_im2col_computes(page: Any, k: int, s: int, p: int, C: int) -> None:
    for name, value in zip("kspC", (k, s, p, C), strict=True):
        page.select_option(f"select[name={name}]", str(value))
    x, w = IMAGE[:C].astype(float), KERNEL[:C, :k, :k]
    X = im2col(x[None], (k, k), (s, s), (p,) * 4)
    oH, oW = X.shape[1:3]
    X = X.reshape(oH * oW, -1)
    y = X @ w.transpose(1, 2, 0).ravel()
    shown = [text for _, text, *_ in cells(page)]
    padded, Q = C * (5 + 2 * p) * (6 + 2 * p), k * k * C
    assert len(shown) == padded + Q + oH * oW + Q + len(X) * (Q + 1)
    outputs = shown[padded + Q : padded + Q + oH * oW]
    assert [int(t) for t in outputs if t is not None] == [int(v) for t, v in zip(outputs, y, strict=True) if t is not None]
    matrix = np.array(shown[-len(X) * (Q + 1) :], dtype=object).reshape(len(X), Q + 1)
    numbers = np.column_stack((X, y))
    for told, number in zip(matrix.ravel(), numbers.ravel(), strict=True):
        assert told is None or int(told) == number
    assert f"X has {len(X)} × {Q} = {X.size} numbers" in page.locator(".mx-said").inner_text()


def test_a_pixel_lights_its_copies_and_keys_move_the_kernel(page: Any) -> None:
    for name, value in zip("kspC", (3, 1, 0, 1), strict=True):
        page.select_option(f"select[name={name}]", str(value))
    page.locator("rect.mx-cell").nth(2 * 6 + 2).hover()  # x[2, 2] is read by nine patches
    lit = cells(page)
    assert sum(copy for *_, copy in lit) == 1 + 9 + 9 + 9  # itself, its copies, the outputs in both places
    assert "was copied 9 times" in page.locator(".mx-said").inner_text()
    stage = page.locator(".mx-stage")
    stage.focus()
    row = int(stage.get_attribute("data-row"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert int(stage.get_attribute("data-row")) == row + 1 + 4
    page.keyboard.press("Enter")
    page.locator("rect.mx-cell").nth(0).hover()
    assert int(stage.get_attribute("data-row")) == row + 1 + 4  # held
    page.keyboard.press("Escape")
    page.locator("rect.mx-cell").nth(1).hover()
    assert int(stage.get_attribute("data-row")) == 0


def test_without_scripts_the_still_is_there(browser: Any, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    assert page.locator("img.mx-still").bounding_box()["width"] > 400


# The data flow


@pytest.fixture(scope="module")
def net() -> Net:
    return small_towers(parse_devices("cpu,cpu"))


@pytest.fixture(scope="module")
def flow(browser: Any, net: Net, tmp_path_factory: pytest.TempPathFactory) -> Any:
    page = browser.new_page(viewport={"width": 1000, "height": 1200})
    page.goto(page_with(data_flow(net, 32).html, tmp_path_factory.mktemp("flow")))
    return page


@pytest.mark.parametrize("batch_size", BATCHES)
def test_its_ledger_at_the_last_move_is_the_nets(flow: Any, net: Net, batch_size: int) -> None:
    """Every crossing of a training step that the net really made: layer, pass, from, to, bytes."""
    flow.select_option("select.mx-batch", str(batch_size))
    flow.locator("input[type=range]").evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
    shown = [[cell.inner_text() for cell in row.locator("td").all()] for row in flow.locator("tbody tr").all()]
    net.ledger.clear()
    logits = net.forward(np.zeros((batch_size, *net.input_shape), np.float32), train=True)
    net.backward(np.ones_like(logits))
    made = [(*row[:4], f"{row.bytes:,}") for row in net.ledger.rows if "host" not in row]
    assert sorted(map(tuple, shown)) == sorted(made)


def test_it_is_played_move_by_move(flow: Any) -> None:
    flow.locator("input[type=range]").evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input')); }")
    assert flow.locator(".mx-said").inner_text().startswith("move 1 of ")
    flow.click(".mx-next")
    flow.click(".mx-next")
    assert flow.locator(".mx-said").inner_text().startswith("move 3 of ")
    flow.click(".mx-back")
    assert flow.locator(".mx-said").inner_text().startswith("move 2 of ")
    flow.click(".mx-play")
    assert "pause" in flow.locator(".mx-play").inner_text()
    flow.click(".mx-play")
    assert "play" in flow.locator(".mx-play").inner_text()
