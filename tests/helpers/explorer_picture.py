"""README's picture of the explorer: the page of the shipped run, its first image by two methods; ``make picture`` takes it anew.

What the page says there and where the two images stand is kept in the file, so that a test can hold the picture to the page
whatever fonts draw it.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from benchmarks.common.atomic import write_atomic
from benchmarks.common.project import PROJECT
from helpers.browser import chromium, picture, scheme, screen

SHIPPED = PROJECT / "results" / "reference" / "quick"
PICTURE = SHIPPED / "figures" / "explorer.png"
# CSS pixels: the explorer as a whole, with nothing below it.
SIZE = (1200, 892)
FIRST, SECOND, CR = "SwinJSCC", "GenED-SC", "1/24"
# Keys of texts in the file.
SAID, STAGE = "Description", "Stage"
# Of 255: coarser than on the screen, which nobody sees and saves a quarter of the file.
_STEP = 4
_CHOOSE = """const list = [...document.querySelectorAll('#explorer label')].find((each) => each.firstChild.textContent === arguments[0])
    .querySelector('select');
list.selectedIndex = [...list.options].findIndex((each) => each.text === arguments[1]);
list.dispatchEvent(new Event('change')); return list.selectedIndex"""
# Smooth scrolling would be under way when the picture is taken.
_SHOW = "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('images').scrollIntoView()"
_LOADED = "return [...document.querySelectorAll('#explorer img')].every((each) => each.complete && each.naturalWidth)"


def choose(browser: Any, label: str, option: str) -> None:
    """Choose an option of a list of the explorer by what is written there."""
    assert browser.execute_script(_CHOOSE, label, option) >= 0, f"{label} offers no {option}"


def open_explorer(browser: Any) -> None:
    """Open the shipped page at the explorer, two methods wiped against one another."""
    scheme(browser, "light")
    screen(browser, *SIZE)
    browser.get((SHIPPED / "report.html").as_uri())
    for label, option in (("CR", CR), ("First", FIRST), ("Second", SECOND)):
        choose(browser, label, option)
    browser.execute_script(_SHOW)


def seen(browser: Any, path: Path) -> Image.Image:
    """Return what is on the screen, by way of a file."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda it: it.execute_script(_LOADED))
    return Image.open(io.BytesIO(picture(browser, path).read_bytes())).convert("RGB")


def said(browser: Any) -> str:
    """Return all that the explorer says, without the spaces and lines that are a matter of layout."""
    return " ".join(browser.execute_script("return document.getElementById('explorer').textContent").split())


def stage(browser: Any) -> tuple[int, ...]:
    """Return left, upper, right and lower end of the wiped images on the screen, in pixels."""
    box = "const box = document.querySelector('#explorer .frame').getBoundingClientRect();"
    return tuple(browser.execute_script(f"{box} return [box.left, box.top, box.right, box.bottom].map(Math.round)"))


def main() -> None:
    """Take the picture and write it in its place."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, chromium(*SIZE) as browser:
        open_explorer(browser)
        image, text = seen(browser, Path(folder) / "seen.png"), PngImagePlugin.PngInfo()
        text.add_itxt(SAID, said(browser))
        text.add_text(STAGE, json.dumps(stage(browser)))
    buffer = io.BytesIO()
    # A palette would add steps that no method made.
    image.point([min(255, round(value / _STEP) * _STEP) for value in range(256)] * 3).save(buffer, "PNG", optimize=True, pnginfo=text)
    write_atomic(PICTURE, lambda file: file.write(buffer.getvalue()))
    print(f"{PICTURE}: {len(buffer.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as lacking:
        sys.exit(str(lacking))
