"""Training of the denoiser's weights, on synthetic images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from unblur.model.context import Context
from unblur.plugins.weights import load_metadata, save_weights
from unblur.training import train
from unblur_denoiser.training.noise_samples import round_to_8_bits, white_noise, wiener_noise
from unblur_denoiser.training.trainer import DenoiserTrainer
from unblur_denoiser.training.unrolled_trainer import UnrolledTrainer, estimates
from unblur_denoiser.weights import PRETRAINED, PRETRAINED_SPLITTINGS

QUICK = {
    "widths": (4, 6),
    "crops": 2,
    "crop": 16,
    "steps": 4,
    "warmup": 0,
    "validate_every": 2,
}


@pytest.fixture
def pictures(tmp_path):
    """A folder of three pictures of blocks, large enough for a validation crop at half size."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        blocks = draw.integers(0, 255, (8, 8)).astype(np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((8, 8), np.uint8))).save(folder / f"{number}.png")
    return folder


def test_weights_carry_their_widths_and_are_used_by_name(pictures, tmp_path):
    output, reports = tmp_path / "weights.safetensors", []
    outcome = train(DenoiserTrainer(QUICK), pictures, output, Context(), reports.append)
    assert outcome.finished
    assert {"psnr", "psnr-1", "psnr-3", "psnr-10"} <= reports[0].keys()
    assert json.loads(load_metadata(output)["params"])["widths"] == [4, 6]
    assert PRETRAINED.load(str(output)).widths == (4, 6)


def test_a_training_continues_from_given_weights(pictures, tmp_path):
    output = tmp_path / "weights.safetensors"
    train(DenoiserTrainer(QUICK), pictures, output, Context())
    again = DenoiserTrainer(QUICK, begin=output).model()
    for key, value in PRETRAINED.load(str(output)).state_dict().items():
        assert torch.equal(again.state_dict()[key], value)


def test_a_sample_depends_on_its_number_alone(pictures):
    trainer = DenoiserTrainer(QUICK, correlated=0.5, rounded=0.5)
    trainer.prepare(pictures)
    first, other, again = trainer.sample(3), trainer.sample(4), trainer.sample(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    noisy, clean, level = first
    assert noisy.shape == clean.shape == (2, 1, 16, 16)
    assert bool(((level >= 0.003) & (level <= 0.2)).all())


def test_noise_has_unit_variance_and_that_of_a_wiener_filter_is_correlated():
    shape = (64, 64)

    def neighbours(noise):
        return float((noise * noise.roll(1, 0)).mean() / noise.square().mean())

    white = white_noise(shape, torch.Generator().manual_seed(0))
    assert float(white.std()) == pytest.approx(1, abs=0.05)
    assert abs(neighbours(white)) < 0.05
    found = [wiener_noise(shape, torch.Generator().manual_seed(seed)) for seed in range(8)]
    assert np.mean([float(n.std()) for n in found]) == pytest.approx(1, abs=0.1)
    assert max(abs(neighbours(n)) for n in found) > 0.1


def test_rounding_is_to_the_steps_of_8_bits():
    x = torch.tensor([0.5 / 255, 0.9 / 255, -1.2 / 255, 300.4 / 255])
    assert (255 * round_to_8_bits(x)).round(decimals=3).tolist() == [0, 1, -1, 300]


# The steps that are trained end to end.

UNROLLED = {
    "widths": (4, 6),
    "unrolled": 2,
    "crop": 16,
    "batch": 1,
    "steps": 2,
    "warmup": 0,
    "validate_every": 2,
}


def test_steps_are_trained_from_a_denoiser_and_from_their_own_weights(pictures, tmp_path):
    begin, output = tmp_path / "denoiser.safetensors", tmp_path / "steps.safetensors"
    save_weights(DenoiserTrainer(QUICK).model().state_dict(), begin)
    reports = []
    trainer = UnrolledTrainer(UNROLLED, begin=begin)
    assert train(trainer, pictures, output, Context(), reports.append).finished
    assert {"psnr", "psnr-1", "psnr-5"} <= reports[0].keys()
    shipped = PRETRAINED_SPLITTINGS.load(str(output))
    assert (shipped.steps, shipped.network.widths) == (2, (4, 6))
    again = UnrolledTrainer(UNROLLED, begin=output).model().state_dict()
    assert all(torch.equal(again[key], value) for key, value in shipped.state_dict().items())
    longer = UnrolledTrainer({**UNROLLED, "unrolled": 3}, begin=output).model()
    assert longer.log_penalties[1] == shipped.log_penalties.mean()


def test_the_error_of_a_kernel_is_part_of_the_noise_level(pictures):
    made = {}
    for share in (0.0, 1.0):
        trainer = UnrolledTrainer(UNROLLED, perturbed_kernels=share, lowest=0.01, highest=0.010001)
        trainer.prepare(pictures)
        made[share] = [trainer.sample(index) for index in range(4)]
    for exact, wrong in zip(made[0.0], made[1.0], strict=True):
        assert torch.equal(exact.blurred, wrong.blurred)
        assert not torch.equal(exact.kernel, wrong.kernel)
    levels = [sum(float(sample.noise) for sample in made[share]) for share in (0.0, 1.0)]
    assert levels[1] > levels[0] > 0.02


def test_every_step_gives_an_image_of_the_window(pictures):
    trainer = UnrolledTrainer(UNROLLED)
    trainer.prepare(pictures)
    found = estimates(trainer.model(), trainer.sample(0))
    assert [tuple(image.shape) for image in found] == [(1, 16, 16)] * 2
