"""Code snapshots: a pipeline's folder and the jobs that run it, as one zip with the same bytes every time."""

import hashlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from everloop.bundle.manifest import BundleError

if TYPE_CHECKING:
    from everloop.sdk import Pipeline

MAX_BYTES = 20 * 1024 * 1024
PIPELINE = "pipeline"
PLATFORM = "platform"
SAMPLES = ("sample.parquet", "sample.csv")
"""Rows to check a pipeline on; no part of its code."""
PRIVATE_PACKAGE = "_everloop_pipelines"
# What a run executes besides the pipeline; the face and the services stay out.
_PLATFORM_FILES = (
    "contracts",
    "ray_jobs",
    "everloop/__init__.py",
    "everloop/sdk.py",
    "everloop/storage.py",
    "everloop/lookup.py",
)
_PLATFORM_FOLDERS = ("everloop/bundle",)


def snapshot(pipeline_dir: Path) -> bytes:
    """Zip a pipeline's folder as ``pipeline/`` and the platform's job code as ``platform/``.

    Hidden files, caches, samples and the shipped pipelines are left out. Names are sorted and times fixed: equal code
    gives equal bytes.

    Raises:
        BundleError: The folder has no ``pipeline.py`` or holds more than 20 MiB.
    """
    if not (pipeline_dir / "pipeline.py").is_file():
        raise BundleError("no_pipeline", f"{pipeline_dir} holds no pipeline.py")
    root = Path(__file__).resolve().parents[2]
    files = {f"{PIPELINE}/{name}": path for name, path in pipeline_files(pipeline_dir).items()}
    for part in (*_PLATFORM_FILES, *_PLATFORM_FOLDERS):
        for path in _files(root / part):
            inside = path.relative_to(root).as_posix()
            if not inside.startswith("ray_jobs/pipelines/"):
                files[f"{PLATFORM}/{inside}"] = path
    if (size := sum(path.stat().st_size for path in files.values())) > MAX_BYTES:
        raise BundleError("code_too_large", f"{pipeline_dir} makes {size} bytes; keep data out, {MAX_BYTES} fit")
    return _zip({name: path.read_bytes() for name, path in files.items()})


def pipeline_files(pipeline_dir: Path) -> dict[str, Path]:
    """List the files of a pipeline's folder that a snapshot takes, by their path in it."""
    files = {path.relative_to(pipeline_dir).as_posix(): path for path in _files(pipeline_dir)}
    return {name: path for name, path in files.items() if name not in SAMPLES}


def unpack(code: bytes, directory: Path, part: str | None = None) -> None:
    """Unpack a snapshot.

    Args:
        code: The snapshot.
        directory: Where to.
        part: ``PIPELINE`` or ``PLATFORM``, to unpack no more than that.

    Raises:
        BundleError: It is no zip, or a name points outside of the directory.
    """
    try:
        with ZipFile(BytesIO(code)) as archive:
            for name in archive.namelist():
                if not (directory / name).resolve().is_relative_to(directory.resolve()):
                    raise BundleError("code_unsafe", f"{name} points outside of the snapshot")
            archive.extractall(
                directory, [name for name in archive.namelist() if not part or name.startswith(f"{part}/")]
            )
    except BadZipFile as error:
        raise BundleError("code_unreadable", str(error)) from error


def read_snapshot(code: bytes) -> dict[str, bytes]:
    """Read the files of a snapshot, by path.

    Raises:
        BundleError: It is no zip, or holds more than a snapshot may.
    """
    try:
        with ZipFile(BytesIO(code)) as archive:
            size = sum(info.file_size for info in archive.infolist())
            if size > MAX_BYTES:
                raise BundleError("code_too_large", f"a snapshot of {size} bytes; {MAX_BYTES} fit")
            return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    except BadZipFile as error:
        raise BundleError("code_unreadable", str(error)) from error


def load_pipeline(pipeline_dir: Path) -> "Pipeline":
    """Import ``pipeline.py`` of a folder (a working copy, or ``pipeline/`` of an unpacked snapshot).

    It becomes a private package of its own, so that two versions live side by side in one process and
    ``from . import sibling`` finds the files beside it.

    Raises:
        BundleError: The file is not there, fails to import, or exports no ``pipeline``.
    """
    from everloop.sdk import Pipeline

    path = pipeline_dir / "pipeline.py"
    if not path.is_file():
        raise BundleError("no_pipeline", f"{pipeline_dir} holds no pipeline.py")
    package = f"{PRIVATE_PACKAGE}.p{hashlib.sha256(str(pipeline_dir.resolve()).encode()).hexdigest()[:16]}"
    # Copied first: other threads import while this one looks.
    for name in list(sys.modules):
        if name == package or name.startswith(f"{package}."):
            del sys.modules[name]
    sys.modules.setdefault(PRIVATE_PACKAGE, _package(PRIVATE_PACKAGE, ()))
    sys.modules[package] = _package(package, (str(pipeline_dir),))
    spec = spec_from_file_location(f"{package}.pipeline", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    # A person's file may raise anything; where it came from is what they need to know.
    except Exception as error:
        raise BundleError("pipeline_fails", f"{path}: {type(error).__name__}: {error}") from error
    pipeline = getattr(module, "pipeline", None)
    if not isinstance(pipeline, Pipeline):
        raise BundleError("no_pipeline", f"{path} has no variable `pipeline` holding an everloop Pipeline")
    return pipeline


def _package(name: str, path: tuple[str, ...]) -> ModuleType:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [*path]
    return module_from_spec(spec)


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    return tuple(
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix != ".pyc"
        and not any(part.startswith(".") or part == "__pycache__" for part in file.relative_to(path).parts)
    )


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in sorted(files.items()):
            info = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()
