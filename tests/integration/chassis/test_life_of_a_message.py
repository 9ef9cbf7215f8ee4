"""A command becomes a row and a fact; once, in order, in one trace."""


from contracts.ingestion import IngestDataset
from contracts.serving import RolloutRolledBack, RolloutStarted
from services.chassis.service import Live
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import Counts, EchoSettings, build


async def count(live: Live, key: str) -> int:
    async with live.work.transaction(write=False) as transaction:
        return await transaction.port(Counts).of(key)


async def test_command_is_obeyed_and_its_facts_are_heard(world: World) -> None:
    async with world.running(build(world.settings(EchoSettings))) as echo:
        await world.publish(IngestDataset(pipeline="flights", uri="fine"), message_id="one")

        [fact] = await eventually(lambda: world.said(RolloutStarted))
        [echoed] = await eventually(lambda: world.said(RolloutRolledBack))

        assert echoed.rollout_id == fact.rollout_id
        assert await count(echo, "fine") == 1
        assert await count(echo, f"heard:{fact.rollout_id}") == 1
