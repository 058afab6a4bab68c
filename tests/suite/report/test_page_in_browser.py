"""The page in a browser: it filters, sorts, answers, shows images, fits a phone, prints, and asks nobody for anything."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import synthetic_run
from helpers.browser import chromium, picture, scheme, screen
from suite.report.page.write import write_report
from suite.report.results import load_results
from suite.runs import labels
from suite.runs.layout import RunLayout

NASTY = "<script>alert(1)</script> & %_ عربي\nline"
IMAGES = ("set/00", "set/01", "set/02")
SENT, RECEIVED = "a <b>red</b> ball & a قط", "a <b>rid</b> ball & a قط"


def shade(image: int, method: int) -> np.ndarray:
    """An image of one grey, another for each image and method; lossless whatever the codec."""
    return np.full((16, 16, 3), 40 * image + 20 * method, np.uint8)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run_dir = synthetic_run.make_run(tmp_path_factory.mktemp("page"))
    document = json.loads((run_dir / "run.json").read_text())
    sheet = {"explorer": {"quality": 100}}
    document |= {"names": {"alpha/default": [NASTY, "A"]}, "grid": {"sheet": sheet}}
    (run_dir / "run.json").write_text(json.dumps(document))
    layout = RunLayout(run_dir)
    for number, image in enumerate(IMAGES):
        for place, variant in enumerate((None, "default", "base")):
            key = {"dataset": "kodak", "image": image, "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0, "variant": variant}
            record = key | {"method": "alpha" if variant == "default" else "beta"}
            path = layout.sample(record) if variant else layout.original("kodak", image)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(shade(number, place)).save(path)
            if variant == "default":
                Image.fromarray(shade(5, 0)).save(layout.map(record, "M"))
                layout.sample_texts(record).write_text(json.dumps({"sent": SENT, "received": RECEIVED}))
    told = dict(labels._told)
    results = load_results(run_dir)
    # The invented records say nothing of texts.
    own = results.records["method"].eq("alpha")
    results.records.loc[own, ["text_ok", "text_char_error_rate"]] = 0.0, 0.1
    results.records.loc[own, "text_scheme"] = "16qam 1/2"
    figures = [(layout.figures / f"{name}.png", size) for name, size in (("plane_kodak_awgn", (2148, 600)), ("limits_awgn", (1050, 600)))]
    layout.figures.mkdir()
    for path, size in figures:
        Image.new("RGB", size, "white").save(path)
    yield write_report(results, layout, [path for path, _ in figures])
    labels._told.clear()
    labels._told.update(told)


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(opened: Any, page: Path) -> Any:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    scheme(opened, "light")
    screen(opened, 1280)
    opened.get(page.as_uri())
    return opened


def texts(browser: Any, selector: str) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector)


def choose(browser: Any, label: str, option: str) -> None:
    found = browser.execute_script(
        "const label = [...document.querySelectorAll('label')].find((each) => each.firstChild.textContent === arguments[0]);"
        "const list = label.querySelector('select');"
        "list.selectedIndex = [...list.options].findIndex((each) => each.text === arguments[1]);"
        "list.dispatchEvent(new Event('change')); return list.selectedIndex",
        label,
        option,
    )
    assert found >= 0, f"{label} offers no {option}"


def press(browser: Any, text: str) -> None:
    browser.execute_script("[...document.querySelectorAll('button')].find((each) => each.textContent === arguments[0]).click()", text)


def key(browser: Any, name: str, selector: str = "body") -> None:
    event = "new KeyboardEvent('keydown', { key: arguments[0], bubbles: true })"
    browser.execute_script(f"document.querySelector(arguments[1]).dispatchEvent({event})", name, selector)


def search(browser: Any, words: str) -> None:
    box = "const box = document.querySelector('input[type=search]'); box.value = arguments[0];"
    browser.execute_script(f"{box} box.dispatchEvent(new Event('input'))", words)


def column(browser: Any, number: int) -> list[float]:
    cells = texts(browser, f"#table tbody td:nth-of-type({number}) :first-child:not(rect)")
    return [float(cell) for cell in cells if cell]


def test_it_says_nothing_on_the_console_and_asks_nobody(browser: Any) -> None:
    for label, option in (("Metric", "LPIPS (AlexNet) ↓"), ("Curves over", "transmitted symbols"), ("First", "Original")):
        choose(browser, label, option)
    for view in ("Difference", "Map", "Side by side", "Wipe"):
        press(browser, view)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # A new browser has a start page of its own.
    asked = {each["request"]["url"].split(":")[0] for each in sent if not each["documentURL"].startswith("chrome:")}
    assert asked == {"file", "data"}
    assert browser.execute_script("return fetch('https://example.org').then(() => 'went', () => 'stopped')") == "stopped"


def test_names_of_others_are_shown_as_text(browser: Any) -> None:
    assert NASTY in texts(browser, "#table tbody bdi")
    assert not browser.execute_script("return document.querySelectorAll('#table script, #controls script').length")


def test_the_table_filters_by_ratio_snr_channel_name_and_metric(browser: Any) -> None:
    assert len(texts(browser, "#table tbody tr")) == 13, "five methods and the envelope at two ratios, and one of fixed rate"
    choose(browser, "CR", "1/24")
    assert set(texts(browser, "#table tbody td:first-child")) == {"1/24"}
    choose(browser, "SNR", "7 dB")
    assert texts(browser, "#table thead th") == ["CR", "Method", "Symbols", "7 dB", "Bars"]
    choose(browser, "Channel", "rayleigh")
    choose(browser, "SNR", "1 dB")
    assert any("failed (24)" in row for row in texts(browser, "#table tbody tr")), "JPEG fails there"
    search(browser, "beta")
    assert sorted(texts(browser, "#table tbody bdi")) == ["beta/base", "beta/sa"]
    search(browser, "")
    press(browser, "none")
    assert texts(browser, "#table tbody tr") == [] and "No curve" in texts(browser, "#curves")[0]
    press(browser, "all")
    choose(browser, "Metric", "FID ↓")
    assert "FID ↓ on kodak, rayleigh" in texts(browser, "#table h3")


def test_the_table_sorts_either_way_and_says_so(browser: Any) -> None:
    press(browser, "4 dB")
    values = column(browser, 4)
    assert len(values) == 13 and values == sorted(values, reverse=True), "the best first"
    assert browser.execute_script("return document.querySelector('th[aria-sort=descending]').textContent") == "4 dB"
    press(browser, "4 dB")
    assert column(browser, 4) == values[::-1]
    press(browser, "Method")
    names = texts(browser, "#table tbody bdi")
    assert names == sorted(names, key=str.lower)
    choose(browser, "Channel", "rayleigh")
    press(browser, "1 dB")
    assert "failed (24)" in texts(browser, "#table tbody tr")[-1], "what has no value stands last"


def test_marks_stand_in_the_table_as_in_the_files(browser: Any) -> None:
    assert len(texts(browser, "#table tbody strong")) == 8, "alpha wins in each cell of a ratio"
    assert len(texts(browser, "#table tbody .spark")) == 13


def test_the_first_table_is_there_without_script(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page.as_uri())
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(texts(browser, "#table tbody tr")) == 13 and len(texts(browser, "#table tbody strong")) == 8
    hidden = "return [...document.querySelectorAll('#controls, #images, #curves')].map((each) => each.offsetHeight)"
    assert browser.execute_script(hidden) == [0, 0, 0]


def test_curves_answer_to_the_arrow_keys_and_change_with_the_metric(browser: Any) -> None:
    assert texts(browser, "#curves svg[role=img] text[font-weight]") == ["CR = 1/48", "CR = 1/24"]
    key(browser, "ArrowRight", "#curves svg[role=img]")
    (shown,) = texts(browser, "#curves .tip:not([hidden])")
    assert "CR = 1/48, 1 dB" in shown and "beta/sa" in shown
    key(browser, "ArrowRight", "#curves svg[role=img]")
    assert "4 dB" in texts(browser, "#curves .tip:not([hidden])")[0]
    values = [float(value) for value in texts(browser, "#curves .tip:not([hidden]) td:nth-child(3)")]
    assert values == sorted(values, reverse=True), "the best first"
    key(browser, "Escape", "#curves svg[role=img]")
    assert texts(browser, "#curves .tip:not([hidden])") == []
    choose(browser, "Curves over", "transmitted symbols")
    assert texts(browser, "#curves svg[role=img] text[font-weight]") == ["1 dB", "4 dB", "7 dB", "10 dB"]
    choose(browser, "Metric", "LPIPS (AlexNet) ↓")
    assert "LPIPS (AlexNet) ↓ over transmitted symbols" in texts(browser, "#curves h3")


def test_the_explorer_shows_image_cell_and_methods(browser: Any) -> None:
    assert len(texts(browser, ".strip button")) == 3
    choose(browser, "Second", NASTY.replace("\n", " "))
    assert "set/00, 1 of 3" in texts(browser, "#explorer p.note")[0]
    key(browser, "n")
    assert "set/01, 2 of 3" in texts(browser, "#explorer p.note")[0]
    sources = "return [...document.querySelectorAll('.frame img')].map((each) => each.src)"
    before = browser.execute_script(sources)
    assert [np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))[0, 0, 0] for source in before] == [40, 60]
    key(browser, "x")
    assert browser.execute_script(sources) == before[::-1]
    slide = "const slider = document.getElementById('level-wipe'); slider.value = 25; slider.dispatchEvent(new Event('input'));"
    assert browser.execute_script(slide + "return document.querySelector('.frame .over').style.clipPath") == "inset(0px 0px 0px 25%)"
    key(browser, "2")
    assert len(texts(browser, ".stage figcaption")) == 2
    key(browser, "4")
    assert "M" in texts(browser, ".stage select")[0]
    assert browser.execute_script("return document.querySelector('.over').style.opacity") == "0.5"


def test_the_difference_is_that_of_the_pixels(browser: Any) -> None:
    choose(browser, "Second", "beta/base")
    press(browser, "Difference")
    said = "const [done, names] = [arguments[0], document.querySelector('.names')];"
    said += "const look = () => (names.textContent ? done(names.textContent) : setTimeout(look, 20)); look()"
    assert browser.execute_async_script(said).startswith("mean difference 40.00 of 255")
    pixel = browser.execute_script("return [...document.querySelector('.frame canvas').getContext('2d').getImageData(3, 3, 1, 1).data]")
    share = 40 / 255 * 4 * 4 - 2
    assert pixel == pytest.approx([188 + share * (249 - 188), 55 + share * (142 - 55), 84 + share * (9 - 84), 255], abs=1)


def test_the_best_and_the_worst_image_are_one_click_away(browser: Any) -> None:
    choose(browser, "Second", "beta/base")
    press(browser, "Best")
    best = texts(browser, "#explorer p.note")[0]
    press(browser, "Worst")
    worst = texts(browser, "#explorer p.note")[0]
    records = load_results(Path(browser.current_url.removeprefix("file://")).parent).records
    cell = records["channel"].eq("awgn") & records["snr_db"].eq(4) & records["repetition"].eq(0) & records["cr"].between(0.04, 0.05)
    own = records[cell & records["variant"].eq("base") & records["image"].isin(IMAGES)].set_index("image")["psnr"]
    assert own.idxmax() in best and f"Best of the 3 images here for beta/base: PSNR (dB) {own.max():.2f}" in best
    assert own.idxmin() in worst and f"{own.min():.2f}" in worst


def test_damage_of_a_text_is_shown_where_it_is(browser: Any) -> None:
    choose(browser, "Second", NASTY.replace("\n", " "))
    assert texts(browser, ".sent del") == ["e"] and texts(browser, ".sent ins") == ["i"]
    assert texts(browser, ".sent") == ["a <b>reid</b> ball & a قط"]
    assert "Text: damaged, 16qam 1/2" in texts(browser, "#explorer h4")


def test_dark_screens_are_dark_and_paper_is_white(browser: Any) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(ground) == "rgb(255, 255, 255)"
    scheme(browser, "dark")
    assert browser.execute_script(ground) == "rgb(21, 21, 23)"
    scheme(browser, "dark", "print")
    assert browser.execute_script(ground) == "rgb(255, 255, 255)"
    assert browser.execute_script("return getComputedStyle(document.querySelector('.controls')).display") == "none"


def test_it_prints_with_what_was_closed_open(browser: Any) -> None:
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 20_000
    assert browser.execute_script("return [...document.querySelectorAll('details')].every((each) => each.open)")


def test_nothing_is_wider_than_a_phone(browser: Any, page: Path, tmp_path: Path) -> None:
    screen(browser, 390, 844, phone=True)
    browser.get(page.as_uri())
    for view in ("Wipe", "Side by side", "Difference", "Map"):
        press(browser, view)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    wide = """return [...document.body.querySelectorAll('*')].filter((each) => !each.closest('.scroll, .strip, pre, .tip') &&
        each.getBoundingClientRect().right > 390.5).map((each) => each.outerHTML.slice(0, 80))"""
    assert browser.execute_script(wide) == []
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'; document.querySelector('#images').scrollIntoView()")
    shown = np.asarray(Image.open(picture(browser, tmp_path / "phone.png")).convert("L"), float)
    assert shown.shape[1] == 390 and shown.std() > 20, "there is something to see"


def test_a_figure_for_the_width_of_a_page_scrolls_on_a_phone_and_fits_a_desk(browser: Any, page: Path) -> None:
    box = "const box = document.querySelector(`#${arguments[0]} .scroll`); return [box.scrollWidth, box.clientWidth]"
    assert len({*browser.execute_script(box, "plane_kodak_awgn")}) == 1
    screen(browser, 390, 844, phone=True)
    browser.get(page.as_uri())
    whole, seen = browser.execute_script(box, "plane_kodak_awgn")
    # Letters of 7 points on 7.16 inches are 8 pixels high there.
    assert whole > 600 and seen <= 390
    assert len({*browser.execute_script(box, "limits_awgn")}) == 1, "what is drawn for a column is small enough"
