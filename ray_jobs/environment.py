"""The software a run uses: named, digested and compared."""

import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from contracts.bundle import Environment
from contracts.model import Digest
from everloop import storage
from everloop.bundle.manifest import canonical

# The code snapshot pins our own code better than a version number does.
_OWN = "everloop"


class EnvironmentRefusedError(Exception):
    """The run was pinned to other software than is installed here."""


def installed() -> Environment:
    """Look at what is installed for this interpreter."""
    packages: dict[str, str] = {}
    for distribution in distributions(path=list(_searched())):
        if distribution.name:
            # As for an import, what is found first counts.
            packages.setdefault(re.sub(r"[-_.]+", "-", distribution.name).lower(), distribution.version)
    packages.pop(_OWN, None)
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}".lower(),
        packages=dict(sorted(packages.items())),
    )


def _searched() -> Iterator[str]:
    """Give the folders that imports look into, without those inside of packages.

    A package may add a folder of its own while it is imported, as setuptools does with the packages it brings along.
    Whether it was imported must not make another environment.
    """
    sites = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")]
    for entry in sys.path:
        if not any(site in Path(entry).parents for site in sites):
            yield entry


def digest_of(environment: Environment) -> Digest:
    """Digest an environment: equal software, equal digest."""
    return storage.digest(canonical(environment))


def differences(expected: Environment, found: Environment) -> tuple[str, ...]:
    """Name what differs, one line each, such as ``numpy: 2.4.6 expected, 2.3.0 found``."""
    before = {"python": expected.python, "platform": expected.platform, **expected.packages}
    after = {"python": found.python, "platform": found.platform, **found.packages}
    return tuple(
        f"{name}: {before.get(name, 'absent')} expected, {after.get(name, 'absent')} found"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )
