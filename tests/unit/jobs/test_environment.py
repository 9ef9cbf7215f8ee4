import sys
import sysconfig
from pathlib import Path

import pytest

from contracts.bundle import Environment
from ray_jobs.environment import differences, digest_of, installed

ONE = Environment(python="3.11.7", platform="linux-x86_64", packages={"numpy": "2.4.6", "onnx": "1.23.2"})


def test_the_installed_software_is_named_as_packages_name_themselves() -> None:
    found = installed()

    assert "scikit-learn" in found.packages
    assert "everloop" not in found.packages
    assert digest_of(found) == digest_of(installed())


def test_every_difference_is_named() -> None:
    other = Environment(python="3.12.1", platform="linux-x86_64", packages={"numpy": "2.3.0", "torch": "2.9.0"})

    assert differences(ONE, ONE) == ()
    assert differences(ONE, other) == (
        "numpy: 2.4.6 expected, 2.3.0 found",
        "onnx: 1.23.2 expected, absent found",
        "python: 3.11.7 expected, 3.12.1 found",
        "torch: absent expected, 2.9.0 found",
    )


def test_the_order_of_packages_does_not_matter_to_the_digest() -> None:
    turned = ONE.model_copy(update={"packages": dict(reversed(ONE.packages.items()))})

    assert digest_of(turned) == digest_of(ONE)


def test_what_a_package_brings_along_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """setuptools puts its own folder on the path once it is imported, and some library may import it."""
    before = installed()
    brought = Path(sysconfig.get_path("purelib")) / "setuptools" / "_vendor"
    assert list(brought.glob("*.dist-info"))

    monkeypatch.setattr(sys, "path", [*sys.path, str(brought)])

    assert installed() == before
