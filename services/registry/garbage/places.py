"""Where in the store things have their files. No I/O."""

from uuid import UUID

from contracts.model import Uri
from services.chassis.errors import MalformedError
from services.registry.artifacts.domain import below
from services.registry.garbage.domain import Place
from services.registry.packing.domain import LOGGED

ARTIFACTS = "artifacts"
RUNS = "runs"


def of_artifacts(root_uri: Uri) -> Place | None:
    """Find the files of a run or a logged model; None if they are not kept here."""
    try:
        path = below(root_uri, "")
    except MalformedError:
        return None
    return Place(f"{ARTIFACTS}/{path.removesuffix('/artifacts')}") if path else None


def of_training_run(run_id: UUID) -> Place:
    """Find what a training run has left."""
    return Place(f"{RUNS}/{run_id}")


def of_bundle(bundle_uri: Uri, run_id: UUID | None) -> Place | None:
    """Find a version's files; None if they are not where they were left.

    Args:
        bundle_uri: Its bundle.
        run_id: The training run that left it; what lies beside it goes along. Unset: it was made of what was logged.
    """
    if run_id:
        return Place(f"{RUNS}/{run_id}", keep_record=True) if f"/{RUNS}/{run_id}/" in bundle_uri else None
    _, found, name = bundle_uri.rstrip("/").rpartition(f"/{LOGGED}/")
    return Place(f"{LOGGED}/{name}") if found and "/" not in name else None
