"""README's picture of the explorer is what the shipped page shows: the same words, the same two images, the same view."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.browser import chromium
from helpers.explorer_picture import FIRST, PICTURE, SAID, SECOND, SIZE, STAGE, choose, open_explorer, said, seen, stage

# Of 255, as mean absolute difference. A stage is wiped images alone: they differ by how a browser scales them, nothing else.
# The whole has words, which other fonts set in other places: a view without them, or of other things, is 28 away and more.
SAME_STAGE, SAME_WHOLE = 1.5, 20.0
_COARSE = (18, 14)
AGAIN = "`make picture` takes it again"


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with chromium(*SIZE) as browser:
        yield browser


@pytest.fixture
def browser(opened: Any) -> Any:
    open_explorer(opened)
    return opened


@pytest.fixture(scope="module")
def shown() -> Any:
    with Image.open(PICTURE) as image:
        image.load()
        return image


def apart(one: Image.Image, other: Image.Image, size: tuple[int, int]) -> float:
    """Return the mean absolute difference of two images, both made ``size``, of 255."""
    small = [np.asarray(each.convert("RGB").resize(size, Image.Resampling.BOX), float) for each in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())


def stages_apart(shown: Any, here: Image.Image, box: Sequence[int]) -> float:
    return apart(shown.crop(json.loads(shown.text[STAGE])), here.crop(tuple(box)), (64, 64))


def test_it_is_what_the_page_shows(browser: Any, shown: Any, tmp_path: Path) -> None:
    here = seen(browser, tmp_path / "here.png")
    assert here.size == shown.size == SIZE
    assert said(browser) == shown.text[SAID], f"the page says other things than README's picture; {AGAIN}"
    assert stages_apart(shown, here, stage(browser)) < SAME_STAGE, f"the page shows other images than README's picture; {AGAIN}"
    assert apart(shown, here, _COARSE) < SAME_WHOLE, f"the page looks unlike README's picture; {AGAIN}"
    assert PICTURE.stat().st_size < 200_000


def test_other_fonts_are_no_other_picture(browser: Any, shown: Any, tmp_path: Path) -> None:
    style = "const style = document.createElement('style'); style.textContent = '* { font-family: monospace !important }';"
    browser.execute_script(f"{style} document.head.append(style); document.getElementById('images').scrollIntoView()")
    here = seen(browser, tmp_path / "here.png")
    assert said(browser) == shown.text[SAID]
    assert stages_apart(shown, here, stage(browser)) < SAME_STAGE and apart(shown, here, _COARSE) < SAME_WHOLE


def test_other_images_and_views_are(browser: Any, shown: Any, tmp_path: Path) -> None:
    for label, option in (("First", "Original"), ("Second", FIRST)):
        choose(browser, label, option)
        assert stages_apart(shown, seen(browser, tmp_path / "here.png"), stage(browser)) > 2 * SAME_STAGE
        assert said(browser) != shown.text[SAID]
    open_explorer(browser)
    choose(browser, "CR", "1/48")
    assert stages_apart(shown, seen(browser, tmp_path / "here.png"), stage(browser)) > 2 * SAME_STAGE
    for spoil in ("document.getElementById('explorer').replaceChildren()", "scrollTo(0, 0)"):
        open_explorer(browser)
        browser.execute_script(spoil)
        assert apart(shown, seen(browser, tmp_path / "here.png"), _COARSE) > SAME_WHOLE, spoil
    assert SECOND in shown.text[SAID]
