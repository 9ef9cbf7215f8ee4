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
