"""The tags the registry puts on its bundles itself, so that MLflow's clients can search for them."""

from services.registry.domain import ModelVersion

OWN = "everloop."
"""What the names of the registry's tags begin with; nobody else sets them."""
STATE = f"{OWN}state"
SERVING = f"{OWN}serving"
"""Of a champion that was only logged: what it is served as, or why it is not."""


def labels(version: ModelVersion) -> dict[str, str]:
    """Name what made a bundle, and where it stands."""
    lineage = version.lineage
    found = {
        STATE: version.state.value,
        f"{OWN}bundle_digest": version.bundle_digest,
        f"{OWN}dataset_version": str(lineage.dataset.version),
        f"{OWN}dataset_digest": lineage.dataset.digest,
        f"{OWN}code_digest": lineage.code_digest,
        f"{OWN}environment_digest": lineage.environment_digest,
    }
    return found | ({f"{OWN}commit": lineage.commit} if lineage.commit else {})
