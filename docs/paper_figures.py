"""The figures of the five papers, and the text around them on the page of measurements.

A pair of figures is PSNR in dB and SSIM. Data that we do not have are marked as not available.
"""

from __future__ import annotations

INTRODUCTION = """# Measurements

The figures of the five papers beside ours, and comparisons with other tools. Ours are read from
`benchmarks/results` when this page is built; `make bench` or `python benchmarks/run.py TARGET`
measures them again. Levin's pairs are the papers' own data. Almost all of our other figures are
measured on **other data than the papers'**, because theirs are not available: such rows are listed
beside each other, and their difference has no meaning. The papers used other machines; seconds are
comparable in their order of magnitude only. "Not measured" means that nothing is claimed."""

SVMAP_TEXT = """## SVMAP (Dong, Roth, Schiele, CVPR 2021)

Tables 1 and 2, true kernels of 13 to 35 pixels. The paper has 100 pictures of BSD and 44 night
scenes, and trained on 5144 pictures; ours are the 80 validation pictures of BSD and night scenes
that were not used in training, with our own kernels. PSNR / SSIM:"""
SVMAP_METHODS = ("svmap", "hyper-laplacian, best weight")
SVMAP_HEAD = ("our `svmap`", "our `hyper-laplacian`, best weight")
SVMAP = (
    ("BSD", "1 %", "31.89 / 0.8973", "30.92 / 0.8799 (FNBD)"),
    ("BSD", "5 %", "27.25 / 0.7550", "25.93 / 0.6943 (FDN)"),
    ("Sun, 80 x 8; not available", "1 %", "34.51 / 0.9273", "33.57 / 0.8977 (IRCNN)"),
    ("Sun, 80 x 8; not available", "5 %", "29.20 / 0.7940", "27.75 / 0.7319 (FDN)"),
    ("night", "saturated", "33.91 / 0.9529", "33.02 / 0.9388 (Cho)"),
)
SVMAP_ABLATION = (
    ("squared data term, hyper-Laplacian", "BSD, 1 %", "29.21 / 0.8260"),
    ("learned data term, hyper-Laplacian", "BSD, 1 %", "29.88 / 0.8525"),
    ("squared data term, learned prior", "BSD, 1 %", "31.59 / 0.8917"),
    ("squared data term, hyper-Laplacian", "saturated", "29.15 / 0.8917"),
    ("learned data term, hyper-Laplacian", "saturated", "30.58 / 0.9183"),
    ("squared data term, learned prior", "saturated", "29.47 / 0.9015"),
    ("same filters everywhere (SIMAP)", "BSD, 1 %", "31.25 / 0.8861"),
    ("same filters everywhere (SIMAP)", "BSD, 5 %", "26.72 / 0.7302"),
)

SELFDEBLUR_TEXT = """## SelfDeblur (Ren et al., CVPR 2020)

Table 3, Levin's 32 pairs, the same data and the same protocol. Ours are in bold; their error
ratios are relative to `hyper-laplacian` with the true kernel. Seconds of SelfDeblur are of a
Titan V, those of the others of a 3.3 GHz Xeon, ours of the processor named below."""
LEVIN = (
    ("true kernel, Levin's deconvolution", "34.53", "0.9492", "1.0000", ""),
    ("Cho and Lee", "30.57", "0.8966", "1.7113", "1.4 s"),
    ("Levin et al.", "30.80", "0.9092", "1.7724", "78 s"),
    ("Xu and Jia", "31.67", "0.9163", "1.4898", "1.2 s"),
    ("Zuo et al.", "32.66", "0.9332", "1.2500", "11 s"),
    ("Pan et al., dark channel", "32.69", "0.9284", "1.2555", "295 s"),
    ("Sun et al.", "32.99", "0.9330", "1.2847", "191 s"),
    ("SelfDeblur", "33.07", "0.9313", "1.1968", "224 s"),
    ("SelfDeblur, then Levin's deconvolution", "33.32", "0.9438", "1.2509", ""),
)
LEVIN_OURS = (
    ("levin-known", "hyper-laplacian", "`hyper-laplacian`, true kernel"),
    ("levin-known", "svmap", "`svmap`, true kernel"),
    ("levin-known", "tv", "`tv`, true kernel"),
    ("levin-known", "wiener", "`wiener`, true kernel"),
    ("levin-known", "richardson-lucy", "`richardson-lucy`, true kernel"),
    ("levin-blind", "map-hyper-laplacian", "`map-hyper-laplacian`, size found"),
    ("levin-discriminative", "discriminative", "`discriminative`, size found"),
    ("levin-schuler", "schuler-hyper-laplacian", "`schuler-hyper-laplacian`, size found"),
)
LEVIN_NETWORKS = (
    ("selfdeblur_levin", "`selfdeblur`, as published"),
    ("kotera_levin", "`kotera`, as published"),
    ("kotera_levin_fast", "`kotera`, preset `fast` from random weights"),
)
SELFDEBLUR_VARIANTS = (
    ("kernel and image alternately (SelfDeblur-A)", "30.53 / 0.8748"),
    ("kernel and image together (SelfDeblur-J)", "33.07 / 0.9313"),
    ("kernel network without its hidden layer", "28.37 / 0.8396"),
    ("kernel network with one more", "30.92 / 0.8889"),
    ("Double-DIP", "21.51 / 0.5256"),
)

