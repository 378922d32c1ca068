"""Pixels without data take no part in a result and come back unchanged."""

import io

import dask.array as da
import numpy as np
import PIL.Image
import pytest
import zarr
from engine_stages import Box
from scipy.ndimage import gaussian_filter

from unblur.engine import deblur, plan
from unblur.engine.intake.normalization import Normalization
from unblur.errors import ImageError
from unblur.io import read_image
from unblur.io.fits.lost_floats import lost_float_value
from unblur.model.image import Image
from unblur.numerics.value_summary import ValueSummary

RNG = np.random.default_rng(5)
ABSENT = np.zeros((40, 50), bool)
ABSENT[10:20, 15:30] = True


def sky(dtype):
    """Return smooth values, the same with NaN where data are absent, and their type's largest."""
    values = (gaussian_filter(RNG.random((40, 50)), 1) * 200 + 20).astype(dtype)
    reference = values.astype(np.float32)
    reference[ABSENT] = np.nan
    return values, reference


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0),
        ("uint16", 65535),
        ("int16", -32768),
        ("float32", -9999.0),
        ("float32", lost_float_value(np.dtype("float32"))),
        ("float64", lost_float_value(np.dtype("float64"))),
    ],
)
def test_a_value_that_marks_pixels_without_data(pipeline, box, dtype, nodata, lazy):
    values, reference = sky(dtype)
    values[ABSENT] = nodata
    data = da.from_array(values, chunks=20) if lazy else values
    image = Image(data, "YX", nodata=nodata)
    result = deblur(image, pipeline("deconvolve:sharpen"), box)
    made = np.asarray(result.image.data)
    assert made.dtype == dtype
    assert (made[ABSENT] == nodata).all()
    expected = deblur(reference, pipeline("deconvolve:sharpen"), box).image
    rounding = 0.51 if values.dtype.kind in "iu" else 1e-2
    limits = (0, 255) if dtype == "uint8" else (-np.inf, np.inf)
    np.testing.assert_allclose(
        made[~ABSENT], np.clip(expected[~ABSENT], *limits), atol=rounding, rtol=1e-4
    )
    if not lazy:
        assert result.report.mask.nonfinite == ABSENT.sum()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("gap", [ABSENT, slice(None)])
def test_a_channel_is_unaffected_by_gaps_in_others(pipeline, box, gap, lazy):
    channels = np.stack([sky("float32")[0] for _ in range(3)])
    channels[1, gap] = np.nan
    data = da.from_array(channels, chunks=(3, 20, 25)) if lazy else channels
    steps = pipeline("deconvolve:blackout")
    result = deblur(Image(data, "CYX"), steps, box)
    made = np.asarray(result.image.data)
    for intact in (0, 2):
        alone = deblur(channels[intact], steps, box).image
        np.testing.assert_allclose(made[intact], alone, rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(channels))
    assert result.report.warnings == ()


def test_a_channel_without_any_value_is_not_filled(pipeline, box):
    channels = np.stack([sky("float32")[1], np.full((40, 50), np.nan, np.float32)])
    steps = pipeline("deconvolve:blackout")
    made = deblur(Image(channels, "CYX"), steps, box, nonfinite="fill").image.data
    assert np.isfinite(made[0]).all()
    assert np.isnan(made[1]).all()


def test_a_channel_is_unaffected_by_saturation_in_others(pipeline, box):
    channels = np.stack([sky("uint16")[0] for _ in range(2)]) * 200
    channels[1, :4, :9] = 65535
    steps = pipeline("deconvolve:blackout")
    result = deblur(Image(channels, "CYX"), steps, box)
    assert result.report.mask.saturated_masked
    alone = deblur(channels[0], steps, box).image
    np.testing.assert_array_equal(result.image.data[0], alone)
    assert (result.image.data[1, 0, :6] == 0).all()


def test_a_kernel_is_estimated_on_what_is_valid_in_all_channels(pipeline):
    channels = np.stack([sky("float32")[0] for _ in range(3)])
    channels[0] = np.nan
    channels[1, ABSENT] = np.nan
    deblur(Image(channels, "CYX"), pipeline("kernel:box", "deconvolve:blackout"))
    assert Box.seen == [((3, 40, 50), pytest.approx(1 - ABSENT.mean()))]


