import numpy as np
import pytest
from pydantic import ValidationError

from stages_for_tests import ALL, Double, Flat
from unblur.errors import KernelError, ParamsError
from unblur.model.kernel import Kernel, KernelField
from unblur.model.params import describe_errors
from unblur.model.stages import Estimate
from unblur.pipeline import Pipeline


def test_params_are_frozen():
    stage = Flat(size=5)
    with pytest.raises(Exception, match="frozen"):
        stage.params.size = 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sizes": 5}, "no param 'sizes'; did you mean 'size'"),
        ({"size": 0}, "'size' is 0; expected at least 1"),
        ({"size": "wide"}, "'size' is 'wide'"),
    ],
)
def test_a_wrong_param_is_named_with_its_rule(values, message):
    with pytest.raises(ParamsError, match=message):
        Flat(values)


def test_params_come_as_a_mapping_as_keywords_or_ready_made():
    assert Flat({"size": 5}).params == Flat(size=5).params == Flat(Flat.Params(size=5)).params


@pytest.mark.parametrize("cls", ALL)
def test_params_survive_a_round_trip(cls):
    params = cls().params
    assert type(params).model_validate(params.model_dump(mode="json")) == params


def test_a_stage_shows_its_params():
    assert repr(Double(factor=3)) == "Double(factor=3.0)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": 3}, "'steps' is 3; expected a list."),
        (
            {"tiles": {"size": "big"}},
            "'tiles.size' is 'big'; expected a whole number or 'auto'.",
        ),
        (
            {"steps": [{"deconvolve": "wiener", "foo": 3}]},
            "there is no param 'steps.0.foo'. Known: kernel, deconvolve, postprocess, params.",
        ),
        ({"tiles": {"kernel": "locl"}}, "'tiles.kernel' is 'locl'; expected 'global' or 'local'."),
    ],
)
def test_an_error_of_a_pipeline_is_stated_once_and_in_words(given, expected):
    content = {"summary": "x", "steps": [{"deconvolve": "wiener"}], **given}
    with pytest.raises(ValidationError) as error:
        Pipeline.model_validate(content)
    assert describe_errors(error.value, Pipeline) == expected


@pytest.mark.parametrize("confidence", [None, 0, 0.25, np.float32(0.5), 1.0])
def test_an_estimate_has_a_confidence_or_none(confidence):
    kernel = Kernel(np.ones((3, 3)))
    for estimate in (
        Estimate(KernelField.single(kernel), confidence=confidence),
        Estimate.of(kernel, confidence=confidence),
    ):
        assert estimate.confidence == confidence
        assert confidence is None or type(estimate.confidence) is float


@pytest.mark.parametrize("confidence", [-0.1, 1.01, float("nan"), "high"])
def test_a_confidence_is_a_probability(confidence):
    with pytest.raises(KernelError, match=r"a probability in \[0, 1\] or None, got"):
        Estimate.of(Kernel(np.ones((3, 3))), confidence=confidence)
