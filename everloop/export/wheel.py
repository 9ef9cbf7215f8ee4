"""A wheel that holds the bundle: ``pip install`` it, ``import`` it, ask it. The same version gives the same bytes."""

import base64
import hashlib
from importlib.metadata import version as installed
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from contracts.bundle import BundleFile
from everloop.bundle.model import Scores
from everloop.export.source import Source
from everloop.export.trial import answers_apart

TIME = (1980, 1, 1, 0, 0, 0)
SHORT_DIGEST = 12

_MODULE = '''"""{title}, as a dependency.

    >>> import {package}
    >>> {package}.predict([{{...}}])
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from everloop.models.loading import load_bundle

if TYPE_CHECKING:
    import numpy as np

    from everloop import LoadedModel
    from everloop.bundle.asking import Rows

VERSION = {version}
DIGEST = "{digest}"
BUNDLE = Path(__file__).parent / "bundle"


@cache
def load() -> "LoadedModel":
    """Load the model, every digest verified; once per process."""
    return load_bundle(str(BUNDLE), DIGEST, version=VERSION)


def predict(rows: "Rows") -> "np.ndarray":
    """Score rows: columns, a list of rows, Arrow, pandas or Polars; shape (n,), float64."""
    return load().predict(rows)
'''


def write(source: Source, directory: Path) -> Scores:
    """Write the wheel."""
    package = f"{source.name}_model"
    number = str(source.version) if source.version else f"0+{source.digest.removeprefix('sha256:')[:SHORT_DIGEST]}"
    information = f"{package}-{number}.dist-info"
    module = _MODULE.format(title=source.title, package=package, version=source.version, digest=source.digest)
    files = {
        f"{package}/__init__.py": module.encode(),
        f"{package}/py.typed": b"",
        **{f"{package}/bundle/{name}": content for name, content in source.files.items()},
        f"{information}/METADATA": _metadata(source, package, number),
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nGenerator: everloop\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{information}/RECORD"
    files[record] = _record({**files, record: None})
    wheel = directory / f"{package}-{number}-py3-none-any.whl"
    wheel.write_bytes(_zip(files))
    return _answers(wheel, package)


def _metadata(source: Source, package: str, number: str) -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {package.replace('_', '-')}",
        f"Version: {number}",
        f"Summary: {source.title}, bundle {source.digest}",
        "Requires-Python: >=3.11",
        f"Requires-Dist: everloop>={installed('everloop')}",
        *(f"Requires-Dist: {name}>={version}" for name, version in source.requirements().items()),
        "Description-Content-Type: text/markdown",
    ]
    return ("\n".join(lines) + "\n\n").encode() + source.files[BundleFile.CARD]


def _record(files: dict[str, bytes | None]) -> bytes:
    return "".join(f"{name},{_hashed(content)}\n" for name, content in sorted(files.items())).encode()


def _hashed(content: bytes | None) -> str:
    if content is None:
        return ","
    hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={hashed},{len(content)}"


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=6) as archive:
        # What describes the wheel comes last, as installers like it.
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            entry = ZipInfo(name, date_time=TIME)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _answers(wheel: Path, package: str) -> Scores:
    """Ask the module as it is once installed."""
    unpacked = wheel.with_suffix("")
    with ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    program = f"""
import json
import {package} as model
inputs = json.loads((model.BUNDLE / "golden.json").read_text())["inputs"]
print(json.dumps(model.predict(inputs).tolist()))
"""
    return answers_apart(program, path=unpacked)
