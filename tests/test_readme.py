"""What the README shows works as shown."""

import re
from pathlib import Path

from unblur.context import Context
from unblur.pipeline import Pipeline
from unblur.plugins import collect, plugin_manager, register
from unblur.testing import scene

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_plugin_registers_and_sharpens():
    module = type("Plugin", (), {})
    source = next(block for block in blocks("python") if "class Landweber" in block)
    names = {}
    exec(source, names)
    module.unblur_stages = staticmethod(names["unblur_stages"])
    manager = plugin_manager(load_installed=False)
    register(manager, module, "readme")
    stage = collect(manager).stage("deconvolve", "landweber")(steps=50)
    given = scene()
    found = stage.deconvolve(given.blurred, given.kernel, Context())
    assert float((found - given.sharp).norm()) < 0.9 * float((given.blurred - given.sharp).norm())


def test_the_pipeline_file_builds():
    (text,) = blocks("yaml")
    assert [stage.name for stage in Pipeline.parse(text, "README.md").build()] == [
        "map",
        "hyper-laplacian",
        "clip",
    ]


def test_every_pipeline_in_its_commands_exists():
    named = re.findall(r"unblur run ([a-z-]+) ", "\n".join(blocks("sh")))
    assert named
    for name in named:
        Pipeline.load(name).build()
