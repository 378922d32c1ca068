"""The manual as a site: it is built without a warning, and its search finds what users look for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from browser_for_tests import Browser, chromium

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("material") is None, reason="needs the extra 'docs'"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return folder


class UnloggedHandler(SimpleHTTPRequestHandler):
    """Serves the site, and prints no request."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def search(site):
    """Return a function that types a query into the site's search and returns what it lists."""
    if chromium() is None:
        pytest.skip("there is no Chromium here")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(UnloggedHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Browser()

    field = "document.querySelector('[data-md-component=search-query]')"
    listed = "[...document.querySelectorAll('.md-search-result__link')].map(a => a.href)"
    ended = "document.querySelector('.md-search-result__meta')?.textContent ?? ''"
    address = f"http://127.0.0.1:{server.server_port}/"

    def found(query: str) -> list[str]:
        browser.send("Page.navigate", url=f"{address}?{query}")
        until(lambda: browser.value("document.readyState") == "complete")
        until(lambda: browser.value("location.href").startswith(address))
        until(lambda: browser.value(f"{field} !== null"))
        browser.value(f"{field}.focus()")
        browser.send("Input.insertText", text=query)
        browser.press("End")
        until(lambda: browser.value(listed) or "No matching" in browser.value(ended))
        return [link.split("?")[0].removeprefix(address) for link in browser.value(listed)]

    yield found
    browser.close()
    server.shutdown()


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the search did not answer"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("schuler-svmap", "stages/"),  # a pipeline
        ("camera-shake-svmap", "stages/"),
        ("richardson-lucy", "stages/"),  # a stage
        ("tone_curve", "pipeline-reference/"),  # a key of a pipeline file
        ("min_component_mass", "stages/"),  # a param
        ("--resume", "operations/"),  # an option
        ("halo", "scale/"),
        ("JPEG XL", "formats/"),
    ],
)
def test_the_search_finds_names_that_users_look_for(search, query, page):
    links = search(query)
    assert any(link.startswith(page) for link in links), links


def test_the_search_for_nonsense_finds_nothing(search):
    assert search("qzxvwjk") == []
