"""A pipeline asks of its versions only what can be answered; what it does not say means what it meant before."""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, SliceGate
from contracts.pipeline import Objective, PipelineDefinition, Policy, Promotion
from tests.contracts import examples

SLICES = SliceGate(metric="auc", worst=0.6)
COST = CostGate(false_positive=1, false_negative=9, at_most=2)


def _definition(gate: Gate, **changes: Any) -> PipelineDefinition:
    declared = examples.definition().model_dump() | {"promotion": {"gates": [gate.model_dump()]}}
    return PipelineDefinition.model_validate(declared | changes)


def test_a_slice_gate_needs_slices_and_knows_them() -> None:
    with pytest.raises(ValidationError, match="needs slices"):
        _definition(SLICES, slices=())
    with pytest.raises(ValidationError, match="no slices: distance"):
        _definition(SLICES.model_copy(update={"columns": ("distance",)}), slices=("carrier",))

    assert _definition(SLICES, slices=("carrier",)).promotion.gates == (SLICES,)


def test_only_a_binary_label_has_two_kinds_of_mistakes() -> None:
    with pytest.raises(ValidationError, match="binary label"):
        _definition(COST, objective=Objective.REGRESSION)

    assert _definition(COST, objective=Objective.BINARY_CLASSIFICATION).promotion.gates == (COST,)


def test_a_promotion_of_before_means_what_it_meant() -> None:
    """As it lies in bundles and in streams out there."""
    before = {
        "gates": [
            {"kind": "absolute", "metric": "auc", "at_least": 0.6, "at_most": None},
            {"kind": "champion", "metric": "auc", "margin": 0.002, "higher_is_better": True},
        ],
        "policy": "ask",
    }

    promotion = Promotion.model_validate(before)

    assert promotion.gates == (AbsoluteGate(metric="auc", at_least=0.6), ChampionGate(metric="auc", margin=0.002))
    assert (promotion.policy, promotion.approvals, promotion.approval_expires_after) == (Policy.ASK, 1, None)


def test_where_acting_starts_to_pay() -> None:
    assert COST.acts_from == 0.1
    assert CostGate(false_positive=1, false_negative=0, threshold=0.7, at_most=1).acts_from == 0.7
