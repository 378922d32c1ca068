"""The report as one self-contained HTML page, without any network request."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from unblur.model.context import Context
from unblur.report.entry import ReportEntry
from unblur.report.html_text import escape
from unblur.report.sections import section

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Content security policy of the page: embedded images, styles and scripts only."""


def page(
    entries: Sequence[ReportEntry], context: Context | None = None, *, with_resolution: bool = False
) -> str:
    """Return an HTML page with one section per result.

    `context` receives the progress, and may cancel the work between sections. With
    `with_resolution` the resolution before and after is measured, for which a part of each result
    is restored twice more.
    """
    tracked = (context or Context()).track(entries, "results")
    title = entries[0].title if len(entries) == 1 else f"{len(entries)} results"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)} · unblur</title>",
            f"<style>\n{_asset('page.css')}</style>",
            "</head>",
            "<body>",
            "<main>",
            *_header(entries, title),
            *(section(entry, number, with_resolution) for number, entry in enumerate(tracked)),
            f"<footer>{_made_by(entries)}</footer>",
            "</main>",
            f"<script>\n{_asset('slider.js')}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _header(entries: Sequence[ReportEntry], title: str) -> list[str]:
    if len(entries) == 1:
        return []
    links = "".join(
        f'<a href="#result-{number}">{escape(entry.title)}</a>'
        for number, entry in enumerate(entries)
    )
    return [f"<header><h1>{escape(title)}</h1><nav>{links}</nav></header>"]


def _made_by(entries: Sequence[ReportEntry]) -> str:
    versions = {str(e.report.get("versions", {}).get("unblur", "")) for e in entries} - {""}
    return f"Deblurred by unblur {escape(', '.join(sorted(versions)))}".strip() + "."


def _asset(name: str) -> str:
    return resources.files("unblur.report").joinpath(name).read_text("utf-8")
