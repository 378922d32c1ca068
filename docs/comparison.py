"""The manual's page that compares unblur with other tools, generated from the result files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from result_tables import ResultFiles, plain, table

INTRODUCTION = """# Compared with other tools

What other open tools do better, what they leave to their user, and what was measured beside them.
The tables are made from the files under `benchmarks/results`; each names its machine and command.
Figures of a paper are its own, on its own machine. Tools that were not run here have no figures."""

TOOLS: Sequence[Sequence[str]] = (
    (
        "[scikit-image](https://scikit-image.org)",
        "Wiener and Richardson-Lucy filters on arrays, in a small installation that starts in a "
        "second; a general library of image processing",
        "a blind kernel, borders (the image is taken as periodic), noise, masks, files, tiles",
    ),
    (
        "[RedLionfish](https://github.com/rosalindfranklininstitute/RedLionfish)",
        "Richardson-Lucy for volumes on OpenCL devices and processors; on a processor the fastest "
        "per iteration for volumes of those measured; a napari plugin",
        "the PSF, noise, masks, metadata, images larger than memory",
    ),
    (
        "[sdeconv](https://github.com/sylvainprigent/sdeconv)",
        "classical and learned microscope deconvolution in torch, with a sparse Hessian prior; "
        "PSF models; a napari plugin",
        "a blind kernel, masks, metadata, images larger than memory",
    ),
    (
        "[deepinv](https://deepinv.github.io)",
        "inverse problems of every kind in torch, with many denoisers and their weights, "
        "unrolled and diffusion methods, training",
        "files, tiles, noise estimation, kernels of photographs; its weights are downloaded",
    ),
    (
        "[deconwolf](https://github.com/elgw/deconwolf)",
        "fluorescence stacks, fast, in a program of its own with a PSF generator and OpenCL",
        "photographs and skies, kernels from the image, Python. Not measured",
    ),
    (
        "[DeconvolutionLab2](https://bigwww.epfl.ch/deconvolution/deconvolutionlab2/)",
        "many classical algorithms side by side, as a plugin of ImageJ, for teaching",
        "kernels from the image, large images, scripting in Python. Not measured",
    ),
)

CHOICE = """## Which to take

- An array, a known PSF, a script of ten lines, no torch: scikit-image. Crop the border, which it
  does not treat.
- A volume and a graphics card with OpenCL, many iterations: RedLionfish or deconwolf.
- Research on a new prior or network for any linear measurement: deepinv. A stage for unblur is a
  class of about 15 lines ([Write a plugin](plugins.md)) and may call it.
- A photograph with no PSF, a frame whose PSF changes over the field, a file of a microscope without
  beads, an image larger than memory, a folder on a cluster, or a result whose report states kernel,
  noise, confidence and settings: unblur."""

LAI = (
    ("Cho and Lee 2009", 17.06),
    ("Xu and Jia 2010", 20.18),
    ("Pan et al. 2016, dark channel", 19.89),
    ("SelfDeblur (Ren et al. 2020)", 20.97),
)
"""Mean PSNR on all 100 uniform images of Lai et al., from the papers, in dB."""

LAI_TEXT = """## Blind deblurring

Mean PSNR on the synthetic images of Lai et al. The papers' figures are of all 100 images, ours of
the 80 that are at hand, at the best shift; the settings were chosen on half of them (the other
half alone is the row `report`), and two thresholds with both halves in view. No other blind tool
that is maintained and free to use was found to run beside it."""

RACES = (
    ("race-richardson-lucy", "Richardson-Lucy, an image"),
    ("race-richardson-lucy-3d", "Richardson-Lucy, a volume"),
    ("race-wiener", "Wiener filters"),
    ("race-tv", "Total variation"),
    ("race-startup", "Start-up and memory"),
)


def comparison(folder: Path) -> str:
    """Return the page in Markdown, from the result files in `folder`."""
    results = ResultFiles(folder)
    parts = [
        INTRODUCTION,
        table(["tool", "does well", "leaves to you"], TOOLS),
        CHOICE,
        LAI_TEXT,
        table(["method", "PSNR (dB)"], LAI),
        plain(results, "lai"),
        "## Measured beside each other",
        "In one process, on the same scene, alternately, each tool with the weight that serves it "
        "best. *PSNR inside* leaves out a border as wide as the kernel.",
    ]
    for name, title in RACES:
        remark = (results.read(name) or {}).get("remark", "")
        parts += [f"### {title}", remark, plain(results, name)]
    parts += [
        "## Against our limits",
        "What each row has to reach, and which fall short.",
        plain(results, "limits"),
        "## Microscopy with theoretical PSFs",
        "Correlation with the reference, after 10, 30 and 100 iterations (see [PSFs](psf.md)).",
        plain(results, "theoretical-psf"),
        "Measured:",
        results.sources(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
