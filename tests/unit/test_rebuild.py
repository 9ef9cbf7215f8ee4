"""A rebuild that is not the same says why, and whether the pipeline allows it."""

from dataclasses import replace

from everloop.rebuild import Rebuilt
from tests.contracts.examples import digest
from tests.fakes.registry.examples import report

SAME = Rebuilt(
    expected_model_digest=digest("a"),
    model_digest=digest("a"),
    expected_bundle_digest=digest("b"),
    bundle_digest=digest("b"),
    bundle_uri="/b",
    golden_difference=0.0,
    allowed_difference=0.0,
    environment_differences=(),
    report=report(),
)
OTHER = replace(SAME, model_digest=digest("c"), golden_difference=1e-6)


def test_the_same_bytes_need_no_reason() -> None:
    assert SAME.identical
    assert SAME.equivalent
    assert SAME.reasons == ()


def test_other_bytes_are_equivalent_only_as_far_as_the_pipeline_says() -> None:
    assert not OTHER.equivalent
    assert replace(OTHER, allowed_difference=1e-5).equivalent
    assert not replace(OTHER, allowed_difference=1e-7).equivalent
    assert not replace(OTHER, allowed_difference=1e-5, golden_difference=None).equivalent


def test_other_bytes_are_explained_by_what_is_known_to_differ() -> None:
    other_software = replace(OTHER, environment_differences=("numpy: 2.4.0 expected, 2.4.1 found",))
    on_a_gpu = replace(OTHER, report=report(device="cuda"))

    assert other_software.reasons == ("other software: numpy: 2.4.0 expected, 2.4.1 found",)
    assert "trained on cuda" in on_a_gpu.reasons[0]
    assert "another result every time" in OTHER.reasons[0]
