import json
import math
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn

from unblur.errors import ParamsError, WeightsError
from unblur.model.context import Context
from unblur.plugins.weights import load_metadata, load_weights
from unblur.training import Trainer, train
from unblur.training.loop import rate_at
from unblur.training.plot import write_plot

FAST = {"steps": 40, "batch": 2, "rate": 0.05, "warmup": 2, "validate_every": 10}


class Line(Trainer):
    """Fits y = 3 x - 1 from noisy samples."""

    name = "line"
    summary = "A line."
    score = "closeness"

    def model(self):
        return nn.Linear(1, 1)

    def prepare(self, data):
        self.slope, self.offset = json.loads((data / "line.json").read_text())

    def loss(self, model, index, device):
        x = torch.randn(8, 1, generator=self.generator(index)).to(device)
        return (model(x) - self.slope * x - self.offset).square().mean()

    def validate(self, model, device):
        error = abs(model.weight.item() - self.slope) + abs(model.bias.item() - self.offset)
        return {"closeness": -error}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "line.json").write_text("[3, -1]")
    return folder


def stop_after(count):
    """Return a context that is cancelled after `count` reports of progress."""
    seen = []
    return Context(on_progress=seen.append, is_cancelled=lambda: len(seen) >= count)


def test_training_learns(tmp_path, data):
    outcome = train(Line(FAST, steps=300), data, tmp_path / "line.safetensors", Context())
    assert outcome.finished
    assert outcome.step == 300
    assert outcome.best > -0.1
    weights = load_weights(outcome.weights, outcome.sha256)
    assert weights["weight"].item() == pytest.approx(3, abs=0.1)


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(tmp_path, data):
    whole = train(Line(FAST), data, tmp_path / "whole.safetensors", Context())
    path = tmp_path / "parts.safetensors"
    first = train(Line(FAST), data, path, stop_after(13))
    assert not first.finished
    assert first.step == 13
    second = train(Line(FAST), data, path, Context())
    assert second.step == 40
    assert second.best == whole.best
    for name, tensor in load_weights(whole.weights).items():
        torch.testing.assert_close(load_weights(path)[name], tensor, rtol=0, atol=0)


def test_a_finished_training_is_not_repeated(tmp_path, data):
    path = tmp_path / "line.safetensors"
    train(Line(FAST), data, path, Context())
    seen = []
    assert train(Line(FAST), data, path, Context(), seen.append).finished
    assert seen == []


def test_interrupt_from_the_keyboard_leaves_a_checkpoint(tmp_path, data):
    class Interrupted(Line):
        def loss(self, model, index, device):
            if index == 10:
                raise KeyboardInterrupt
            return super().loss(model, index, device)

    path = tmp_path / "line.safetensors"
    outcome = train(Interrupted(FAST), data, path, Context())
    assert (outcome.step, outcome.finished) == (5, False)
    assert load_metadata(path.with_suffix(".checkpoint.safetensors"))["step"] == "5"


def test_log_has_a_line_per_validation_and_the_plot_its_curve(tmp_path, data):
    path = tmp_path / "line.safetensors"
    reports = []
    train(Line(FAST), data, path, Context(), reports.append)
    lines = path.with_suffix(".log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 10, 20, 30, 40]
    assert [r["closeness"] for r in reports] == [json.loads(line)["closeness"] for line in lines]
    assert json.loads(lines[0])["loss"] is None
    root = ET.fromstring(path.with_suffix(".svg").read_text())
    (curve,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    assert len(curve.attrib["points"].split()) == 5


def test_a_plot_of_one_point_is_not_drawn(tmp_path):
    write_plot([{"step": 0.0, "psnr": 20.0}], "psnr", tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()


def test_a_step_that_is_not_finite_changes_nothing(tmp_path, data):
    class Spoilt(Line):
        def loss(self, model, index, device):
            loss = super().loss(model, index, device)
            return loss * math.nan if index in (6, 7) else loss

    outcome = train(Spoilt(FAST, steps=200), data, tmp_path / "line.safetensors", Context())
    assert outcome.best > -0.3


def test_a_checkpoint_of_another_network_is_refused(tmp_path, data):
    class Plane(Line):
        def model(self):
            return nn.Linear(2, 1)

    path = tmp_path / "line.safetensors"
    train(Line(FAST), data, path, Context())
    with pytest.raises(WeightsError, match="another network"):
        train(Plane(FAST), data, path, Context())


def test_rate_rises_and_falls():
    settings = Line(FAST, steps=100, warmup=9).params
    rates = [rate_at(step, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.1 * settings.rate, rel=0.01)
    assert max(rates) <= settings.rate
    assert rates[100] == pytest.approx(0.02 * settings.rate)
    flat = Line(FAST, decay="none", warmup=0).params
    assert rate_at(1000, flat) == flat.rate


def test_settings_out_of_bounds_are_named():
    with pytest.raises(ParamsError, match="trainer 'line'.*batch"):
        Line(batch=0)