@pytest.mark.parametrize("lazy", [False, True])
def test_coupled_channels_are_given_at_once(pipeline, box, lazy):
    channels = RNG.random((2, 40, 50)).astype(np.float32)
    channels[1, ABSENT] = np.nan
    data = da.from_array(channels, chunks=(2, 20, 25)) if lazy else channels
    made = np.asarray(deblur(Image(data, "CYX"), pipeline("deconvolve:luma"), box).image.data)
    np.testing.assert_allclose(made[0, ~ABSENT], made[1, ~ABSENT], rtol=1e-6)
    assert (made[0, 12:18, 17:28] == 0).all()


def test_a_tile_that_is_all_saturated_stays_as_it_is(pipeline, box):
    data = np.full((32, 1024), 100, np.uint16)
    data[:, 930:] = 4095
    steps = pipeline("deconvolve:blackout", size=32)
    result = deblur(Image(da.from_array(data, chunks=32), "YX", white=4095), steps, box)
    assert (np.asarray(result.image.data)[:, 992:] == 4095).all()


@pytest.mark.parametrize(
    ("dtype", "value", "side"),
    [("float32", -9999, "below"), ("int16", -32768, "below"), ("float32", 9.96921e36, "above")],
)
def test_values_that_may_mark_missing_data_are_noted(pipeline, box, dtype, value, side):
    values, _ = sky(dtype)
    values[ABSENT] = value
    image = Image(values, "YX")
    said = f"values of {value:g} lie far {side} all others"
    warnings = deblur(image, pipeline("deconvolve:sharpen"), box).report.warnings
    assert any(warning.startswith(said) for warning in warnings)
    stated = Image(values, "YX", nodata=float(values[12, 20]))
    assert deblur(stated, pipeline("deconvolve:sharpen"), box).report.warnings == ()


def test_stars_and_noise_about_0_are_not_noted():
    points = np.zeros((60, 60))
    points[::20, ::20] = 10.0 ** np.arange(9).reshape(3, 3)
    stars = gaussian_filter(points, 0.43) + RNG.normal(0, 1, points.shape)  # a FWHM of a pixel
    for data in (stars, -np.abs(stars[:, 3:17]), RNG.integers(-5, 6, (30, 30))):
        image = Image(data, "YX")
        assert ValueSummary.of(image, [data]).notes == ()


@pytest.mark.parametrize("axes", ["YX", "CYX"])
def test_a_hot_pixel_is_noted(axes):
    shape = {"Y": 30, "X": 40, "C": 2}
    data = RNG.normal(100, 2, [shape[axis] for axis in axes]).astype(np.float32)
    place = tuple({"Y": 29, "X": 7, "C": 1}[axis] for axis in axes)
    assert ValueSummary.of(Image(data, axes), [data]).notes == ()
    data[place] = 5000
    (note,) = ValueSummary.of(Image(data, axes), [data]).notes
    assert note.startswith("one pixel, 5000, is more than 100 times as far above the median (")
    data[place] = np.nan
    assert ValueSummary.of(Image(data, axes), [data]).notes == ()
    data[place] = 5000
    data[(*place[:-2], 3, 3)] = 5000  # two pixels may be saturated stars
    assert ValueSummary.of(Image(data, axes), [data]).isolated is None
    parts = np.split(data, 2, axis=-1)
    assert ValueSummary.of(Image(data, axes), parts).isolated is None
    flat = np.zeros_like(data)
    flat[place] = 1.0  # a point without noise, as in tests
    assert ValueSummary.of(Image(flat, axes), [flat]).notes == ()


@pytest.mark.parametrize("scale", [1, 1e-9, 1e9])
def test_values_none_of_which_exceeds_0_are_scaled_by_their_range(scale):
    values = (-np.linspace(1, 2, 64).reshape(8, 8) * scale).astype(np.float32)
    unit = normalization(values).normalize(values)
    assert 0 <= unit.min() < 0.01
    assert 0.4 < unit.max() < 0.6


