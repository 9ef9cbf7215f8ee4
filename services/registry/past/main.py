"""Puts a rebuilding of the registry together: the service's own adapters, told its log instead of the bus."""

from contracts.message import utc_now
from everloop.bundle.manifest import read_manifest
from services.registry.bundles import StoredBundles
from services.registry.main import PORTS
from services.registry.past.ports import KnownExperiments, Log, Records
from services.registry.past.rebuilding import Rebuilt, rebuild
from services.registry.past.store import SqlKnownExperiments
from services.registry.past.versions import Unsettled
from services.registry.ports import Bundles
from services.registry.settings import RegistrySettings


async def rebuild_from(log: Log, settings: RegistrySettings, *, replace: bool, partly: bool = False) -> Rebuilt:
    """Make the registry's database again from its log.

    Raises:
        RejectedError: The registry runs, its database is not empty, or the log is, or cannot be replayed.
    """
    bundles, records, unsettled = StoredBundles(), StoredBundles(read_manifest), Unsettled()
    ports = {
        **PORTS,
        KnownExperiments: SqlKnownExperiments,
        Bundles: lambda _: bundles,
        Records: lambda _: records,
        Unsettled: lambda _: unsettled,
    }
    url = settings.database_for("registry")
    return await rebuild(url, log, ports, replace=replace, partly=partly, now=utc_now())
