"""Style sheet of the widget, on top of napari's, for light and dark themes."""

from __future__ import annotations

from napari.utils.theme import get_theme

_SHEET = """
QWidget#unblurPanel {{ background: {background}; }}
QScrollArea, QScrollArea > QWidget > QWidget {{ background: {background}; border: 0; }}
QToolButton#sectionHeader {{
    background: transparent; border: 0; padding: 5px 2px; color: {text};
    font-weight: 600; text-align: left;
}}
QToolButton#sectionHeader:hover {{ color: {accent}; }}
QFrame#sectionLine, QFrame#footerLine {{ background: {primary}; border: 0; }}
QFrame#stepCard {{ background: {foreground}; border-radius: 4px; }}
QFrame#stepCard QWidget {{ background: {foreground}; }}
QFrame#stepCard QComboBox, QFrame#stepCard QLineEdit, QFrame#stepCard QAbstractSpinBox,
QFrame#stepCard QPlainTextEdit {{ background: {primary}; }}
QFrame#stepCard QCheckBox::indicator {{ background: {primary}; }}
QFrame#stepCard QToolButton {{ background: transparent; }}
QFrame#stepCard QToolButton:hover, QToolButton#flat:hover {{ background: {highlight}; }}
QFrame#stepCard QToolButton::menu-indicator, QToolButton#flat::menu-indicator {{ image: none; }}
QToolButton {{ background: {primary}; border-radius: 2px; padding: 3px 6px; color: {text}; }}
QToolButton:hover {{ background: {highlight}; }}
QToolButton#flat {{ background: transparent; color: {dim}; }}
QAbstractSpinBox {{ padding: 1px 2px; min-width: 60px; }}
QLabel#hint, QLabel#unit, QLabel#kind {{ color: {dim}; }}
QLabel#kind {{ font-size: 8pt; font-weight: 600; }}
QLabel#problem_label {{ color: {error}; }}
QPushButton#runButton {{
    background: {current}; color: {on_current}; font-weight: 600; padding: 6px 14px;
}}
QPushButton#runButton:hover {{ background: {accent}; color: {on_accent}; }}
QPushButton#runButton:disabled {{ background: {primary}; color: {dim}; border: 0; }}
QPushButton {{ padding: 5px 10px; }}
QLabel#thumbnail {{ background: #000; border: 1px solid {primary}; border-radius: 3px; }}
QFrame#message {{ background: {foreground}; border-radius: 4px; border-left: 3px solid {dim}; }}
QFrame#message[severity="warning"] {{ border-left-color: {warning}; }}
QFrame#message[severity="error"] {{ border-left-color: {error}; }}
QFrame#message[severity="done"] {{ border-left-color: {done}; }}
QFrame#message QWidget {{ background: transparent; }}
QProgressBar {{
    border: 0; border-radius: 3px; background: {primary};
    min-height: 6px; max-height: 6px;
}}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QPlainTextEdit {{ background: {primary}; border-radius: 2px; padding: 2px; }}
"""


def style_sheet(theme: str) -> str:
    """Return the style sheet of the widget for a napari theme, given by name."""
    colours = get_theme(theme)
    light = colours.type == "light"
    rgb = {name: getattr(colours, name).as_rgb() for name in _USED}
    return _SHEET.format(
        **rgb,
        accent="#1f6fc4" if light else "#6fb3ff",
        on_accent="#ffffff" if light else "#10202f",
        on_current="#16233f" if light else "#ffffff",
        dim="#5c6066" if light else "#a3a8b0",
        done="#2e8b57" if light else "#5fc98f",
    )


_USED = (
    "background",
    "foreground",
    "primary",
    "highlight",
    "text",
    "warning",
    "error",
    "current",
)
