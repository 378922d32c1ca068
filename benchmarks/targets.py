"""The targets of run.py: each result under `benchmarks/results`, with the command that makes it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Relative to ROOT, where targets run: the command is stored beside the results.
DATA = Path("../shared/data")
RESULTS = Path("benchmarks/results")
UNBLUR = [sys.executable, "-m", "unblur"]


@dataclass(frozen=True)
class Target:
    """One result and the command that makes it."""

    name: str
    about: str
    command: list[str]
    heavy: bool = False
    """Whether it takes a GPU, many hours or further packages, and is run only by name."""


def bench(name: str, about: str, folder: str, *arguments: str) -> Target:
    """Return a target that compares pipelines on a set of pairs."""
    where = ["-o", str(RESULTS), "--name", name, "--workers", "2"]
    return Target(name, about, [*UNBLUR, "bench", str(DATA / folder), *arguments, *where])


def script(name: str, about: str, file: str, *arguments: str, heavy: bool = False) -> Target:
    """Return a target that runs a script of this folder."""
    return Target(name, about, [sys.executable, f"benchmarks/{file}", *arguments], heavy)


PHOTOS = [
    str(DATA / "photos" / f"budgie_{name}.jpg")
    for name in (
        *("canyon-wren", "casa-mila", "roman-colosseum"),
        *("tea-gardens", "the-spices-of-life", "oakland-zoo-otters"),
    )
]

TARGETS = [
    bench(
        "levin-known",
        "Levin's 32 pairs with the true kernels",
        "levin09",
        *("wiener", "richardson-lucy", "tv", "hyper-laplacian", "svmap"),
    ),
    bench(
        "levin-plug-and-play",
        "Levin's 32 pairs with the true kernels, by plug-and-play",
        *("levin09", "plug-and-play"),
    ),
    bench("levin-blind", "Levin's 32 pairs, blind", "levin09", "map-hyper-laplacian"),
    bench(
        "levin-schuler",
        "Levin's 32 pairs, blind, by the trained kernel estimator",
        *("levin09", "schuler-hyper-laplacian"),
    ),
    bench(
        "levin-plug-and-play-blind",
        "Levin's 32 pairs, blind, by plug-and-play mixed with hyper-laplacian",
        *("levin09", "map-plug-and-play"),
    ),
    script(
        "svmap-bsd",
        "svmap beside hyper-laplacian on BSD's validation pictures",
        "svmap_table.py",
        *("bsd", str(DATA / "bsds500/val")),
    ),
    script(
        "plug-and-play-bsd",
        "plug-and-play beside svmap and hyper-laplacian on BSD's validation pictures",
        "plug_and_play_table.py",
        *("bsd", str(DATA / "bsds500/val"), "--stored"),
        *("--only", "hyper-laplacian, best weight", "plug-and-play", "plug-and-play, denoiser"),
    ),
    script(
        "plug-and-play-low-noise",
        "plug-and-play with next to no noise",
        "plug_and_play_table.py",
        *("low-noise", str(DATA / "bsds500/val"), "--every", "10", "--noise", "0.001"),
        *("--only", "hyper-laplacian, best weight", "plug-and-play"),
    ),
    script(
        "plug-and-play-speed",
        "seconds per megapixel of plug-and-play beside svmap",
        "plug_and_play_table.py",
        *("speed", str(DATA / "bsds500/val"), "--every", "20", "--stored", "--noise", "0.01"),
    ),
    script(
        "plug-and-play-steps",
        "plug-and-play in fewer steps beside svmap",
        "plug_and_play_table.py",
        *("steps", str(DATA / "bsds500/val"), "--every", "10", "--stored", "--noise", "0.01"),
        *("--steps", "4", "5", "6"),
        *("--only", "hyper-laplacian, best weight", "plug-and-play", "svmap"),
        *("plug-and-play, 4 steps", "plug-and-play, 5 steps", "plug-and-play, 6 steps"),
    ),
    script(
        "plug-and-play-estimated",
        "plug-and-play with estimated kernels",
        "svmap_estimated.py",
        *(str(DATA / "kodak"), "--noise", "0.01", "--limit", "6", "--estimators", "map"),
        *("--methods", "hyper-laplacian", "plug-and-play", "plug-and-play, mixed"),
        *("--name", "plug-and-play-estimated"),
    ),
    script(
        "plug-and-play-estimated-bsd",
        "plug-and-play with kernels estimated on BSD's validation pictures",
        "svmap_estimated.py",
        *(str(DATA / "bsds500/val"), "--noise", "0.01", "--every", "7", "--estimators", "map"),
        *("--methods", "hyper-laplacian", "plug-and-play", "plug-and-play, mixed"),
        *("--name", "plug-and-play-estimated-bsd"),
    ),
    script(
        "hyper-laplacian-weight",
        "the weight of hyper-laplacian in plug-and-play, for estimated kernels and little noise",
        "hyper_laplacian_weight.py",
        str(DATA / "photos"),
    ),
    script(
        "svmap-night",
        "svmap beside hyper-laplacian on night scenes with clipped lights",
        "svmap_table.py",
        *("night", str(DATA / "night"), "--saturated"),
    ),
    script(
        "svmap-estimated",
        "svmap with estimated kernels, by weights trained with kernel errors and without",
        "svmap_estimated.py",
        *(str(DATA / "kodak"), "--limit", "6", "--estimators", "schuler"),
    ),
    script(
        "schuler-sizes",
        "kernels of 9 to 25 pixels on BSD's validation pictures",
        "schuler_kernels.py",
        *("sizes", str(DATA / "bsds500/val"), "--count", "80", "--models", "deep", "paper"),
    ),
    script(
        "schuler-noisy",
        "kernels of 9 to 25 pixels with 5 % of noise",
        "schuler_kernels.py",
        *("sizes", str(DATA / "bsds500/val"), "--noise", "0.05", "--count", "40"),
        *("--models", "deep", "paper", "map", "--name", "noisy"),
    ),
    script(
        "schuler-large",
        "kernels of 27 to 41 pixels on BSD's validation pictures",
        "schuler_kernels.py",
        *("sizes", str(DATA / "bsds500/val"), "--count", "40", "--models", "deep", "paper"),
        *("--kernels", *map(str, range(27, 42, 2)), "--name", "large"),
    ),
    script(
        "schuler-kodak",
        "kernels of 9 to 25 pixels on Kodak's pictures, beside map",
        "schuler_kernels.py",
        *("sizes", str(DATA / "kodak"), "--count", "16", "--models", "deep", "map"),
        *("--name", "kodak"),
    ),
    bench(
        "levin-discriminative",
        "Levin's 32 pairs, blind, with the discriminative prior and without",
        "levin09",
        *("benchmarks/discriminative_l0.yaml", "discriminative"),
    ),
    script(
        "discriminative-accuracy",
        "Accuracy of the classifier by size of the image",
        "discriminative_accuracy.py",
        *(str(DATA / "bsds500/val"), str(DATA / "kodak")),
    ),
    script(
        "discriminative-bound",
        "Upper bound on the gain of an image prior",
        "discriminative_bound.py",
        str(DATA / "levin09"),
    ),
    script(
        "discriminative-curves",
        "Kernel similarity by iteration",
        "discriminative_curves.py",
        *("similarity", str(DATA / "levin09")),
    ),
    script(
        "discriminative-speed",
        "Processor seconds of the pipeline discriminative",
        "discriminative_curves.py",
        *("speed", PHOTOS[3]),
    ),
    script(
        "race-richardson-lucy",
        "richardson-lucy and other tools",
        "race_richardson_lucy.py",
        *("-o", str(RESULTS / "race-richardson-lucy.json")),
    ),
    script(
        "race-richardson-lucy-3d",
        "richardson-lucy and other tools, a stack",
        "race_richardson_lucy.py",
        *("--depth", "32", "--edge", "256", "--kernel", "15", "--iterations", "10"),
        *("-o", str(RESULTS / "race-richardson-lucy-3d.json")),
    ),
    script(
        "richardson-lucy-curves",
        "PSNR of richardson-lucy and other tools over processor time",
        "richardson_lucy_curves.py",
        str(DATA),
    ),
    script(
        "richardson-lucy-noise",
        "accelerated richardson-lucy beside the iterations it replaces",
        "richardson_lucy_noise.py",
        str(DATA),
    ),
    script(
        "richardson-lucy-volumes",
        "combined steps of richardson-lucy on volumes",
        "richardson_lucy_volumes.py",
        str(DATA),
    ),
    script(
        "transform-lengths",
        "Fourier transforms in torch and scipy by length",
        "transform_lengths.py",
    ),
    *(
        script(f"race-{name}", about, f"race_{name}.py", "-o", str(RESULTS / f"race-{name}.json"))
        for name, about in (
            ("wiener", "wiener and other tools"),
            ("tv", "tv and other tools"),
            ("startup", "Start-up and memory of unblur and other tools"),
        )
    ),
    script(
        "schuler-area",
        "kernels from crops of increasing size",
        "schuler_kernels.py",
        *("area", str(DATA / "photos"), "--count", "6", "--kernels", "17"),
    ),
    script(
        "schuler-speed",
        "Seconds to estimate a kernel",
        "schuler_kernels.py",
        *("speed", "--models", "deep", "paper", "--edges", "255", "800", "1024", "2048"),
    ),
    script(
        "schuler-local",
        "One learned kernel per cell, and one kernel, for a blur that rotates",
        "scale_local.py",
        *(*PHOTOS, "--pipeline", "schuler-svmap", "--name", "schuler-local"),
    ),
    script(
        "selfdeblur-iteration",
        "One iteration of selfdeblur, and of a plain module",
        "selfdeblur_iteration.py",
        *("-o", str(RESULTS / "selfdeblur_iteration.json")),
    ),
    script(
        "selfdeblur-criterion",
        "Accuracy of the choice among restarts",
        "selfdeblur_criterion.py",
        *(str(DATA), "--every", "8", "-o", str(RESULTS / "selfdeblur_criterion.json")),
    ),
    *(
        script(
            f"{method}-{data}",
            f"{method} as published, {about}",
            "selfdeblur_table.py",
            *(str(DATA), data, "--method", method),
            heavy=True,
        )
        for method in ("selfdeblur", "kotera")
        for data, about in (("levin", "Levin's 32 pairs"), ("kodak", "8 Kodak images x 8 kernels"))
    ),
    script(
        "kotera-levin-fast",
        "kotera's preset for CPUs, four of Levin's pairs",
        "selfdeblur_table.py",
        *(str(DATA), "levin", "--method", "kotera", "--preset", "fast", "--device", "cpu"),
        *("--pairs", "im1_kernel5", "im2_kernel3", "im3_kernel2", "im4_kernel1"),
        *("-o", str(RESULTS / "kotera_levin_fast.json")),
        heavy=True,
    ),
    script(
        "network-start",
        "selfdeblur and kotera with and without an initial kernel, four of Levin's pairs",
        "network_start.py",
        str(DATA),
        heavy=True,
    ),
    script(
        "kotera-seeds",
        "Deviation of kotera between seeds, central crops of three of Levin's pairs",
        "selfdeblur_table.py",
        *(str(DATA), "levin", "--method", "kotera", "--preset", "fast", "--device", "cpu"),
        *("--seeds", "5", "--restarts", "3", "--crop", "128"),
        *("--pairs", "im1_kernel5", "im2_kernel3", "im3_kernel2"),
        *("-o", str(RESULTS / "kotera_seeds.json")),
        heavy=True,
    ),
    script(
        "camera-shake",
        "Poses of the camera, and one kernel",
        "camera_shake.py",
        *(str(DATA / "kodak" / f"kodim{number}.png") for number in ("01", "02", "04")),
    ),
    script(
        "text-pages",
        "Blind deblurring of rendered text",
        "text_pages.py",
        str(DATA / "levin09" / "kernels_f32"),
    ),
    script("lai", "Lai's 80 pairs, blind, in two halves", "blind.py", "lai"),
    script(
        "kodak-blind", "Kodak's pictures, blurred in three ways, blind", "blind.py", "kodak-blind"
    ),
    script("bsd-blind", "BSD's pictures, blurred in three ways, blind", "blind.py", "bsd-blind"),
    script("real-photographs", "Real shaken photographs, blind", "real_photographs.py"),
    script("confidence", "Calibration of the confidence, stored cases", "confidence.py", "check"),
    script("low-light", "Blind deblurring of night scenes", "low_light.py", str(DATA / "night")),
    script("star-field", "A field of stars, with one PSF and a field of PSFs", "star_field.py"),
    script(
        "star-field-kernels",
        "PSFs over a field of stars, and the true ones",
        "star_field.py",
        *("--kernels", "50", "100", "400"),
    ),
    script("star-flux", "Flux of a single star with the known PSF", "star_flux.py"),
    script(
        "theoretical-psf",
        "Theoretical PSFs, beside the Richardson-Lucy of other packages",
        "theoretical_psf.py",
        *(str(DATA / "microscopy"), "--out", str(RESULTS / "theoretical-psf.json")),
    ),
    script(
        "ring-correlation",
        "Fourier ring correlation beside published packages",
        "ring_correlation_check.py",
        str(DATA / "microscopy"),
        heavy=True,
    ),
    script(
        "photograph-content",
        "What the estimator photograph takes images for",
        *("photograph_content.py", "lai", "--half", "report", "--limit", "20"),
    ),
    script("colour-jpeg", "Chroma noise and JPEG blocks", "colour_jpeg.py"),
    script("plan", "What plan announces against what run takes", "plan_accuracy.py"),
    script("limits", "Every limit of speed and memory, peers beside", "limits.py", heavy=True),
    script("scale-plan", "Planning 100000 x 100000 pixels", "scale_mosaic.py", "plan"),
    script("scale-overhead", "CPU time in tiles, and in one piece", "scale_mosaic.py", "overhead"),
    script(
        "scale-workers",
        "Two worker processes, and one",
        "scale_mosaic.py",
        *("workers", "--edges", "8192"),
    ),
    *(
        script(
            f"scale-{what}-{stage}",
            f"{about} of {stage} on a mosaic",
            "scale_mosaic.py",
            *(what, "--stage", stage, "--edges", *edges),
        )
        for what, about, edges in (
            ("pace", "Seconds per megapixel", ("2048", "4096", "8192", "16384")),
            ("memory", "Peak memory", ("2048", "16384")),
        )
        for stage in ("wiener", "richardson-lucy")
    ),
    script(
        "scale-pace-svmap",
        "Seconds per megapixel of svmap on a mosaic",
        "scale_mosaic.py",
        *("pace", "--stage", "svmap", "--edges", "2048", "16384"),
        heavy=True,
    ),
    script(
        "scale-kernel-schuler",
        "Memory and time to estimate one kernel, up to a gigapixel",
        "scale_mosaic.py",
        *("kernel", "--stage", "schuler", "--edges", "2048", "32768"),
    ),
    script(
        "scale-seams",
        "Difference between tiles and the whole, classic stages",
        "scale_seams.py",
        *(PHOTOS[0], "--only", "wiener", "richardson-lucy", "tv", "hyper-laplacian"),
        *("clip", "denoise", "dering", "match-range", "--size", "480", "--tile", "128"),
        *("--kernels", "gaussian 15", "disk 9"),
    ),
    script(
        "scale-seams-svmap",
        "Difference between tiles and the whole, svmap",
        "scale_seams.py",
        *(PHOTOS[0], "--only", "svmap", "--size", "448", "--tile", "192"),
        *("--kernels", "gaussian 15", "gaussian 35", "shake 25"),
    ),
    script(
        "scale-seams-lights",
        "Difference between tiles and the whole, svmap, clipped lights",
        "scale_seams.py",
        *(str(DATA / "night/gb82_city.png"), "--only", "svmap", "--clip", "0.015"),
        *("--size", "448", "--tile", "192", "--kernels", "gaussian 15", "shake 25"),
    ),
    script("scale-local", "One kernel per cell, and one kernel", "scale_local.py", *PHOTOS),
]
