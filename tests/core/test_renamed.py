"""Old public names are read for one release, with a note that names the new one."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from unblur.renamed import MODULES


@pytest.mark.parametrize("old", sorted(MODULES))
def test_a_module_is_importable_under_its_old_name(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=MODULES[old]):
        module = import_module(old)
    assert module is import_module(MODULES[old])


def test_a_submodule_of_a_renamed_package_is_importable():
    with pytest.warns(DeprecationWarning, match=r"numerics\.metrics\.fidelity"):
        module = import_module("unblur.metrics.fidelity")
    assert module is import_module("unblur.numerics.metrics.fidelity")
