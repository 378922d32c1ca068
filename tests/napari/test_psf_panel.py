"""The PSF from a layer, a file or points; its diagnostics; the kernels over the image."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from conftest import BLIND, KNOWN_PSF
from napari_unblur.model.kernel_layers import field_layer, field_mosaic, thumbnail
from napari_unblur.model.layers import LayerSnapshot
from napari_unblur.widget import DeblurWidget
from napari_unblur.work.warmup import load_methods
from unblur.io import write_kernel
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import gaussian_kernel

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((60, 70)).astype(np.float32)


def choose_layer(widget, name, wait_until_idle):
    widget.psf.choose("layer")
    widget.psf.layers.choose(widget.viewer.layers[name])
    widget.psf.layers.activated.emit(widget.psf.layers.currentIndex())
    wait_until_idle(widget)


def test_a_pipeline_without_estimator_needs_a_psf(open_panel, wait_until_idle):
    widget = open_panel(IMAGE, pipeline=KNOWN_PSF)
    assert widget.psf.origin == "layer"
    assert "Choose the layer that holds the PSF" in widget.footer.status.text()
    widget.viewer.add_image(gaussian_kernel(1.0, size=9).weights, name="measured")
    choose_layer(widget, "measured", wait_until_idle)
    assert widget.psf.field().mean.shape == (9, 9)
    assert widget.footer.run.isEnabled()
    assert "no problem" in widget.psf.doctor.diagnostics.text()
    assert not widget.psf.doctor.picture.isHidden()


def test_a_psf_layer_chosen_while_the_methods_load_is_used(
    registry, qtbot, pipeline_file, wait_until_idle
):
    proceed = threading.Event()

    def load():
        proceed.wait(20)
        return load_methods()

    viewer = ViewerModel()
    viewer.add_image(gaussian_kernel(1.0, size=9).weights, name="measured")
    viewer.add_image(IMAGE, name="image")
    widget = DeblurWidget(viewer, load=load)
    qtbot.addWidget(widget)
    widget.open_pipeline(pipeline_file(BLIND))
    choose_layer(widget, "measured", lambda _: None)
    assert widget.psf.problem() == "Reading the PSF…"
    proceed.set()
    wait_until_idle(widget)
    assert widget.registry is not None
    assert widget.psf.origin == "layer"
    assert widget.psf.field().mean.shape == (9, 9)
    assert widget.footer.run.isEnabled()
    widget.close_queues()


def test_diagnostics_are_shown_and_repaired(open_panel, wait_until_idle):
    widget = open_panel(IMAGE, pipeline=KNOWN_PSF)
    damaged = np.zeros((21, 21), np.float32)
    damaged[2:11, 4:13] = gaussian_kernel(1.5, size=9).weights * 1000
    damaged += 5 + RANDOM.normal(0, 0.1, damaged.shape).astype(np.float32)
    damaged[0, 0] = -3
    widget.viewer.add_image(damaged, name="damaged")
    choose_layer(widget, "damaged", wait_until_idle)
    text = widget.psf.doctor.diagnostics.text()
    assert "pedestal" in text
    assert "samples are negative" in text
    assert "Repair subtracts" in text
    assert widget.psf.field() is None
    assert not widget.footer.run.isEnabled()
    assert "press Repair" in widget.footer.status.text()
    widget.psf.doctor.repair.click()
    repaired = widget.psf.field().mean
    peak = np.unravel_index(repaired.weights.argmax(), repaired.shape)
    assert peak == tuple(n // 2 for n in repaired.shape)
    assert widget.footer.run.isEnabled()
    assert "Repaired" in widget.psf.doctor.note.text()
    assert "pedestal" not in widget.psf.doctor.diagnostics.text()


def test_a_psf_from_a_file(open_panel, wait_until_idle, tmp_path):
    widget = open_panel(IMAGE, pipeline=KNOWN_PSF)
    path = tmp_path / "psf.tif"
    write_kernel(gaussian_kernel(1.5, size=9), path)
    widget.psf.choose("file")
    widget.psf.path.setText(str(path))
    widget.psf.path.editingFinished.emit()
    wait_until_idle(widget)
    assert widget.psf.field().mean.shape == (9, 9)
    widget.pipelines.copy.click()
    assert f"--psf {path}" in widget.messages.text
    widget.footer.run.click()
    wait_until_idle(widget)
    assert widget.viewer.layers[-1].metadata["unblur"]["kernel"]["origin"] == "given"


def test_a_missing_psf_file_is_reported(open_panel, wait_until_idle, tmp_path):
    widget = open_panel(IMAGE, pipeline=KNOWN_PSF)
    widget.psf.choose("file")
    widget.psf.path.setText(str(tmp_path / "gone.tif"))
    widget.psf.path.editingFinished.emit()
    wait_until_idle(widget)
    assert "gone.tif" in widget.messages.text
    assert not widget.footer.run.isEnabled()


def test_a_psf_from_points(open_widget, wait_until_idle):
    stars = np.zeros((90, 90), np.float32)
    for row, column in ((20, 20), (25, 65), (68, 42)):
        stars[row - 4 : row + 5, column - 4 : column + 5] += gaussian_kernel(1.2, size=9).weights
    stars += RANDOM.normal(0, 1e-4, stars.shape).astype(np.float32)
    widget = open_widget(stars, pipeline=KNOWN_PSF, scale=(0.5, 0.5))
    widget.psf.choose("points")
    assert "Mark beads or stars" in widget.footer.status.text()
    places = np.array([(20, 21), (26, 65), (67, 42)])
    widget.viewer.add_points(places * 0.5, name="marks")
    widget.psf.points.choose(widget.viewer.layers["marks"])
    widget.psf.window_width.setValue(15)
    widget.psf.estimate.click()
    wait_until_idle(widget)
    found = widget.psf.field().mean
    truth = gaussian_kernel(1.2, size=found.shape).weights
    assert max(found.shape) <= 15
    assert np.abs(found.weights - truth).max() < 0.05 * truth.max()
    assert "3 of 3 points" in widget.psf.doctor.note.text()
    assert widget.psf.doctor.repair.isHidden()


def test_points_without_a_source_are_reported(open_panel, wait_until_idle):
    widget = open_panel(IMAGE * 0, pipeline=KNOWN_PSF)
    widget.viewer.add_points([(20, 20)], name="marks")
    widget.psf.choose("points")
    widget.psf.points.choose(widget.viewer.layers["marks"])
    widget.psf.estimate.click()
    wait_until_idle(widget)
    assert "none of the 1 points" in widget.messages.text.lower()


def test_the_psf_of_a_volume_is_a_volume(open_panel, wait_until_idle):
    grid = np.indices((21, 40, 40))
    bead = np.exp(
        -sum(((g - c) / w) ** 2 for g, c, w in zip(grid, (10, 20, 20), (2, 1, 1), strict=True))
    )
    widget = open_panel((1000 * bead).astype(np.uint16), pipeline=KNOWN_PSF)
    widget.viewer.add_points([(10, 20, 20)], name="marks")
    widget.psf.choose("points")
    assert not widget.psf.window_depth.isHidden()
    widget.psf.points.choose(widget.viewer.layers["marks"])
    widget.psf.window_depth.setValue(11)
    widget.psf.window_width.setValue(9)
    widget.psf.estimate.click()
    wait_until_idle(widget)
    shape = widget.psf.field().mean.shape
    assert shape[0] > shape[1] == shape[2]
    assert shape[0] <= 11
    widget.footer.run.click()
    wait_until_idle(widget)
    assert widget.viewer.layers["image (deblurred)"].data.shape == (21, 40, 40)
    assert widget.viewer.layers["image PSF"].data.shape == shape


def two_by_three():
    kernels = tuple(
        tuple(gaussian_kernel((1 + r, 1 + c), size=9) for c in range(3)) for r in range(2)
    )
    return KernelField(kernels, (15.0, 45.0), (10.0, 35.0, 60.0))


def test_each_kernel_of_a_field_is_shown_at_its_position():
    from napari.layers import Image as ImageLayer

    source = LayerSnapshot.of(ImageLayer(IMAGE, scale=(2, 2), translate=(100, 0)))
    field = two_by_three()
    content = field_layer(field, source, (0, 0))
    layer = ImageLayer(content.pop("data"), **content)
    assert layer.data.shape == (18, 27)
    for r, row in enumerate(field.rows):
        for c, column in enumerate(field.columns):
            centre = layer.data_to_world((9 * r + 4, 9 * c + 4))
            assert np.allclose(centre, (100 + 2 * row, 2 * column))
    assert np.isclose(field_mosaic(field).max(), 1)
    assert (field_mosaic(field).reshape(2, 9, 3, 9).max(axis=(1, 3)) == 1).all()


def test_show_over_the_image(open_panel, wait_until_idle, tmp_path):
    widget = open_panel(IMAGE, pipeline=KNOWN_PSF)
    write_kernel(two_by_three(), tmp_path / "field.tif")
    widget.psf.choose("file")
    widget.psf.path.setText(str(tmp_path / "field.tif"))
    widget.psf.path.editingFinished.emit()
    wait_until_idle(widget)
    assert "2 × 3 kernels" in widget.psf.doctor.note.text()
    widget.psf.doctor.view_field.click()
    assert widget.viewer.layers["image PSF field"].data.shape == (18, 27)


@pytest.mark.parametrize("shape", [(9, 9), (5, 9, 7)])
def test_thumbnails(shape):
    picture = thumbnail(Kernel(RANDOM.random(shape).astype(np.float32)))
    assert picture.shape == shape[-2:]
    assert picture.max() == 255


def test_a_psf_layer_of_another_pixel_size_is_refused_and_resampled(open_widget, wait_until_idle):
    widget = open_widget(IMAGE, pipeline=KNOWN_PSF, scale=(0.1, 0.1), units=("um", "um"))
    add = widget.viewer.add_image
    fine = gaussian_kernel(3.0, size=25).weights
    add(fine, name="fine", scale=(50, 50), units=("nm", "nm"))
    choose_layer(widget, "fine", wait_until_idle)
    assert widget.psf.field() is None
    assert "50 nm" in widget.psf.doctor.diagnostics.text()
    assert "press Repair" in widget.footer.status.text()
    widget.psf.doctor.repair.click()
    assert kernel_similarity(widget.psf.field().mean, gaussian_kernel(1.5)) > 0.999
    widget.footer.run.click()
    wait_until_idle(widget)
    assert widget.viewer.layers[-1].metadata["unblur"]["kernel"]["origin"] == "given"
    add(gaussian_kernel(1.5, size=13).weights, name="same", scale=(100, 100), units=("nm", "nm"))
    choose_layer(widget, "same", wait_until_idle)
    assert widget.psf.field().mean.shape == (13, 13)
    assert "no problem" in widget.psf.doctor.diagnostics.text()


def test_a_psf_file_of_another_pixel_size_is_refused(open_widget, wait_until_idle, tmp_path):
    widget = open_widget(IMAGE, pipeline=KNOWN_PSF, scale=(0.1, 0.1), units=("um", "um"))
    kernel = gaussian_kernel(3.0, size=25)
    sizes, units = dict.fromkeys("YX", 0.05), dict.fromkeys("YX", "µm")
    write_kernel(replace(kernel, pixel_size=sizes, units=units), tmp_path / "fine.tif")
    widget.psf.choose("file")
    widget.psf.path.setText(str(tmp_path / "fine.tif"))
    widget.psf.path.editingFinished.emit()
    wait_until_idle(widget)
    assert widget.psf.field() is None
    widget.psf.doctor.repair.click()
    assert kernel_similarity(widget.psf.field().mean, gaussian_kernel(1.5)) > 0.999
