"""Adam of the networks against torch's, whose instance imports torch's compiler."""

import subprocess
import sys

import torch
from torch import nn

from unblur_selfdeblur.adam import FusedAdam

STEP = """
import sys, torch
from unblur.testing import gaussian, synthetic_scene
from unblur.model.context import Context
from unblur_selfdeblur.stage import SelfDeblur
given = synthetic_scene((40, 40), gaussian((5, 5), 1.0))
SelfDeblur(size=5, iterations=1, width=4).estimate(given.blurred, Context())
assert "torch._dynamo" not in sys.modules
"""


def test_it_equals_the_librarys_bit_by_bit_and_leaves_what_has_no_gradient():
    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 3))

    own, other, x = network(), network(), torch.rand(1, 1, 9, 9)
    first, second = FusedAdam(own.parameters()), torch.optim.Adam(other.parameters(), fused=True)
    for rate, is_fixed in ((1e-2, False), (1e-2, True), (3e-3, False)):
        for model in (own, other):
            model[0].requires_grad_(not is_fixed)
            model(x).square().mean().backward()
        first.step(rate)
        second.param_groups[0]["lr"] = rate
        second.step()
        second.zero_grad(set_to_none=True)
    assert all(map(torch.equal, own.parameters(), other.parameters()))
    assert all(p.grad is None for p in own.parameters())


def test_a_step_imports_no_compiler():
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
