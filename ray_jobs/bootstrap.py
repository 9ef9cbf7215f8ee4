"""Start a job from a code snapshot: fetch it, verify it, unpack it once, and become the job.

::

    python -m ray_jobs.bootstrap <code uri> <digest> <cache directory> <module> <arguments>
"""

import os
import sys
from pathlib import Path
from uuid import uuid4

from everloop import storage
from everloop.bundle.code import PLATFORM, unpack
from everloop.bundle.manifest import BundleError


def fetch(uri: str, digest: str, cache: Path) -> Path:
    """Unpack a snapshot where it is not yet; safe beside others that do the same.

    Returns:
        The directory that holds ``pipeline/`` and ``platform/``.

    Raises:
        BundleError: The bytes are not the expected ones.
        StorageError: They can't be read.
    """
    directory = cache / digest.removeprefix("sha256:")
    if directory.is_dir():
        return directory
    code = storage.read_bytes(uri)
    if (found := storage.digest(code)) != digest:
        raise BundleError("digest_mismatch", f"the code at {uri} is {found}, expected {digest}")
    partial = cache / f".{directory.name}.{uuid4().hex}"
    unpack(code, partial)
    try:
        partial.rename(directory)
    except OSError:
        # Another job was faster; its directory has the same bytes.
        if not directory.is_dir():
            raise
    return directory


def main() -> None:
    """Replace this process by the job: same process id, same output, the snapshot's code."""
    uri, digest, cache, module, *arguments = sys.argv[1:]
    code = fetch(uri, digest, Path(cache))
    path = os.pathsep.join(filter(None, [str(code / PLATFORM), os.environ.get("PYTHONPATH")]))
    # -P: the directory the job happens to be started in must not win over the snapshot.
    os.execve(  # noqa: S606 - no shell is wanted
        sys.executable, [sys.executable, "-P", "-m", module, *arguments], {**os.environ, "PYTHONPATH": path}
    )


if __name__ == "__main__":
    main()
