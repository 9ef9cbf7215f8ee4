"""What the process is given, and gives back, that makes a bundle of what an MLflow client logged."""

from contracts.model import Contract, Digest, Uri


class PackingSpec(Contract):
    """What is to be packed, and where to.

    ``files_uri`` is the directory that holds the MLmodel file, ``bundles_uri`` that of bundles like this one.
    """

    files_uri: Uri
    bundles_uri: Uri
    source: str
    run_id: str | None = None
    model_id: str | None = None


class PackingReport(Contract):
    """The bundle, or in a sentence why no service could load it."""

    bundle_uri: Uri | None = None
    bundle_digest: Digest | None = None
    obstacle: str | None = None
