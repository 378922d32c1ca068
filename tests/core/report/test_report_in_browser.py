"""The report's page in a real browser: pointer, keyboard, both schemes, no request."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from entries_for_tests import REPORT, entry
from PIL import Image as Pillow

from browser_for_tests import Browser, chromium
from unblur.report import page


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("there is no Chromium here")
    found = Browser()
    yield found
    found.close()


@pytest.fixture
def opened(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page([entry()]), "utf-8")
    browser.events.clear()
    browser.open(path)
    return browser


def test_names_with_markup_and_control_characters_are_text(browser, tmp_path):
    """A name that ends a tag, an attribute or the title is shown, and nothing of it runs."""
    run = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>"
    name = f"a\x00\x1b[31m\x07\x85\u202e</title></h2>\"'>{run}&lt;b&gt;.png"
    texts = {"plain.html": "plain.png", "named.html": name}
    elements = []
    for file, text in texts.items():
        report = {**REPORT, "input": {**REPORT["input"], "source": text}, "warnings": [text]}
        path = tmp_path / file
        path.write_text(page([entry(title=text, report=report)]), "utf-8")
        browser.events.clear()
        browser.open(path)
        elements.append(browser.value("document.querySelectorAll('*').length"))
    assert browser.value("typeof window.ran") == "undefined"
    assert elements[0] == elements[1]
    assert browser.errors() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [path.as_uri()]
    shown = f"a\\x00\\x1b[31m\\x07\\x85\\u202e</title></h2>\"'>{run}&lt;b&gt;.png"
    for place in ("title", "h2"):
        assert shown in browser.value(f"document.querySelector('{place}').textContent")
    assert shown in browser.value("document.querySelector('img').alt")
    assert shown in browser.value("document.querySelector('input').getAttribute('aria-label')")
    assert browser.value("document.body.textContent").count(shown) == 3  # title, source, warning
    hidden = r"/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ufffd]/"
    assert not browser.value(f"{hidden}.test(document.documentElement.outerHTML)")


def split(browser: Browser) -> float:
    """Return where the after-image begins, in percent of the width, as the browser clips it."""
    style = "getComputedStyle(document.querySelector('.compare .after')).clipPath"
    return float(re.findall(r"([\d.]+)%", browser.value(style))[-1])


def slider_box(browser: Browser) -> dict[str, float]:
    found = "JSON.parse(JSON.stringify(document.querySelector('.compare').getBoundingClientRect()))"
    return browser.value(found)


def test_nothing_is_fetched_and_nothing_fails(opened):
    asked = opened.requests()
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert opened.errors() == []
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert opened.value(broken) == 0


def test_the_slider_follows_the_pointer(opened):
    assert split(opened) == 50
    box = slider_box(opened)
    middle = box["y"] + box["height"] / 2
    opened.drag((box["x"] + box["width"] / 2, middle), (box["x"] + box["width"] * 0.8, middle))
    assert split(opened) == pytest.approx(80, abs=3)


def test_the_slider_follows_the_keyboard_and_tells_where_it_is(opened):
    opened.press("Tab")
    assert opened.value("document.activeElement.type") == "range"
    opened.press("Home")
    assert split(opened) == 0
    for _ in range(10):
        opened.press("ArrowRight")
    assert split(opened) == 5
    told = opened.value("document.activeElement.getAttribute('aria-valuetext')")
    assert told == "5 percent before"
    outline = "getComputedStyle(document.querySelector('.compare')).outlineStyle"
    assert opened.value(outline) == "solid"


def test_before_lies_left_and_after_right(opened):
    """The picture really shows the dark before on the left, the bright after on the right."""
    box = slider_box(opened)
    clip = {k: box[k] for k in ("x", "y", "width", "height")}
    shot = opened.send("Page.captureScreenshot", clip={**clip, "scale": 1})["data"]
    grey = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(shot))).convert("L"), float)
    width = grey.shape[1]
    top = slice(0, grey.shape[0] // 3)
    left, right = grey[top, 20 : width // 2 - 40], grey[top, width // 2 + 40 : -20]
    assert right.mean() - left.mean() == pytest.approx(140, abs=15)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(opened, scheme):
    opened.colour_scheme(scheme)
    colour = "getComputedStyle(document.querySelector('{}')).{}"
    ink = luminance(opened.value(colour.format("td", "color")))
    paper = luminance(opened.value(colour.format(".card", "backgroundColor")))
    assert (paper > ink) == (scheme == "light")
    contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
    assert contrast > 7


def luminance(colour: str) -> float:
    """Return the relative luminance of "rgb(r, g, b)", WCAG 2."""
    channels = np.array([int(n) for n in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_phone_does_not_scroll_sideways(opened):
    opened.send(
        "Emulation.setDeviceMetricsOverride",
        width=360, height=700, deviceScaleFactor=1, mobile=True,
    )  # fmt: skip
    try:
        assert opened.value("document.documentElement.scrollWidth") <= 360
    finally:
        opened.send("Emulation.clearDeviceMetricsOverride")
