"""A whole lesson in JupyterLab, in a real browser: its cells run, its pictures appear, its exercises answer.

JupyterLab is served on this machine alone, with settings of its own; a headless Chromium that is installed already is driven
by playwright. Where one of the three is missing, the tests are skipped and say which.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterlab", reason="the lessons are tried in JupyterLab: pip install -e '.[lessons]'")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser is driven by playwright: pip install -e '.[browser]'"
)

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
LESSON, EXPLORER = "04_convolution_backwards", "03_convolution"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 120  # seconds for anything that a page or a kernel does
TOKEN = "lessons"

WRONG = """\
def conv_backward(dy, x, weight, stride, padding):
    O, C, kH, kW = weight.shape
    X = im2col(x, (kH, kW), stride, padding)
    dY = dy.transpose(0, 2, 3, 1).reshape(-1, O)
    W = weight.transpose(0, 2, 3, 1).reshape(O, -1)
    dweight = (dY.T @ X.reshape(len(dY), -1)).reshape(O, kH, kW, C).transpose(0, 3, 1, 2)
    dx = minialex_col2im((dY @ W).reshape(X.shape), x.shape, (1, 1), padding)
    return dx, dweight, dY.sum(axis=0)

from minialex.layers import col2im as minialex_col2im, im2col
check.conv_backward(conv_backward)
"""
RIGHT = WRONG.replace("(1, 1), padding)", "stride, padding)")


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser that is installed."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser is installed: none of {', '.join(NAMES)} is found")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab's address. It serves copies of two learner's notebooks, and leaves the user's own settings alone."""
    home = tmp_path_factory.mktemp("jupyter")
    for name in (LESSON, EXPLORER):
        if not (LESSONS / f"{name}.ipynb").exists():
            pytest.skip(f"the lesson {name} has not been built")
        shutil.copy(LESSONS / f"{name}.ipynb", home)
    settings = home / ".settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)  # all cells are there, seen or not
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}', encoding="utf-8")
    config = home / ".config" / "labconfig"
    config.mkdir(parents=True)  # no news from outside
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "page_config.json").write_text(json.dumps(disabled), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER") and k != "MPLBACKEND"} | {
        "JUPYTER_CONFIG_DIR": str(home / ".config"),
        "JUPYTER_DATA_DIR": str(home / ".data"),
        "JUPYTER_RUNTIME_DIR": str(home / ".runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / ".settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / ".workspaces"),
        "IPYTHONDIR": str(home / ".ipython"),
    }
    options = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "open_browser": False,
        "root_dir": home,
        "allow_root": True,
        "log_level": "ERROR",
    }
    command = [sys.executable, "-m", "jupyterlab", "--LabApp.expose_app_in_browser=True", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, cwd=home, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server, home / "log")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers."""
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy
    for _ in range(10 * PATIENCE):
        if server.poll() is not None:
            pytest.fail(f"JupyterLab ends at once: {log.read_text(encoding='utf-8')[-500:]}")
        try:
            straight.open(f"{address}/api?token={TOKEN}", timeout=5)
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("JupyterLab does not answer")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, without a window."""
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(FLAGS), headless=True)
        yield started
        started.close()