def test_colours_under_no_alpha_are_no_data(pipeline, box):
    data = (RNG.random((4, 40, 50)) * 255).astype(np.uint8)
    data[3] = 255
    data[3][ABSENT] = 0
    image = Image(data, "CYX", channels=("red", "green", "blue", "alpha"))
    made = deblur(image, pipeline("deconvolve:sharpen"), box).image.data
    assert (made[:, ABSENT] == data[:, ABSENT]).all()
    hidden = data.copy()
    hidden[:3, ABSENT] = 255 - hidden[:3, ABSENT]
    other = deblur(image.with_data(hidden), pipeline("deconvolve:sharpen"), box).image.data
    np.testing.assert_array_equal(other[:, ~ABSENT], made[:, ~ABSENT])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_masked_arrays_come_back_masked(pipeline, box, dtype):
    values, reference = sky(dtype)
    values[ABSENT] = 7
    made = deblur(np.ma.MaskedArray(values, ABSENT), pipeline("deconvolve:sharpen"), box).image
    assert isinstance(made, np.ma.MaskedArray)
    assert made.dtype == dtype
    np.testing.assert_array_equal(made.mask, ABSENT)
    assert (made.data[ABSENT] == 7).all()
    expected = deblur(reference, pipeline("deconvolve:sharpen"), box).image
    limits = (0, 255) if dtype == "uint8" else (-np.inf, np.inf)
    inside = np.clip(expected[~ABSENT], *limits)
    np.testing.assert_allclose(made.data[~ABSENT], inside, atol=0.51, rtol=1e-4)


def test_masked_blocks_of_dask(pipeline, box):
    values, reference = sky("float32")
    masked = np.ma.MaskedArray(values, ABSENT)
    lazy = da.ma.masked_array(da.from_array(values, chunks=20), da.from_array(ABSENT, chunks=20))
    made = deblur(lazy, pipeline("deconvolve:sharpen"), box).image.compute()
    np.testing.assert_array_equal(np.ma.getmaskarray(made), masked.mask)
    expected = deblur(reference, pipeline("deconvolve:sharpen"), box).image
    np.testing.assert_allclose(made.data[~ABSENT], expected[~ABSENT], rtol=1e-3)
    with pytest.raises(ImageError, match="convert it to float32"):
        deblur(lazy.astype(np.int32), pipeline("deconvolve:sharpen"), box)


def test_a_full_integer_type_cannot_mark_its_pixels(pipeline, box):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = np.vstack([values, values])
    mask = np.zeros(values.shape, bool)
    mask[0, 0] = True
    with pytest.raises(ImageError, match="every value of uint8 is in use"):
        deblur(np.ma.MaskedArray(values, mask), pipeline("deconvolve:sharpen"), box)


def test_data_of_astropy_come_back_as_such(pipeline, box):
    nddata = pytest.importorskip("astropy.nddata")
    values, _ = sky("float32")
    given = nddata.CCDData(values, mask=ABSENT, unit="adu", meta={"EXPTIME": 3.0})
    made = deblur(given, pipeline("deconvolve:sharpen"), box).image
    assert isinstance(made, nddata.CCDData)
    assert (made.unit, made.meta["EXPTIME"]) == (given.unit, 3.0)
    np.testing.assert_array_equal(made.mask, ABSENT)
    np.testing.assert_array_equal(made.data[ABSENT], values[ABSENT])
    masked = deblur(np.ma.MaskedArray(values, ABSENT), pipeline("deconvolve:sharpen"), box).image
    np.testing.assert_array_equal(made.data[~ABSENT], masked.data[~ABSENT])


def normalization(data, white=0.0):
    image = Image(data, "YX", white=white)
    return Normalization.of(image, ValueSummary.of(image, [data]))


def camera(limit, dtype=np.uint16):
    """Return noisy values of a bright scene that a sensor clips at `limit`."""
    scene = gaussian_filter(RNG.random((100, 100)) ** 8, 2)
    scene *= limit / np.quantile(scene, 0.99)
    return np.minimum(RNG.poisson(scene), limit).astype(dtype)


@pytest.mark.parametrize("limit", [4095, 3950, 1023, 62000])
def test_a_sensor_that_clips_below_the_type_is_found(limit):
    data = camera(limit)
    share = float((data == limit).mean())
    assert 1e-5 < share < 0.1
    found = normalization(data)
    assert (found.saturation_level, found.saturated_share) == (limit, pytest.approx(share))


