"""The references in bundles, read from where the bundles are."""

import asyncio

from pydantic import ValidationError

from contracts.bundle import BundleFile, LoggedManifest
from contracts.profile import Reference
from everloop.bundle.manifest import BundleError, read_contents, read_file
from everloop.storage import StorageError
from services.chassis.errors import MalformedError, TransientError


class BundleReferences:
    """References in bundles, each file held against its digest."""

    async def read(self, bundle_uri: str, bundle_digest: str) -> Reference | None:
        """Read a bundle's reference."""
        try:
            return await asyncio.to_thread(_read, bundle_uri, bundle_digest)
        except StorageError as error:
            raise TransientError("bundle_unreadable", detail=str(error)) from error
        except BundleError as error:
            raise MalformedError(f"bundle_{error.slug}", detail=error.detail) from error
        except ValidationError as error:
            raise MalformedError("reference_invalid", bundle_uri=bundle_uri, detail=str(error)) from error


def _read(bundle_uri: str, bundle_digest: str) -> Reference | None:
    manifest = read_contents(bundle_uri, bundle_digest)
    if isinstance(manifest, LoggedManifest):
        return None
    return Reference.model_validate_json(read_file(bundle_uri, manifest, BundleFile.REFERENCE))
