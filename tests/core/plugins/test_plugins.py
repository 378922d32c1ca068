import pytest

from stages_for_tests import ALL, Copy, Flat
from unblur.errors import PluginError, UsageError
from unblur.model.formats import Reader, Writer
from unblur.model.stages import Deconvolver
from unblur.plugins.manager import collect, plugin_manager, register
from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference, TrainerReference


def plugin(**hooks):
    return type("Plugin", (), {name: staticmethod(hook(f)) for name, f in hooks.items()})


def registry_of(**plugins):
    manager = plugin_manager(load_installed=False)
    for name, module in plugins.items():
        register(manager, module, name)
    return collect(manager)


def test_registered_stages_are_found_by_kind_and_name():
    found = registry_of(mine=plugin(unblur_stages=lambda: ALL))
    assert found.stage("kernel", "flat") is Flat
    assert found.origins[Flat] == "mine"
    assert list(found.stages_of("deconvolve")) == ["copy"]
    assert found.broken == []


def test_an_unknown_name_gets_a_suggestion():
    found = registry_of(mine=plugin(unblur_stages=lambda: ALL))
    with pytest.raises(UsageError, match="no deconvolve stage 'copi'; did you mean 'copy'"):
        found.stage("deconvolve", "copi")


def test_one_broken_plugin_does_not_stop_the_rest():
    def fail():
        raise RuntimeError("no such library")

    found = registry_of(bad=plugin(unblur_stages=fail), good=plugin(unblur_stages=lambda: [Copy]))
    assert ("deconvolve", "copy") in found.stages
    assert [str(b) for b in found.broken] == ["plugin 'bad': RuntimeError: no such library"]
    with pytest.raises(UsageError, match=r"Left out: plugin 'bad': .* no such library"):
        found.stage("deconvolve", "brought-by-bad")


class Nameless(Copy):
    name = None


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([int], "expected a subclass of unblur.Stage"),
        ([Nameless], "lacks the class attribute 'name'"),
        ([Copy, Copy], "which is registered already"),
    ],
)
def test_a_plugin_that_breaks_the_contract_registers_nothing(stages, message):
    found = registry_of(bad=plugin(unblur_stages=lambda: stages))
    assert message in found.broken[0].cause
    assert not found.stages


def test_the_second_plugin_of_two_that_claim_a_name_is_the_broken_one():
    found = registry_of(
        one=plugin(unblur_stages=lambda: [Copy]), two=plugin(unblur_stages=lambda: [Copy, Flat])
    )
    assert list(found.stages) == [("deconvolve", "copy")]
    assert "which is registered already" in found.broken[0].cause


def test_an_unfinished_stage_is_named_with_what_it_lacks():
    class Unfinished(Deconvolver):
        name = "unfinished"
        summary = "No halo."

        def deconvolve(self, blurred, kernel, context, mask=None): ...

    found = registry_of(bad=plugin(unblur_stages=lambda: [Unfinished]))
    assert found.broken[0].cause == "stage 'unfinished' does not implement halo."


def test_a_missing_pipeline_file_is_reported(tmp_path):
    found = registry_of(bad=plugin(unblur_pipelines=lambda: [tmp_path / "gone.yaml"]))
    assert "gone.yaml, which is not there" in found.broken[0].cause


def test_a_misspelt_hook_is_refused_with_a_suggestion():
    manager = plugin_manager(load_installed=False)
    with pytest.raises(PluginError, match="did you mean 'unblur_stages'"):
        register(manager, plugin(unblur_stage=lambda: ALL), "mine")


def test_a_hook_with_a_wrong_signature_is_refused_naming_the_plugin():
    manager = plugin_manager(load_installed=False)
    with pytest.raises(PluginError, match="plugin 'mine'.*unblur_stages"):
        register(manager, plugin(unblur_stages=lambda image: ALL), "mine")


class AbcReader(Reader):
    name = "abc"
    suffixes = (".abc",)

    def read(self, path, *, axes=None, lazy=False): ...


