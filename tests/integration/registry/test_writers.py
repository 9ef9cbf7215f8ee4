"""Eight clients write at once, on SQLite and on PostgreSQL: nothing is lost, given twice or refused.

For a minute of it: ``python -m tests.load.registry_writers``.
"""

from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures.services import World
from tests.load.registry_writers import lost, write


async def test_many_writers_lose_nothing(world: World) -> None:
    async with world.running(build(world.settings(RegistrySettings))) as registry:
        story = await write(registry.url, writers=8, turns=6)

        assert story.refused == []
        assert len(story.numbers) == 8 * 6
        assert await lost(registry.url, story) == []
