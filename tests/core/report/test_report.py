"""The report: its numbers against numpy, its page in a real browser."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from entries_for_tests import REPORT, RGB, entry, photo
from PIL import Image as Pillow

from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.report import page
from unblur.report.description import facts, rows
from unblur.report.previews import (
    LONGEST,
    Tones,
    kernel_picture,
    mapping_for,
    most_contrast,
    png,
    reduce_image,
    view_of,
)
from unblur.report.spectra import BINS, radial_mean, spectrum, transfer
from unblur.testing import gaussian


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


# What is shown.


def test_a_photograph_is_shown_as_it_is():
    view = view_of(photo())
    assert view.values.shape == (80, 120, 3)
    assert view.is_photo
    picture = mapping_for(view, 255)(view.values)
    assert np.array_equal(picture, np.moveaxis(photo().data, 0, -1))
    assert np.array_equal(decoded(png(picture)), picture)


def test_a_stack_shows_its_middle_plane_and_says_so():
    stack = Image(np.arange(2 * 3 * 5 * 4 * 6, dtype=np.uint16).reshape(2, 3, 5, 4, 6), "TCZYX")
    view = view_of(stack)
    assert np.array_equal(view.values, stack.data[0, 0, 2])
    assert view.note == "T = 0 of 2, Z = 2 of 5, channel 0 of 3"
    assert not view.is_photo


def test_alpha_is_left_out_and_grey_stays_grey():
    rgba = Image(np.zeros((4, 5, 6), np.uint8), "CYX", channels=(*RGB, "alpha"))
    assert view_of(rgba).values.shape == (5, 6, 3)
    assert view_of(Image(np.zeros((5, 6), np.uint8), "YX")).is_photo


def test_tones_find_the_range_of_measurements():
    values = np.linspace(100, 300, 1000, dtype=np.float32).reshape(20, 50)
    values[3, 3] = np.nan
    tones = mapping_for(view_of(Image(values, "YX", white=65535)), 65535)
    assert tones.low == pytest.approx(100.4, abs=0.5)
    assert tones.high == pytest.approx(299.6, abs=0.5)
    assert not tones.is_stretched
    assert tones(values)[3, 3] == 0
    sky = np.full((50, 50), 10, np.float32)
    sky[::7, ::7] = 5000
    assert mapping_for(view_of(Image(sky, "YX")), 1).is_stretched


def test_flat_images_have_tones_too():
    for value in (0.0, np.nan):
        flat = view_of(Image(np.full((4, 4), value, np.float32), "YX"))
        assert np.ptp(mapping_for(flat, 1)(flat.values)) == 0


def test_reduction_keeps_the_mean():
    values = np.random.default_rng(0).random((2 * LONGEST, 90)).astype(np.float32)
    small = reduce_image(values)
    assert small.shape == (LONGEST, 45)
    assert small[3, 4] == pytest.approx(values[6:8, 8:10].mean(), rel=1e-5)


def test_the_liveliest_square_is_found():
    values = np.zeros((2000, 1500), np.float32)
    values[1300:1400, 900:1000:2] = 1
    values[1300:1400:2, 900:1000] = 0.5
    rows_, columns = most_contrast(values)
    assert rows_.start <= 1300 < rows_.stop
    assert columns.start <= 900 < columns.stop


def test_kernels_are_laid_out_in_their_places():
    one, other = gaussian((5, 5), 1), gaussian((5, 5), 2)
    mosaic = kernel_picture(KernelField(((one, other),), (0.0,), (0.0, 9.0)))
    assert mosaic.shape == (5, 11)
    assert np.isnan(mosaic[:, 5]).all()
    assert np.allclose(mosaic[:, 6:], other.weights / other.weights.max())
    deep = kernel_picture(KernelField.single(gaussian((3, 5, 7), 1)))
    assert deep.shape == (5, 7)


# Spectra.


def test_a_wave_has_its_power_at_its_frequency():
    wave = np.cos(2 * np.pi * 0.25 * np.arange(128))[None, :] + np.zeros((128, 1))
    found = spectrum(wave.astype(np.float32))
    row, column = np.unravel_index(int(found.power.argmax()), found.power.shape)
    assert (row - 64, abs(column - 64)) == (0, 32)
    assert np.argmax(found.radial) == pytest.approx(BINS / 2, abs=1)


def test_transfer_of_a_gaussian_is_a_gaussian():
    sigma = 1.5
    frequency = (np.arange(BINS) + 0.5) / (2 * BINS)
    theory = np.exp(-2 * (np.pi * frequency * sigma) ** 2)
    assert np.allclose(transfer(gaussian((25, 25), sigma)), theory, atol=0.02)
    assert transfer(Kernel.delta()) == pytest.approx(np.ones(BINS))


def test_radial_mean_of_a_small_square_has_no_holes():
    assert np.isfinite(radial_mean(np.ones((5, 5)))).all()


# The page.


class Outline(HTMLParser):
    """Collects tags and their attributes, and checks that they close."""

    VOID = {"meta", "img", "input", "br", "link"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes the wrong tag"


def test_the_page_is_whole_and_names_no_other_address():
    text = page([entry(), entry(title="second.tif", kernel=None, report={})])
    outline = Outline(text)
    assert outline.open == []
    sources = [a["src"] for tag, a in outline.tags if "src" in a]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    links = [a["href"] for tag, a in outline.tags if tag == "a"]
    assert links == ["#result-0", "#result-1"]
    assert all(a.get("alt") for tag, a in outline.tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in outline.tags if tag == "input")


def test_names_and_warnings_cannot_become_markup():
    text = page([entry()])
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in text
    assert "clock &amp; co.png" in text
    assert "returned &lt;nothing&gt;" in text


def test_the_account_is_told_in_words():
    told = dict(rows(REPORT))
    assert told["step 1: kernel"] == "map (1.50 s)"
    assert told["· weight"] == "0.01"
    assert told["input"].endswith("(CYX 3 × 80 × 120, uint8)")
    assert told["unblur"] == "9.8.7"
    assert list(rows({})) == []


@pytest.mark.parametrize(
    ("confidence", "text"), [(0.21, "0.21 (low)"), (0.5, "0.50 (medium)"), (0.934, "0.93 (high)")]
)
def test_the_confidence_is_shown_in_a_word(confidence, text):
    kernel = {"origin": "map", "shape": [9, 7], "region": "", "confidence": confidence}
    report = {**REPORT, "kernel": kernel}
    assert dict(facts(report))["confidence"] == text
    assert dict(rows(report))["kernel, confidence"] == text
    assert f"<li>confidence <b>{text}</b></li>" in page([entry(report=report)])


@pytest.mark.parametrize("extra", [{}, {"confidence": None}])
def test_an_unknown_confidence_is_not_shown(extra):
    report = {**REPORT, "kernel": {"origin": "given", "shape": [9, 7], "region": "", **extra}}
    assert "confidence" not in page([entry(report=report)])


def test_tones_say_what_they_do():
    assert str(Tones(0.5, 12345.6, True)) == "shown from 0.5 (black) to 1.235e+04 (white, asinh)"


def test_the_pixel_size_is_stated_and_values_are_in_words():
    image = Image(
        np.zeros((4, 30, 40), np.uint16),
        "ZYX",
        pixel_size={"Z": 0.3, "Y": 0.1, "X": 0.1},
        units=dict.fromkeys("ZYX", "µm"),
    )
    step = {
        "kind": "deconvolve",
        "name": "x",
        "params": {"accelerate": True, "exponent": 2 / 3},
        "seconds": 1.0,
    }
    kernel = {"origin": "frozen on a.tif", "shape": [5, 5], "region": ""}
    report = {**REPORT, "steps": [step], "kernel": kernel}
    text = page([entry(before=image, after=image, report=report)])
    assert "pixel size <b>0.3 µm along Z, 0.1 µm along Y and X</b>" in text
    assert "<td>yes</td>" in text
    assert "<td>0.666667</td>" in text
    assert "5 × 5 px, frozen on a.tif" in text
