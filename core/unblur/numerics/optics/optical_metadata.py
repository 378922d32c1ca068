"""The optics of an image: what its metadata states, what params state, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unblur.errors import UsageError
from unblur.model.image import ALPHA, Image
from unblur.model.units import convert
from unblur.numerics.optics.diffraction import Beam
from unblur.numerics.optics.microscope import Microscope
from unblur.numerics.optics.optical_params import INDICES, OpticalParams

PARAM, METADATA, DEFAULT = "stated by a param", "metadata of the image", "default"
"""Where a value comes from."""

PLACES = {
    "na": ("the numerical aperture", "1.4", "OME: Objective LensNA"),
    "emission_nm": ("the emission wavelength", "520", "OME: Channel EmissionWavelength"),
    "excitation_nm": ("the excitation wavelength", "488", "OME: Channel ExcitationWavelength"),
    "immersion": ("the immersion medium", "oil", "OME: Objective Immersion"),
    "pixel_um": ("the pixel size", "0.1", "OME: Pixels PhysicalSizeX"),
    "step_um": ("the distance between planes", "0.3", "OME: Pixels PhysicalSizeZ"),
    "sheet_um": ("the thickness of the light sheet", "1.5", "no format states it"),
}
"""Name, an example, and place in a file of each value that a PSF may lack."""


@dataclass(frozen=True)
class StatedOptics:
    """What an image states of its optics.

    Parameters
    ----------
    source : str
        Name of the image, for messages; "" if there is none.
    values : mapping of str to float or str
        Values by the names of the params.
    channels : tuple of mapping
        Those of each colour channel.
    colours : int
        Number of colour channels.
    """

    source: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[Mapping[str, Any], ...] = ()
    colours: int = 1

    @classmethod
    def of(cls, image: Image) -> StatedOptics:
        """Return what the metadata of an image states; see `unblur.model.formats`."""
        optics: Mapping[str, Any] = image.metadata.get("optics", {})
        values = {
            "na": optics.get("na"),
            "immersion": optics.get("immersion"),
            "immersion_index": optics.get("refractive_index"),
            "pixel_um": _micrometres(image, "X"),
            "step_um": _micrometres(image, "Z"),
        }
        colours = [
            number
            for number in range(image.extent("C"))
            if not image.channels or image.channels[number] != ALPHA
        ]
        stated: Sequence[Any] = optics.get("channels", ())
        channels = tuple(dict(stated[n] or {}) if n < len(stated) else {} for n in colours)
        known = {name: value for name, value in values.items() if value}
        return cls(image.source, known, channels, len(colours))


@dataclass(frozen=True)
class OpticsOfChannel:
    """All values of which the PSF of a channel is computed.

    Attributes
    ----------
    microscope : Microscope
        Type and beams.
    pixel, step : float
        Pixel size and distance between planes, µm; no step for a PSF in 2-D.
    sources : mapping of str to str
        Each value in words, and where it comes from.
    """

    microscope: Microscope
    pixel: float
    step: float | None
    sources: Mapping[str, str]


def resolve_optics(
    params: OpticalParams,
    stated: StatedOptics,
    ndim: int,
    option: str = "--set kernel.{name}={value}",
) -> tuple[OpticsOfChannel, ...]:
    """Return the optics of each channel, or of all of them where they do not differ.

    Parameters
    ----------
    params : OpticalParams
        What the user states, which has precedence.
    stated : StatedOptics
        What the image states.
    ndim : int
        Number of axes of the PSF, 2 or 3.
    option : str
        How the user states a value, for messages.

    Raises
    ------
    UsageError
        With every value that is missing, where it may be stated and how.
    """
    found = [_Resolution(params, stated, number) for number in range(stated.colours)]
    made = [one.optics(ndim) for one in found]
    missing = list(dict.fromkeys(name for one in found for name in one.missing))
    if missing:
        raise UsageError(_describe_missing(missing, stated.source, option))
    resolved = tuple(optics for optics in made if optics is not None)
    first = resolved[0]
    same = all(one.microscope == first.microscope for one in resolved)
    return resolved[:1] if same else resolved


class _Resolution:
    """Collects the values of one channel, and the names of those that are missing."""

    def __init__(self, params: OpticalParams, stated: StatedOptics, channel: int) -> None:
        self.params, self.stated, self.channel = params, stated, channel
        self.sources: dict[str, str] = {}
        self.missing: list[str] = []

    def optics(self, ndim: int) -> OpticsOfChannel | None:
        """Return the optics, or `None` with the names of what is missing in `missing`."""
        kind = self.params.microscope
        self.sources[f"{kind} microscope"] = self._origin("microscope")
        self.sources[f"{self.params.model} diffraction"] = self._origin("model")
        na = self._find("na", "NA {:g}")
        emission = excitation = None
        if kind != "two-photon":
            emission = self._find("emission_nm", "emission {:g} nm")
        if kind in ("confocal", "two-photon"):
            excitation = self._find("excitation_nm", "excitation {:g} nm")
        immersion = self._immersion()
        sheet = self._find("sheet_um", "light sheet {:g} µm") if kind == "light-sheet" else 0.0
        pixel = self._find("pixel_um", "pixel {:.4g} µm")
        step = self._find("step_um", "step {:.4g} µm") if ndim == 3 else None
        if self.missing:
            return None
        sample = self.params.sample_index
        index = immersion if sample is None else sample
        self.sources[f"sample index {index:.4g}"] = (
            "taken to be the immersion's" if sample is None else PARAM
        )
        self.sources[f"depth {self.params.depth_um:g} µm"] = self._origin("depth_um")
        if self.params.spherical:
            self.sources[f"spherical aberration {self.params.spherical:g} wavelengths"] = PARAM
        if kind == "confocal":
            name = f"pinhole {self.params.pinhole_airy:g} Airy units"
            self.sources[name] = self._origin("pinhole_airy")

        def beam(length: float | None) -> Beam | None:
            return None if length is None else Beam(
                length / 1000,
                na,
                immersion,
                index,
                self.params.depth_um,
                self.params.spherical,
                self.params.model == "vectorial",
            )  # fmt: skip

        microscope = Microscope(
            kind, beam(emission), beam(excitation), self.params.pinhole_airy, sheet
        )
        return OpticsOfChannel(microscope, pixel, step, self.sources)

    def _find(self, name: str, form: str) -> Any:
        """Return a value from the params or the image, and note where it comes from."""
        value, origin = getattr(self.params, name), PARAM
        if isinstance(value, tuple):
            if len(value) != self.stated.colours and len(value) != 1:
                raise UsageError(
                    f"{name} lists {len(value)} values for "
                    f"{self.stated.colours} channels; give one for each, or one for all."
                )
            value = value[self.channel if len(value) > 1 else 0]
        if value is None:
            own = self.stated.channels[self.channel] if self.stated.channels else {}
            value, origin = own.get(name) or self.stated.values.get(name), METADATA
        if not value:
            self.missing.append(name)
            return 0.0
        self.sources[form.format(value)] = origin
        return float(value)

    def _immersion(self) -> float:
        """Return the refractive index of the immersion: stated itself, or that of the medium."""
        params, values = self.params, self.stated.values
        if params.immersion_index is not None:
            index, origin = params.immersion_index, PARAM
        elif params.immersion is not None:
            index, origin = INDICES[params.immersion], f"{params.immersion}, {PARAM}"
        elif values.get("immersion_index"):
            index, origin = float(values["immersion_index"]), METADATA
        elif values.get("immersion") in INDICES:
            index, origin = INDICES[values["immersion"]], f"{values['immersion']}, {METADATA}"
        else:
            self.missing.append("immersion")
            return 0.0
        self.sources[f"immersion index {index:.4g}"] = origin
        return index

    def _origin(self, name: str) -> str:
        return PARAM if name in self.params.model_fields_set else DEFAULT


def describe_optics(channels: Sequence[OpticsOfChannel]) -> dict[str, str]:
    """Return every value that PSFs are computed of, with where it comes from.

    A value that differs between channels is listed for each of them.
    """
    if len(channels) == 1:
        return dict(channels[0].sources)
    found: dict[str, str] = {}
    for number, optics in enumerate(channels):
        for name, origin in optics.sources.items():
            shared = all(name in other.sources for other in channels)
            found[name if shared else f"channel {number}: {name}"] = origin
    return found


def _micrometres(image: Image, axis: str) -> float | None:
    """Return a pixel size in µm; a size without a unit is unknown."""
    size, unit = image.pixel_size.get(axis), image.units.get(axis, "")
    return convert(size, unit, "µm") if size and unit else None


def _describe_missing(missing: Sequence[str], source: str, option: str) -> str:
    what = ", ".join(f"{PLACES[name][0]} ({PLACES[name][2]})" for name in missing)
    example = " ".join(option.format(name=name, value=PLACES[name][1]) for name in missing)
    where = f"{source} does not state" if source else "is not stated"
    return (
        f"a PSF from the optics needs {what}, which {where}; state it as a param, e.g. {example} "
        "with the values of the microscope, or in the metadata of the image."
    )