def as_jpeg(values, kind="jpeg", quality=90):
    raw = io.BytesIO()
    PIL.Image.fromarray(values).save(raw, "JPEG", quality=quality)
    data = np.asarray(PIL.Image.open(raw))
    image = Image(data, "YX", metadata={"format": kind})
    return Normalization.of(image, ValueSummary.of(image, [data])), data


def lamps(limit):
    """Return a scene of 128 x 128 pixels with lamps that are `limit` times as bright as white."""
    scene = gaussian_filter(RNG.random((128, 128)), 3) * 120
    scene[40:44, 30:34] = scene[90:93, 70:76] = 255 * 20 * limit
    return np.clip(gaussian_filter(scene, 2), 0, 255).astype(np.uint8)


def test_alpha_is_neither_clipped_light_nor_the_brightest():
    colours = np.stack([lamps(1)] * 3)
    opaque = np.full_like(colours[:1], 255)
    names = ("red", "green", "blue", "alpha")
    for factor, white in ((1, 255), (0.2, 63)):
        dark = (colours * factor).astype(np.uint8)
        image = Image(np.concatenate([dark, opaque]), "CYX", channels=names)
        found = Normalization.of(image, ValueSummary.of(image, [image.data]))
        plain = Image(dark, "CYX", channels=names[:3])
        expected = Normalization.of(plain, ValueSummary.of(plain, [plain.data]))
        assert expected.white == white
        for name in ("white", "saturation_level", "saturated_share"):
            assert getattr(found, name) == getattr(expected, name)


@pytest.mark.parametrize("quality", [75, 90, 95])
def test_a_jpeg_has_clipped_light_below_white(quality):
    clipped = lamps(1) == 255
    assert 1e-3 < clipped.mean() < 0.1
    found, data = as_jpeg(lamps(1), quality=quality)
    assert (data[clipped] < 255).mean() > 0.1
    assert found.saturation_level == 246
    assert (data[clipped] >= 246).mean() > 1.3 * (data[clipped] == 255).mean()
    assert found.saturated_share == pytest.approx((data >= 246).mean())
    assert as_jpeg(lamps(1), "png", quality)[0].saturation_level == 255


def test_a_jpeg_that_is_bright_without_clipping_has_no_plateau():
    bright = gaussian_filter(RNG.random((128, 128)), 2)
    bright = 140 + 112 * (bright - bright.min()) / np.ptp(bright)
    for added in (0, 3, 5):
        found, _ = as_jpeg(np.clip(bright + added, 0, 255).astype(np.uint8))
        assert found.saturation_level in (None, 255)


@pytest.mark.parametrize("seed", range(5))
def test_the_brightest_of_a_natural_scene_is_not_clipped(seed):
    scene = gaussian_filter(np.random.default_rng(seed).random((100, 100)), 2) * 3000
    assert normalization(np.rint(scene).astype(np.uint16)).saturation_level is None


def test_a_stated_white_is_the_saturation_level(pipeline, box):
    data = camera(4095)
    image = Image(data, "YX").with_white(4095)
    assert normalization(data, image.white).saturation_level == 4095
    report = deblur(data, pipeline("deconvolve:sharpen"), box, white=4095).report
    assert report.mask.saturated_masked
    with pytest.raises(ImageError, match="at most 65535 for uint16, got 70000"):
        Image(data, "YX").with_white(70000)


@pytest.mark.parametrize("lazy", [False, True])
def test_notes_of_a_reader_are_warnings_of_the_report_and_of_the_plan(
    pipeline, box, tmp_path, lazy
):
    values, _ = sky("float32")
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(40, 50), chunks=(10, 10), dtype="f4", fill_value=np.nan)
    zarr.open_array(path)[...] = values
    (path / "c" / "1" / "2").unlink()
    image = read_image(path, lazy=lazy)
    result = deblur(image, pipeline("deconvolve:sharpen"), box)
    (warning,) = result.report.warnings
    assert "1 of the 20 chunks" in warning
    assert warning in plan(image, pipeline("deconvolve:sharpen"), box).remarks
    made = np.asarray(result.image.data)
    assert np.isnan(made[10:20, 20:30]).all()
    assert np.isfinite(made).sum() == made.size - 100
