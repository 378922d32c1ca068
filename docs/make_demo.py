"""Make the blurred photographs of the demo from sharp ones and recorded motions of a camera.

Usage: python docs/make_demo.py DATA [NAME...], where DATA holds kodak/, photos/ and night/. The
photographs are written to examples, whose README.md lists the sources.

The motions (`demo_motion.csv`) are rotations of a hand-held camera rig that a motion capture system
recorded at 120 Hz, three exposures of 0.2 s from sequences room4 and room6 of the TUM VI benchmark
(D. Schubert et al., IROS 2018, CC BY 4.0): differences of the quaternions of the inertial unit,
turned into the axes of the camera, summed, and smoothed over 7 samples by polynomials of second
order. Pitch and yaw are used, so that one kernel holds for all of the image; the roll, of at most
0.3 degrees, is left out. The light is summed over the motion before the tone curve of sRGB, as in
a camera; then come photon noise, clipping, 8 bits, and JPEG for the photographs by day.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture

from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import blur_image, crop_valid, trajectory_kernel
from unblur.numerics.tone_curve import decode_light, encode_light

MOTIONS = Path(__file__).with_name("demo_motion.csv")
EXAMPLES = Path(__file__).parents[1] / "examples"
JPEG_QUALITY = 92
"""Quality of the JPEG files, of 100; 4:2:0 as cameras store colours."""
READ_NOISE = 0.001
"""Standard deviation of the noise of the sensor without light, white = 1."""
KERNEL_SIZE = 41
"""Extent of the array of a kernel, in pixels."""


@dataclass(frozen=True)
class Exposure:
    """How a sharp photograph is exposed.

    Attributes
    ----------
    source, file : str
        The sharp photograph in DATA, and the blurred one in examples.
    focal_length : float
        Focal length in pixels, by which a rotation becomes a shift.
    photons : float
        Number of photons at white.
    gain : float
        Factor on the light of the scene; above 1 lights are clipped.
    box : (left, top, right, bottom), optional
        Part of the sharp photograph, in pixels.
    """

    source: str
    file: str
    focal_length: float
    photons: float
    gain: float = 1.0
    box: tuple[int, int, int, int] | None = None


EXPOSURES = {
    "houses": Exposure("kodak/kodim08.png", "houses.jpg", 500.0, 10000.0, box=(280, 50, 768, 480)),
    "card": Exposure("photos/cid22_7256805.jpg", "card.jpg", 700.0, 10000.0),
    "city": Exposure("night/gb82_city.png", "city.png", 550.0, 4000.0, 1.8),
}


def recorded_kernel(name: str, focal_length: float) -> Kernel:
    """Return the kernel of a recorded motion."""
    with MOTIONS.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["photograph"] == name]
    angles = np.deg2rad([[float(row[key]) for key in ("pitch_deg", "yaw_deg")] for row in rows])
    return trajectory_kernel(focal_length * angles, KERNEL_SIZE).cropped()


def expose(data: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the blurred photograph and the sharp one, both (H, W, 3), of one extent."""
    shot = EXPOSURES[name]
    picture = Picture.open(data / shot.source).convert("RGB").crop(shot.box)
    sharp = np.asarray(picture, np.float32) / 255
    scene = torch.from_numpy(np.moveaxis(shot.gain * decode_light(sharp), -1, 0).copy())
    kernel = recorded_kernel(name, shot.focal_length)
    light = blur_image(scene, kernel).double().clamp_min(0).numpy()
    draw = np.random.default_rng(0)
    light = draw.poisson(light * shot.photons) / shot.photons
    light += READ_NOISE * draw.standard_normal(light.shape)
    blurred, truth = (
        np.rint(255 * encode_light(np.clip(np.moveaxis(x, 0, -1), 0, 1))).astype(np.uint8)
        for x in (light, crop_valid(scene, kernel).double().numpy())
    )
    return blurred, truth


def main(data: Path, names: list[str]) -> None:
    """Write the named photographs, or all."""
    for name in names or EXPOSURES:
        file = EXAMPLES / EXPOSURES[name].file
        blurred, _ = expose(data, name)
        settings = {"quality": JPEG_QUALITY} if file.suffix == ".jpg" else {"optimize": True}
        Picture.fromarray(blurred).save(file, **settings)
        sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
