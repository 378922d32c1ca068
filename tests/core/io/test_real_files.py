"""Images that real instruments made go through every format that can hold them, unharmed."""

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from unblur.errors import OutputError
from unblur.io import read_image, write_image
from unblur.model.image import check_deblurrable


def test_microscopy(shared, tmp_path):
    paths = sorted((shared / "data" / "microscopy").glob("*/*.tif"))
    assert len(paths) >= 15
    for path in paths:
        image = read_image(path)
        check_deblurrable(image)
        raw = tifffile.imread(path)
        np.testing.assert_array_equal(image.data, raw)
        assert image.axes == {2: "YX", 3: "CYX" if len(raw) == 3 else "ZYX"}[raw.ndim]
        np.testing.assert_array_equal(read_image(path, lazy=True).data.compute(), raw)
        for name in ("a.tif", "a.ome.tif", "a.ome.zarr", "a.fits"):
            if image.data.nbytes > 1e6 and name != "a.tif":
                continue
            again = read_image(write_image(image, tmp_path / name, overwrite=True))
            np.testing.assert_array_equal(again.data, raw)
            assert (again.dtype, again.axes) == (image.dtype, image.axes)
            assert again.channels == image.channels or name == "a.fits"


def test_astronomy(shared, tmp_path):
    paths = sorted((shared / "data" / "astronomy").glob("*/*.fits"))
    assert len(paths) >= 15
    for path in paths:
        image = read_image(path)
        for lazy in (False, True):
            image = read_image(path, lazy=lazy)
            write_image(image, tmp_path / "a.fits", overwrite=True)
            with fits.open(path) as given, fits.open(tmp_path / "a.fits") as found:
                first = next(h for h in given if h.is_image and h.data is not None)
                last = found[-1]
                np.testing.assert_array_equal(last.data, first.data)
                assert np.asarray(image.data).dtype == first.data.dtype.newbyteorder("=")
                for key in ("BUNIT", "CD1_1", "CRVAL1", "CDELT1", "OBJECT", "DATE-OBS", "PLTRAH"):
                    assert last.header.get(key) == first.header.get(key)
        image = read_image(path)
        again = read_image(write_image(image, tmp_path / "a.tif", overwrite=True))
        np.testing.assert_array_equal(again.data, image.data)


def test_the_pixel_scale_of_known_cameras(shared):
    folder = shared / "data" / "astronomy" / "jwst_nircam"
    short = read_image(folder / "obj40_f150w_sci.fits").pixel_size["X"]
    long = read_image(folder / "obj40_f444w_sci.fits").pixel_size["X"]
    assert 0.01 < short < 0.1
    assert 0.01 < long < 0.1


def test_arrays_in_npz(shared):
    folder = shared / "data" / "astronomy"
    image = read_image(f"{folder}/hsc_subaru/hsc_cosmos_35.npz[images]", axes="CYX")
    assert image.shape == (5, 58, 48)


def test_photographs(shared, tmp_path):
    for path in sorted((shared / "data" / "kodak").glob("*.png"))[:3]:
        image = read_image(path)
        assert image.channels == ("red", "green", "blue")
        again = read_image(write_image(image, tmp_path / "a.png", overwrite=True))
        np.testing.assert_array_equal(again.data, image.data)
        assert again.metadata["png"]["chunks"] == image.metadata["png"]["chunks"]
    for path in sorted((shared / "data" / "photos").glob("lomiri*.jpg"))[:3]:
        image = read_image(path)
        again = read_image(write_image(image, tmp_path / "a.jpg", overwrite=True))
        difference = np.abs(again.data.astype(int) - image.data)
        assert difference.mean() < 2
        assert again.metadata.get("icc") == image.metadata.get("icc")
        assert again.metadata.get("exif") == image.metadata.get("exif")


def test_sixteen_bit_pictures(shared):
    path = shared / "data" / "levin09" / "blurred_16bit" / "im1_kernel1_img.png"
    image = read_image(path)
    assert (image.dtype, image.white, image.shape) == (np.uint16, 65535, (255, 255))


def test_a_photograph_has_no_room_for_floats(shared, tmp_path):
    image = read_image(next((shared / "data" / "kodak").glob("*.png")))
    with pytest.raises(OutputError, match="PNG holds"):
        write_image(image.with_data(image.data.astype(np.float32)), tmp_path / "a.png")
