#!/usr/bin/env bash
# imageio.v3.imread of a DICOM file gives the image of another file of its folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 imageio==2.38.1 pydicom==3.0.2
mkdir images
venv/bin/python - <<'PYTHON'
import contextlib
import io
import sys
import warnings
from importlib.metadata import version

import imageio.v2
import imageio.v3
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

print("python", sys.version.split()[0], "numpy", np.__version__, "imageio", version("imageio"),
      "pydicom", version("pydicom"))
print("Situation: a folder of three DICOM files of a plane each, of three series, filled with 100, 200, 300")


def written(name, value, number):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(name, {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", f"1.2.3.{number}"
    image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", number, 1
    image.Rows, image.Columns = 4, 5
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 0
    image.PixelSpacing, image.SliceThickness = [0.2, 0.1], 1
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    image.PixelData = np.full((4, 5), value, np.uint16).tobytes()
    image.save_as(name, enforce_file_format=True)
    return name


values = {"images/a.dcm": 100, "images/b.dcm": 200, "images/c.dcm": 300}
for number, (name, value) in enumerate(values.items(), 1):
    written(name, value, number)
seen = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in values:
        with contextlib.redirect_stdout(io.StringIO()):
            read = imageio.v3.imread(name)
        assert read.min() == read.max()
        seen[name] = int(read.max())
print("Expected:  imageio.v3.imread of each file gives its own values:", *values.values())
print("Seen:     ", *seen.values(), f"with {len(caught)} warning, of the plugin that is deprecated")
for name, value in values.items():
    # Other readers, and the file's own content.
    assert (pydicom.dcmread(name).pixel_array == value).all()
    assert (imageio.v3.imread(name, plugin="pydicom") == value).all()
    assert (np.asarray(imageio.v2.imread(name)) == value).all()
# The reader collects all series of the folder, and gives the first of them.
assert len(set(seen.values())) == 1, "the behaviour has changed"
assert all(issubclass(entry.category, DeprecationWarning) for entry in caught)
print("           imageio.v2.imread and plugin='pydicom' give the values of the file")
PYTHON