class Page:
    """A notebook in the browser."""

    def __init__(self, browser: Any, lab: str, name: str, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": 1300, "height": 1000}, color_scheme=scheme)
        self.page.set_default_timeout(1000 * PATIENCE)
        # a workspace of its own, or JupyterLab opens what the last test had open as well, and that may be in front
        self.page.goto(f"{lab}/lab/workspaces/{name}/tree/{name}.ipynb?token={TOKEN}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")

    def run_all(self) -> None:
        """Every cell, and wait until the kernel has nothing left to do."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.idle()

    def idle(self) -> None:
        """Until every code cell has been run, or one has failed."""
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp.shell.currentWidget;
                const codes = [...panel.content.model.cells].filter((cell) => cell.type === "code");
                const failed = (cell) => cell.toJSON().outputs.some((output) => output.output_type === "error");
                return codes.some(failed) || codes.every((cell) => cell.executionState === "idle" && cell.executionCount);
            }"""
        )

    def cells(self) -> list[dict[str, Any]]:
        """The notebook as JupyterLab has it now."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"
        )
        return found

    def cell(self, words: str) -> Any:
        """The code cell on the page whose text has these words."""
        return self.page.locator(".jp-CodeCell").filter(has=self.page.locator(".jp-InputArea", has_text=words)).first

    def write(self, cell: Any, code: str) -> None:
        """Put other text into a cell, as one types it, and run it with Shift+Enter."""
        editor = cell.locator(".cm-content")
        editor.click()
        editor.fill(code)
        self.page.keyboard.press("Shift+Enter")


def no_errors(cells: list[dict[str, Any]]) -> None:
    """No cell raised."""
    for n, cell in enumerate(cells, 1):
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", f"cell {n}: {output['ename']}: {output['evalue']}"


def test_a_whole_lesson(browser: Any, lab: str, tmp_path: Path) -> None:
    lesson = Page(browser, lab, LESSON)
    assert all(cell["outputs"] == [] for cell in lesson.cells() if cell["cell_type"] == "code"), "the learner's copy is clean"
    lesson.run_all()
    cells = lesson.cells()
    no_errors(cells)

    exercises = [cell for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
    assert exercises
    for exercise in exercises:
        assert "not written yet" in json.dumps(exercise["outputs"]).lower()

    # pictures are really there: files that could not be decoded have no width
    widths = lesson.page.eval_on_selector_all(".jp-OutputArea-output img", "all => all.map((image) => image.naturalWidth)")
    assert widths
    assert min(widths) > 50
    assert lesson.page.locator(".jp-OutputArea-output table td").count() > 20, "small arrays are shown as heat maps"
    assert lesson.page.locator("mjx-container").count() > 10, "formulas are set"
    assert lesson.page.locator("mjx-merror").count() == 0, "every formula can be set"

    # a wrong answer, and what is said of it
    exercise = lesson.cell("def conv_backward")
    lesson.write(exercise, WRONG)
    verdict = exercise.locator(".minialex-check")
    verdict.filter(has_text="conv_backward is not right yet").wait_for()
    said = verdict.inner_text()
    assert "It looks like this" in said
    assert "the stride is forgotten when scattering back" in said
    assert "The smallest case that fails" in said
    assert verdict.locator("table").count() >= 5, "dy, x, weight, and dx as it should be and as it is"
    exercise.screenshot(path=str(tmp_path / "wrong.png"))

    # the right one, and its reward
    lesson.write(exercise, RIGHT)
    verdict.filter(has_text="conv_backward is right").wait_for()
    assert "All" in verdict.inner_text()
    box = verdict.locator("svg").bounding_box()
    assert box["width"] > 100, "the badge is drawn"
    assert box["height"] > 30
    exercise.screenshot(path=str(tmp_path / "right.png"))
    lesson.page.close()


def test_what_moves_is_there_and_moves(browser: Any, lab: str, tmp_path: Path) -> None:
    """Lesson 03, in the dark theme: the sliders draw their picture anew, and the explorer of im2col answers."""
    lesson = Page(browser, lab, EXPLORER)
    lesson.page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    lesson.run_all()
    no_errors(lesson.cells())

    widget = lesson.page.locator(".jupyter-widgets.widget-vbox").first
    picture, readout = widget.locator("img"), widget.locator(".widget-readout").first
    picture.wait_for()
    before = picture.get_attribute("src")
    readout.fill(str(int(readout.inner_text()) + 1))
    readout.press("Enter")
    changed = "([image, before]) => image.src !== before"
    lesson.page.wait_for_function(changed, arg=[picture.element_handle(), before])

    explorer = lesson.page.locator(".mx-im2col[data-live]")
    explorer.wait_for()
    said, cells = explorer.locator(".mx-said"), explorer.locator("svg rect")
    words, count = said.inner_text(), cells.count()
    explorer.locator(".mx-stage").press("ArrowLeft")
    assert said.inner_text() != words, "the arrow key moves the kernel"
    explorer.locator("select").first.select_option("2")
    assert cells.count() != count, "a smaller kernel has other places"
    explorer.scroll_into_view_if_needed()
    lesson.page.screenshot(path=str(tmp_path / "explorer.png"))
    lesson.page.close()
