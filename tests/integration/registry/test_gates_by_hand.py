"""Gates and waivers of a model without a pipeline, from the command line."""

from pathlib import Path

from services.registry.keys import key_of
from tests.fixtures.mlflow import S3, registry_of
from tests.fixtures.services import World
from tests.integration.registry.test_approvals import everloop

NAME = "Late flights"
KEY = key_of(NAME)


async def test_the_command_line_declares_gates_and_waives_them(sqlite_world: World, tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text('[[gates]]\nkind = "absolute"\nmetric = "auc"\nat_least = 0.6\n')
    async with registry_of(sqlite_world) as client:
        await client.create_registered_model(NAME)
        await client.create_model_version(NAME, S3)
        who = ("--reason", "as good as by hand", "--by", "ada")

        declared = await everloop(sqlite_world, client.url, "gates", NAME, str(file), *who)
        refused = await client.refused("set_registered_model_alias", NAME, "champion", 1)
        waived = await everloop(sqlite_world, client.url, "waive", NAME, "1", *who)
        again = await everloop(sqlite_world, client.url, "waive", NAME, "1", *who)
        await client.set_registered_model_alias(NAME, "champion", 1)

        assert declared == (0, f"Versions of {KEY} are held against these gates before one is champion.\n")
        assert "auc was not measured" in refused
        assert waived == (0, f"Version 1 of {KEY} may be champion.\n")
        assert again[0] != 0
        assert "nothing to waive" in again[1]
        assert (await client.get_model_version_by_alias(NAME, "champion")).version == "1"
