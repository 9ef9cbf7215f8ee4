"""What was said about logged models tells their whole state again."""

from services.registry.logged_models import changes
from services.registry.logged_models.changes import Wish
from services.registry.logged_models.domain import ModelStatus
from services.registry.past.logged_models import REPLAYED
from tests.fakes.registry.logged_models import InMemoryLoggedModels
from tests.unit.registry.logged_models.test_changes import DIGITS, MODEL, OneExperiment


async def test_who_hears_it_all_knows_it_all() -> None:
    models, retold = InMemoryLoggedModels(), InMemoryLoggedModels()
    wish = Wish("1", model_type="sklearn", source_run_id=DIGITS, params={"depth": "3"}, tags={"a": "1", "b": "2"})
    (_, said) = await changes.create(wish, models, OneExperiment(), digits=DIGITS, at_ms=5)
    said += (await changes.finalize(MODEL, ModelStatus.FAILED, models, at_ms=6))[1]
    said += await changes.add_params(MODEL, {"depth": "3", "rate": "0.1"}, models)
    said += await changes.tag(MODEL, {"a": "2", "c": "3"}, models)
    said += await changes.tag(MODEL, {"b": None}, models)
    said += await changes.delete(MODEL, models, by="ada (mlflow)", at_ms=7)
    heard = {subscription.message: subscription.handler for subscription in REPLAYED}

    for fact in said:
        assert await heard[type(fact)](fact, models=retold) == []

    assert {type(fact) for fact in said} == set(heard)
    assert await retold.get(MODEL) == await models.get(MODEL)
    assert await retold.records([MODEL]) == await models.records([MODEL])
