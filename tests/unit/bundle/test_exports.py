import subprocess
import sys

import pytest

import everloop


def test_every_name_of_the_sdk_is_exported() -> None:
    from everloop import sdk

    for name in set(sdk.__all__) - {"Features"}:
        assert getattr(everloop, name) is getattr(sdk, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        everloop.Nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"onnxruntime", "lightgbm", "ray", "torch"}
    code = f"import sys, everloop, everloop.sdk as _; print({heavy} & sys.modules.keys())"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
