"""`unblur train` on a model of one number."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch
from torch import nn

from unblur.plugins.manager import registry
from unblur.training import Trainer, TrainingParams


class Offset(nn.Module):
    def __init__(self):
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(()))


class OffsetTrainer(Trainer):
    """Learn the number 0.5."""

    name = "offset"
    summary = "Learns one number."

    class Params(TrainingParams):
        steps: int = 6
        rate: float = 0.1
        warmup: int = 0
        validate_every: int = 2
        seed: int = 0

    stop_at = -1

    def model(self):
        return Offset()

    def prepare(self, data):
        self.data = data

    def loss(self, model, index, device):
        if index == 2 * self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return (model.offset - 0.5).square()

    def validate(self, model, device):
        return {"psnr": -float((model.offset - 0.5).abs())}


@pytest.fixture
def offset(monkeypatch):
    own = type("OffsetTrainer", (OffsetTrainer,), {})
    monkeypatch.setitem(registry().trainers, "offset", own)
    return own


def test_training_tells_its_figures_and_leaves_weights(unblur, offset, tmp_path):
    out = tmp_path / "w.safetensors"
    said = unblur("train", "offset", "--data", tmp_path, "-o", out, "--device", "cpu")
    assert said.out.startswith(f"{out}: step 6, best psnr")
    assert "step 2: " in said.err
    assert "nan" not in said.err
    assert out.exists()
    assert (tmp_path / "w.log.jsonl").exists()


def test_ctrl_c_keeps_a_checkpoint_from_which_the_same_command_goes_on(unblur, offset, tmp_path):
    given = ("train", "offset", "--data", tmp_path, "-o", tmp_path / "w.safetensors", "--json")
    offset.stop_at = 3
    said = unblur(*given, status=130)
    stopped = json.loads(said.out)
    assert not stopped["finished"]
    assert 3 <= stopped["step"] < 6
    assert "the same command goes on" in said.err
    offset.stop_at = -1
    assert json.loads(unblur(*given).out)["step"] == 6


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["ofset", "--data", ".", "-o", "w.safetensors"], 2, "did you mean 'offset'?"),
        (["offset", "--data", "nowhere", "-o", "w.safetensors"], 2, "nowhere"),
        (["offset", "--data", ".", "-o", "w.pt"], 1, ".safetensors"),
        (["offset", "--data", ".", "-o", "w.safetensors", "--set", "stepz=3"], 2, "'steps'?"),
        (["offset", "--data", ".", "-o", "taken.safetensors"], 1, "exists"),
    ],
)
def test_bad_trainings_are_refused(
    unblur, offset, tmp_path, monkeypatch, arguments, status, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.safetensors").touch()
    said = unblur("train", *arguments, status=status)
    assert expected in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken.safetensors"]