class AbcWriter(Writer):
    name = "abc"
    suffixes = (".abc",)

    def write(self, image, path): ...


def changed(base, **attributes):
    return type(base.__name__, (base,), attributes)


@pytest.mark.parametrize(
    ("hook_name", "cls", "message"),
    [
        ("unblur_readers", int, "expected a subclass of Reader"),
        ("unblur_readers", AbcWriter, "expected a subclass of Reader"),
        ("unblur_writers", AbcReader, "expected a subclass of Writer"),
        ("unblur_readers", changed(AbcReader, name=None), "reader AbcReader lacks the class"),
        ("unblur_readers", changed(Reader, name="abc"), "reader 'abc' does not implement read."),
        ("unblur_writers", changed(AbcWriter, suffixes=()), "expected a tuple of strings"),
        ("unblur_writers", changed(AbcWriter, suffixes=".abc"), "expected a tuple of strings"),
        ("unblur_readers", changed(AbcReader, suffixes=("abc",)), "that begin with a dot"),
        ("unblur_readers", changed(AbcReader, suffixes=(".ABC",)), "in lower case"),
    ],
)
def test_a_format_that_breaks_the_contract_is_not_registered(hook_name, cls, message):
    found = registry_of(bad=plugin(**{hook_name: lambda: [cls]}))
    assert message in found.broken[0].cause
    assert {**found.readers, **found.writers} == {}


def test_a_trainer_that_breaks_the_contract_is_not_registered():
    from unblur.training import Trainer

    for cls, message in (
        (int, "expected a subclass of unblur.training.Trainer"),
        (changed(Trainer, name="abc"), "lacks the class attribute 'summary'"),
        (changed(Trainer, name="abc", summary=""), "does not implement loss,"),
    ):
        found = registry_of(bad=plugin(unblur_trainers=lambda cls=cls: [cls]))
        assert message in found.broken[0].cause
        assert found.trainers == {}


def test_formats_and_trainers_are_found_by_name():
    found = registry_of(
        mine=plugin(unblur_readers=lambda: [AbcReader], unblur_writers=lambda: [AbcWriter])
    )
    assert (found.readers, found.writers) == ({"abc": AbcReader}, {"abc": AbcWriter})
    assert (found.origins[AbcReader], found.origins[AbcWriter]) == ("mine", "mine")
    with pytest.raises(UsageError, match="there is no model 'abc'"):
        found.trainer("abc")


def test_a_stage_registered_by_reference_is_imported_when_looked_up():
    right = StageReference("deconvolve", "copy", "stages_for_tests:Copy")
    gone = StageReference("deconvolve", "gone", "stages_for_tests:Gone")
    other = StageReference("deconvolve", "other", "stages_for_tests:Copy")
    found = registry_of(mine=plugin(unblur_stages=lambda: [right, gone, other, Flat]))
    assert found.broken == []
    assert found.stage("deconvolve", "copy") is Copy
    with pytest.raises(UsageError, match=r"no deconvolve stage 'gone'.*Left out: plugin 'mine'"):
        found.stage("deconvolve", "gone")
    assert dict(found.stages.items()) == {("deconvolve", "copy"): Copy, ("kernel", "flat"): Flat}
    assert found.origins == {Copy: "mine", Flat: "mine"}
    assert "is not the deconvolve stage 'other'" in found.broken[1].cause


@pytest.mark.needs_torch
def test_a_trainer_registered_by_reference_is_imported_when_looked_up():
    right = TrainerReference("svmap", "unblur_svmap.training.trainer:SvmapTrainer")
    wrong = TrainerReference("wrong", "stages_for_tests:Copy")
    found = registry_of(mine=plugin(unblur_trainers=lambda: [right, wrong]))
    assert list(found.trainers.values()) == [found.trainer("svmap")]
    assert "is not the trainer 'wrong'" in found.broken[0].cause
