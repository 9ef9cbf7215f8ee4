"""What becomes of a version that was only logged, once it is to answer requests. No I/O."""

from dataclasses import dataclass

from contracts.model import Digest, Uri

LOGGED = "logged"
"""Directory of the store that holds these bundles, each named by its digest."""
ELSEWHERE = "its files are kept elsewhere, where nobody guards them; log it through this registry"
LONGEST_OBSTACLE = 1000


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle, or why there is none."""

    bundle_uri: Uri | None = None
    bundle_digest: Digest | None = None
    obstacle: str | None = None

    @property
    def told(self) -> str:
        """Say in a sentence how it is served, or why not."""
        return f"serving loads the bundle {self.bundle_digest}" if self.bundle_uri else f"not served: {self.obstacle}"
