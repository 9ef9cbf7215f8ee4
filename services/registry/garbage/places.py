"""Where in the store things have their files. No I/O."""

from uuid import UUID

from contracts.model import Uri
from services.chassis.errors import MalformedError
from services.registry.artifacts.domain import below
from services.registry.garbage.domain import Place

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


def of_bundle(bundle_uri: Uri, run_id: UUID) -> Place | None:
    """Find a version's files: its bundle, and what lies beside it; None if they are not where its run left them."""
    return Place(f"{RUNS}/{run_id}", keep_record=True) if f"/{RUNS}/{run_id}/" in bundle_uri else None