KOTERA_TEXT = """## Improved SelfDeblur (Kotera, Sroubek, Smidl, ICIP 2021)

Table 1: gain in PSNR over the blurred image, mean and deviation between ten runs. The
distribution of Fig. 3 was not measured."""
KOTERA = (
    ("SelfDeblur", "Kodak, 8 x 8", "2.48 ± 2.52 dB", "selfdeblur_kodak"),
    ("improved", "Kodak, 8 x 8", "5.49 ± 2.12 dB", "kotera_kodak"),
    ("SelfDeblur", "Levin, 32", "7.62 ± 1.36 dB", "selfdeblur_levin"),
    ("improved", "Levin, 32", "8.23 ± 1.21 dB", "kotera_levin"),
)
KOTERA_SEEDS = """Deviation between seeds: `kotera`, preset `fast` from random weights,
`restarts: 3`, the middle 128 x 128 pixels of Levin's pairs, PSNR of the method's own image:"""

SCHULER_TEXT = """## Learning to Deblur (Schuler et al., TPAMI 2016)

Table 1: seconds to estimate a kernel of 17 x 17 pixels."""
SCHULER_LAYOUTS = ("deep", "paper")
SCHULER_SECONDS = ((255, 1.1), (800, 5.2), (1024, 9.5), (2048, 53.1))
SCHULER_SIZES = """Fig. 17 sorts Sun's 640 blurred images by the size of the kernel and finds the
method on par up to 25 pixels; that set is not available. Ours by size, on validation pictures of
BSD with 1 % of noise, means:"""
SCHULER_KODAK = """Kodak, kernels of Eq. 6 of 9 to 25 pixels, 1 % of noise, beside `map` with the
same kernel size, means:"""
SCHULER_LARGE = """Kernels beyond the paper's scales, of 27 to 41 pixels, both layouts trained for
the same number of steps, means:"""
SCHULER_NOISY = """With 5 % of noise (the paper's Fig. 14 shows one image), means:"""
SCHULER_AREA = """Fig. 19: the kernel's error falls with the size of the image. Ours, similarity to
the true kernel of 17 pixels on six photographs, with all windows of the image, and with the most
textured windows:"""

PRIOR_TEXT = """## A discriminative prior (Li et al., CVPR 2018)

Table 1, text: 28.10 dB in the paper on 15 pages x 8 kernels (28.80 for a method made for text).
Those pages are not available, nor are the sets of Fig. 3 (Köhler, Sun). Ours, on text pages that
we rendered ourselves:"""
PAGES = ("text-pages", "discriminative_text")
PRIOR_ACCURACY = """Fig. 10 (a), accuracy of the classifier, on Köhler's set: near 100 % in the
paper's text for images of 800 x 800, and less when they are shrunk more than fourfold, unless it
was trained at several scales. Ours:"""
PRIOR_LEVIN = """Fig. 10 (b), Levin's pairs with the prior and without. The paper has curves without
stated values. Ours:"""
PRIOR_BOUND = """Upper bound on the gain of any prior there: one that is given the sharp image, in
place of the network:"""
PRIOR_TRAINED = """The classifier trained from scratch for the same number of steps, at several
scales and at one, by Adam and by SGD:"""
PRIOR_CURVES = """Fig. 13, convergence of the kernel: in the paper within 50 iterations. Ours,
kernel similarity by iteration on four of Levin's pairs:"""
PRIOR_SECONDS = "Table 2, seconds:"
PRIOR_STATED = ((255, "109 s"), (600, "380 s"), (800, "655 s"))
PRIOR_ABLATION = (
    ("discriminative_l0", "number of gradients alone"),
    ("discriminative", "with the discriminative prior"),
)

SHAKE_TEXT = "Kernels that vary over the image because the camera rotated, on our own scenes."

RACES_TEXT = """## Comparison with other tools

In one process, on the same scene, alternately; each tool with its best weight. *PSNR inside*
leaves out a kernel's width of border, since the tools' boundary conditions differ. The last column
of a tool without figures gives the reason. Install the other tools with
`pip install "unblur[bench]"`. sdeconv and deepinv import torchvision, whose wheel on PyPI is built
for CUDA; beside a torch without CUDA, `benchmarks/vision.py` makes it importable. Stages without a
counterpart in these tools that runs without network access are not compared."""
ITERATION_TEXT = """`selfdeblur` (own) beside a plain module of the same layout, 255 x 255 pixels,
{threads} threads; the third row is the plain module without malloc trimming between iterations."""
RACES = (
    ("race-richardson-lucy", "Richardson-Lucy"),
    ("race-richardson-lucy-3d", "Richardson-Lucy, a stack"),
    ("race-wiener", "Wiener filters"),
    ("race-tv", "Total variation"),
    ("race-startup", "Start-up and memory"),
)
