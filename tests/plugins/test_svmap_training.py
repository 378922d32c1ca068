"""Training of svmap's weights, on synthetic images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import correlate

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import shake_kernel
from unblur.plugins.weights import load_metadata, load_weights, save_weights
from unblur.training import train
from unblur.training.blurred_samples import degrade, draw_kernel
from unblur.training.images import read_luma
from unblur.training.kernel_errors import perturb_kernel
from unblur_svmap.model import ModelDesign, SpatiallyVariantMap
from unblur_svmap.stage import Svmap
from unblur_svmap.training.trainer import SvmapTrainer, held_out, spread_over_steps

QUICK = {
    "crop": 32,
    "batch": 1,
    "steps": 2,
    "warmup": 0,
    "validate_every": 2,
    "reweightings": 1,
    "iterations": 4,
}


@pytest.fixture
def pictures(tmp_path):
    """A folder of four busy pictures, large enough for the widest kernel."""
    draw = np.random.default_rng(0)
    for number in range(4):
        blocks = draw.integers(0, 255, (17, 17)).astype(np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((10, 10), np.uint8))).save(
            tmp_path / f"{number}.png"
        )
    return tmp_path


def test_a_training_improves_or_keeps_the_weights_and_writes_its_log(pictures, tmp_path):
    first, output = tmp_path / "first.safetensors", tmp_path / "weights.safetensors"
    save_weights(SpatiallyVariantMap(ModelDesign(steps=1)).state_dict(), first)
    reports = []
    trainer = SvmapTrainer(QUICK, begin=first)
    outcome = train(trainer, pictures, output, Context(), reports.append)
    assert outcome.finished
    assert [row["step"] for row in reports] == [0, 2]
    assert {"psnr-1-step0", "psnr-1-step1", "psnr-5-step1"} <= reports[0].keys()
    stated = json.loads(load_metadata(output)["params"])
    assert stated["begin"] == "first.safetensors"  # without its folder
    assert stated["reweightings"] == 1
    assert (
        load_weights(output, outcome.sha256).keys()
        == SpatiallyVariantMap(ModelDesign(steps=1)).state_dict().keys()
    )


def test_samples_depend_on_seed_and_number_alone(pictures):
    first, again, other = (SvmapTrainer({**QUICK, "seed": seed}) for seed in (3, 3, 4))
    for trainer in (first, again, other):
        trainer.prepare(pictures)
    torch.testing.assert_close(first.sample(5).blurred, again.sample(5).blurred)
    assert first.sample(5).blurred.shape == (1, 1, 32, 32)
    assert not torch.equal(first.sample(5).blurred, other.sample(5).blurred)
    assert not torch.equal(first.sample(5).blurred, first.sample(6).blurred)


def test_saturated_samples_are_clipped_and_have_a_mask():
    generator = torch.Generator().manual_seed(0)
    scene = torch.full((100, 100), 0.2)
    scene[:, 60:] = 1.0
    sample = degrade(scene, draw_kernel(generator), 0.01, generator, gain=1.2)
    assert float(sample.blurred.max()) == float(sample.sharp.max()) == 1
    torch.testing.assert_close(sample.clipped, (sample.blurred == 1).float())
    assert 0.1 < float(sample.clipped.mean()) < 0.5
    assert degrade(scene, draw_kernel(generator), 0.01, generator).clipped is None


def test_a_perturbed_kernel_changes_nothing_else_of_a_sample(pictures):
    exact, wrong = SvmapTrainer(QUICK), SvmapTrainer(QUICK, perturbed_kernels=1.0)
    for trainer in (exact, wrong):
        trainer.prepare(pictures)
    a, b = exact.sample(5), wrong.sample(5)
    torch.testing.assert_close(a.blurred, b.blurred)
    torch.testing.assert_close(a.sharp, b.sharp)
    assert a.kernel.shape == b.kernel.shape
    assert not torch.allclose(a.kernel, b.kernel)
    assert not torch.equal(wrong.validation[0][1].kernel, exact.validation[0][1].kernel)


def test_perturbed_kernels_resemble_estimates():
    """They resemble the true one about as much as what `schuler` and `map` find, in its place."""
    similarities, shifts = [], []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        kernel = draw_kernel(generator)
        wrong = perturb_kernel(kernel, generator)
        assert wrong.shape == kernel.shape
        similarities.append(kernel_similarity(wrong.weights, kernel.weights))
        agreement = correlate(wrong.weights, kernel.weights, method="fft")
        peak = np.unravel_index(agreement.argmax(), agreement.shape)
        shifts.append(np.subtract(peak, np.subtract(kernel.shape, 1)))
    assert 0.5 < min(similarities) < 0.8
    assert 0.85 < np.median(similarities) < 0.99
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.3


def test_the_blurred_crop_has_the_window_of_its_truth():
    generator = torch.Generator().manual_seed(0)
    kernel = draw_kernel(generator)
    ramp = torch.linspace(0, 1, 100).expand(100, 100)
    sample = degrade(ramp, kernel, 0.0, generator)
    shift = kernel.weights.sum(0) @ (np.arange(kernel.shape[1]) - kernel.shape[1] // 2)
    expected = sample.sharp - float(shift) / 99
    torch.testing.assert_close(sample.blurred, expected, atol=1e-4, rtol=0)


def test_weights_go_on_with_more_steps_and_with_parts_fixed(tmp_path):
    one = SpatiallyVariantMap(ModelDesign(steps=1)).state_dict()
    path = tmp_path / "one.safetensors"
    save_weights(one, path)
    two = SvmapTrainer(begin=path).model().state_dict()
    key = "network.layers.0.weight"
    torch.testing.assert_close(two[f"data.1.{key}"], one[f"data.0.{key}"])
    fixed = SvmapTrainer(begin=path, data_term="l2").model().state_dict()
    assert fixed.keys() == {key for key in two if key.startswith("regularisers.")}
    assert spread_over_steps({}, 2) == {}


def test_night_scenes_kept_for_testing_are_left_out(pictures):
    name = sorted(held_out())[0]
    (pictures / "0.png").rename(pictures / name)
    trainer = SvmapTrainer(QUICK)
    trainer.prepare(pictures)
    without = SvmapTrainer(QUICK)
    (pictures / name).unlink()
    without.prepare(pictures)
    for index in range(3):
        torch.testing.assert_close(trainer.sample(index).sharp, without.sample(index).sharp)


def test_tolerant_weights_restore_better_with_perturbed_kernels(shared):
    """On Kodak's photographs, which no weights were trained on."""
    errors = {"gaussian": 0.0, "tolerant": 0.0}
    for seed, name in enumerate(("kodim04", "kodim05", "kodim07"), 2):
        generator = torch.Generator().manual_seed(seed)
        kernel = shake_kernel(15, generator)
        scene = read_luma(shared / "data" / "kodak" / f"{name}.png")[100:260, 100:260].float() / 255
        given = degrade(scene, kernel, 0.01, generator)
        wrong = perturb_kernel(kernel, generator)
        for model in errors:
            found = Svmap(model=model, noise=0.01).deconvolve(given.blurred[0], wrong, Context())
            errors[model] += float((found - given.sharp[0]).square().mean())
    assert errors["tolerant"] < 0.85 * errors["gaussian"]
