"""What the facts about what was collected say of the state. Their files are erased again, if they are there yet."""

from collections.abc import Sequence

from contracts.logged_models import LoggedModelCollected
from contracts.message import Message
from contracts.tracking import ExperimentCollected, RunCollected
from services.chassis.subscriptions import Subscription
from services.registry.garbage.domain import Place
from services.registry.garbage.ports import Erasures, Heap


async def run_collected(event: RunCollected, heap: Heap, erasures: Erasures) -> list[Message]:
    """Forget a run."""
    return await _erase(await heap.drop_runs([event.run_id]), erasures)


async def model_collected(event: LoggedModelCollected, heap: Heap, erasures: Erasures) -> list[Message]:
    """Forget a logged model."""
    return await _erase(await heap.drop_logged_models([event.model_id]), erasures)


async def experiment_collected(event: ExperimentCollected, heap: Heap) -> list[Message]:
    """Forget an experiment but for its number."""
    await heap.drop_experiment(event.experiment_id)
    return []


async def _erase(places: Sequence[Place], erasures: Erasures) -> list[Message]:
    for place in places:
        await erasures.add(place)
    return []


REPLAYED = (
    Subscription(RunCollected, run_collected),
    Subscription(LoggedModelCollected, model_collected),
    Subscription(ExperimentCollected, experiment_collected),
)
