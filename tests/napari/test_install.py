"""The widget, its sample data and its reader are registered with napari."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
from npe2 import PluginManifest

import napari_unblur
from conftest import BLIND, KNOWN_PSF
from napari_unblur.readers import NO_LAYERS, read_pipeline, show_widget
from napari_unblur.widget import DeblurWidget

MANIFEST = Path(napari_unblur.__file__).parent / "napari.yaml"


def test_npe2_finds_the_manifest_valid():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", str(MANIFEST), "--imports"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_entry_point_leads_to_the_manifest():
    entries = [e for e in metadata.entry_points(group="napari.manifest") if e.name == "unblur"]
    assert [e.value for e in entries] == ["napari_unblur:napari.yaml"]
    assert PluginManifest.from_distribution("unblur").name == "unblur"


def test_importing_the_package_imports_neither_torch_nor_a_window():
    code = (
        "import sys, napari_unblur, napari_unblur.sample_data, napari_unblur.readers;"
        "print([m for m in ('torch', 'napari', 'qtpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def menu_texts(menu):
    texts = {}
    for action in menu.actions():
        menu_below = action.menu()
        texts[action.text()] = menu_texts(menu_below) if menu_below else action
    return texts


def test_menus_offer_the_widget_and_the_samples(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    window = viewer.window
    window.plugins_menu.aboutToShow.emit()
    assert any("Deblur" in text for text in menu_texts(window.plugins_menu))
    layers = menu_texts(window.layers_menu)
    restore = next(v for k, v in layers["Filter"].items() if "Restore" in k)
    action = next(v for k, v in restore.items() if "Deblur" in k)
    samples = menu_texts(window.file_menu)["Open Sample"]["unblur"]
    assert set(samples) == {"Shaken photograph", "Bead stack (confocal)", "Star field"}
    action.trigger()
    docks = window._wrapped_dock_widgets
    widget = next(d.inner_widget() for k, d in docks.items() if "Deblur" in k)
    assert isinstance(widget, DeblurWidget)
    qtbot.waitUntil(lambda: widget.registry is not None, timeout=20_000)
    widget.close_queues()


def test_samples_open(make_napari_viewer):
    viewer = make_napari_viewer()
    for key, shape, unit in (
        ("photograph", (264, 384, 3), "pixel"),
        ("beads", (41, 150, 150), "micrometer"),
        ("stars", (256, 256), "arcsecond"),
    ):
        viewer.layers.clear()
        (layer,) = viewer.open_sample("unblur", key)
        assert layer.data.shape == shape
        assert str(layer.units[-1]) == unit
        assert np.ptp(layer.data) > 50


def test_samples_are_small_and_their_origin_is_documented():
    folder = MANIFEST.parent / "sample_data"
    pictures = [p for p in folder.iterdir() if p.suffix in (".png", ".tif")]
    assert len(pictures) == 3
    assert sum(p.stat().st_size for p in pictures) < 500_000
    sources = (folder / "SOURCES.md").read_text()
    assert all(p.name in sources for p in pictures)


def test_a_pipeline_file_dropped_on_the_window_opens_in_the_widget(
    make_napari_viewer, registry, pipeline_file, qtbot
):
    viewer = make_napari_viewer()
    assert viewer.open(pipeline_file(BLIND, "mine.yaml"), plugin=None) == []
    assert len(viewer.layers) == 0
    widget = show_widget(viewer)
    qtbot.waitUntil(lambda: widget.steps.draft() is not None, timeout=20_000)
    assert [s.name for s in widget.steps.draft().steps] == ["guess", "sharpen", "limit"]
    assert widget.pipelines.menu.currentText() == "mine.yaml"
    viewer.open(pipeline_file(KNOWN_PSF, "other.yaml"), plugin=None)
    assert [s.name for s in widget.steps.draft().steps] == ["sharpen"]
    widget.close_queues()


def test_other_yaml_files_are_not_read(tmp_path):
    other = tmp_path / "environment.yaml"
    other.write_text("dependencies: [numpy]\n")
    assert read_pipeline(str(other)) is None
    assert read_pipeline(str(tmp_path / "missing.yaml")) is None
    assert read_pipeline([str(other)]) is None
    assert NO_LAYERS == [(None,)]
