"""The estimator `optics`: from metadata, from params, by channel, and what it lacks."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from unblur import deblur
from unblur.cli import app
from unblur.engine import plan
from unblur.errors import KernelError, UsageError
from unblur.io import read_kernel, write_image, write_kernel
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.optics import Beam, Microscope, microscope_kernel
from unblur.numerics.synthesis import gaussian_kernel
from unblur.numerics.synthesis.synthetic_psf import make_synthetic_psf

STATED = {
    "na": 1.2,
    "immersion": "water",
    "channels": ({"emission_nm": 461.0, "excitation_nm": 405.0}, {"emission_nm": 600.0}),
}

SINGLE = ["na=1.2", "emission_nm=520", "immersion=water", "pixel_um=0.1", "step_um=0.3"]
SINGLE += ["size=9", "planes=5"]

FAST = {"richardson-lucy.iterations": 2, "kernel.size": 9}


def stack(optics=STATED, channels=2, planes=5, **changes):
    rng = np.random.default_rng(0)
    values = rng.poisson(100, (channels, planes, 20, 24)).astype(np.uint16)
    axes, data = ("CZYX", values) if channels > 1 else ("ZYX", values[0])
    facts = {"Z": 300.0, "Y": 100.0, "X": 100.0}
    metadata = {"optics": optics} if optics else {}
    image = Image(data, axes, facts, dict.fromkeys("ZYX", "nm"), metadata=metadata, source="im.tif")
    return image.with_data(data, **changes)


def test_each_channel_has_the_kernel_of_its_wavelength_and_the_report_states_every_value():
    result = deblur(stack(), "optics-richardson-lucy", device="cpu", **FAST)
    assert result.report.kernel.origin == "optics"
    assert result.report.kernel.channels == 2
    choices = result.report.kernel.choices
    assert choices["NA 1.2"] == choices["pixel 0.1 µm"] == "metadata of the image"
    assert choices["immersion index 1.333"] == "water, metadata of the image"
    assert {"channel 0: emission 461 nm", "channel 1: emission 600 nm", "step 0.3 µm"} <= set(
        choices
    )
    for field, length in zip(result.kernel.channels, (0.461, 0.6), strict=True):
        optics = Microscope("widefield", Beam(length, 1.2, 1.333, 1.333))
        own = microscope_kernel(optics, 0.1, 0.3, size=9, max_shape=(5, 20, 24))
        np.testing.assert_array_equal(field.mean.weights, own.weights)


def test_a_channel_is_deblurred_as_if_it_were_alone():
    settings = {**FAST, "richardson-lucy.background": 0.0}
    together = deblur(stack(), "optics-richardson-lucy", device="cpu", **settings)
    image = stack()
    alone = stack({**STATED, "channels": STATED["channels"][1:]}, 1).with_data(image.data[1])
    single = deblur(alone, "optics-richardson-lucy", device="cpu", **settings)
    np.testing.assert_allclose(
        together.image.data[1].astype(float), single.image.data.astype(float), atol=2
    )


def test_params_have_precedence_and_their_origin_is_stated():
    result = deblur(
        stack(), "optics-richardson-lucy", device="cpu", **FAST,
        **{"kernel.emission_nm": 520, "kernel.na": 0.9, "kernel.sample_index": 1.38,
           "kernel.depth_um": 2, "kernel.spherical": 0.1},
    )  # fmt: skip
    choices = result.report.kernel.choices
    assert result.kernel.channels == ()
    assert choices["emission 520 nm"] == choices["NA 0.9"] == "stated by a param"
    assert choices["sample index 1.38"] == choices["depth 2 µm"] == "stated by a param"


def test_what_is_missing_is_named_with_its_place_and_the_remedy():
    with pytest.raises(UsageError) as error:
        deblur(stack({"na": 1.2}), "optics-richardson-lucy", device="cpu")
    message = str(error.value)
    for part in (
        "the emission wavelength (OME: Channel EmissionWavelength)",
        "the immersion medium",
        "im.tif does not state",
        "--set kernel.emission_nm=520",
    ):
        assert part in message
    assert "numerical aperture" not in message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kernel.microscope": "confocal"}, "excitation"),
        ({"kernel.microscope": "light-sheet"}, "sheet_um"),
        ({"kernel.emission_nm": [500, 510, 520]}, "3 values for 2 channels"),
    ],
)
def test_other_microscopes_need_more(settings, named):
    with pytest.raises(UsageError, match=named):
        deblur(stack(), "optics-richardson-lucy", device="cpu", **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel.microscope": "confocal", "kernel.excitation_nm": [405, 561]},
        {"kernel.microscope": "two-photon", "kernel.excitation_nm": 900},
        {"kernel.microscope": "light-sheet", "kernel.sheet_um": 1.5},
        {"kernel.model": "scalar", "kernel.immersion_index": 1.4},
    ],
)
def test_every_kind_of_microscope_runs(settings):
    result = deblur(stack(), "optics-richardson-lucy", device="cpu", **FAST, **settings)
    assert result.kernel.mean.ndim == 3


def test_a_plane_has_a_kernel_in_2d_and_coarse_pixels_are_noted():
    image = stack({**STATED, "channels": ({"emission_nm": 400.0},)}, 1, 1, axes="ZYX")
    coarse = image.with_data(image.data, pixel_size={"Y": 200.0, "X": 200.0})
    result = deblur(coarse, "optics-richardson-lucy", device="cpu", **FAST)
    assert result.kernel.mean.ndim == 2
    assert any("200 nm are larger than 83 nm" in text for text in result.report.warnings)
    assert plan(coarse, "optics-richardson-lucy", device="cpu").whole


def test_kernels_of_channels_are_given_written_and_read(tmp_path):
    field = KernelField.of_channels(
        [KernelField.single(gaussian_kernel(s), keeps_offset=True) for s in (1.0, 2.0)]
    )
    read = read_kernel(write_kernel(field, tmp_path / "k.tif"))
    for own, other in zip(read.channels, field.channels, strict=True):
        np.testing.assert_array_equal(own.mean.weights, other.mean.weights)
    image = stack().with_data(stack().data[:, 0], axes="CYX")
    result = deblur(image, "wiener", {0: gaussian_kernel(1.0), 1: gaussian_kernel(2.0)})
    for channel, sigma in enumerate((1.0, 2.0)):
        kernel = result.kernel.channels[channel].mean
        assert kernel.weights.max() == pytest.approx(gaussian_kernel(sigma).weights.max())
    with pytest.raises(KernelError, match="2 colour channels, but there are PSFs for 1"):
        deblur(image, "wiener", {0: gaussian_kernel(1.0)})
    with pytest.raises(KernelError, match="numbered from 0"):
        deblur(image, "wiener", {1: gaussian_kernel(1.0)})
    with pytest.raises(KernelError, match="as many axes"):
        KernelField.of_channels([KernelField.single(Kernel.delta(n)) for n in (2, 3)])
    with pytest.raises(KernelError, match="one for each"):
        KernelField.of_channels([])


def test_the_command_takes_a_psf_for_each_channel_and_makes_one_from_an_image(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_image(stack(), tmp_path / "im.ome.tif")
    run = CliRunner().invoke
    made = run(app, ["psf", "make", "optics", "size=9", "--image", "im.ome.tif", "-o", "k.tif"])
    assert made.exit_code == 0, made.output
    assert "2 channels of 5x9x9" in made.output
    assert "emission 461 nm" in made.output
    assert run(app, ["psf", "check", "k.tif"]).exit_code == 0
    write_kernel(make_synthetic_psf("optics", SINGLE, 0), tmp_path / "one.tif")
    done = run(app, ["run", "richardson-lucy", "im.ome.tif", "-o", "out.ome.tif", "--psf",
                     "0=one.tif,1=one.tif", "--set", "richardson-lucy.iterations=2"])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(read_kernel(tmp_path / "out.psf.tif").channels) == 2
    gap = run(app, ["run", "wiener", "im.ome.tif", "-o", "x.tif", "--psf", "0=k.tif,2=k.tif"])
    assert gap.exit_code == 2
    assert "without gaps" in gap.output
    assert run(app, ["psf", "make", "disk", "--image", "im.ome.tif"]).exit_code == 2
