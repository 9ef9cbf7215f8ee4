"""The software a run uses: named, digested and compared."""

import platform
import re
from importlib.metadata import distributions

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
    packages = {
        re.sub(r"[-_.]+", "-", distribution.name).lower(): distribution.version
        for distribution in distributions()
        if distribution.name
    }
    packages.pop(_OWN, None)
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}".lower(),
        packages=dict(sorted(packages.items())),
    )


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
