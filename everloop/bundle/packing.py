"""Makes a bundle of what an MLflow client logged, or says in a sentence why no service could load it.

A process of its own: ``python -m everloop.bundle.packing``, spec in, report out. Model files are of any making, and one
that takes all memory, never returns or ends its process must not take the registry along.
"""

import json
import sys
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from contracts.bundle import (
    DataType,
    GoldenRequests,
    LoggedArtifact,
    LoggedFile,
    LoggedOrigin,
    ModelFormat,
    Signature,
    TensorSpec,
)
from contracts.packing import PackingReport, PackingSpec
from everloop import storage
from everloop.bundle.manifest import MODEL_FILES, UNTOLD, BundleError, Place, canonical, write_logged
from everloop.bundle.mlmodel import example_of, inputs_of, made_up, model_file
from everloop.bundle.rows import SCORE, InputError

LONGEST_WHY = 500
FIRST = "input"
"""Name of a tensor that nobody named."""


def pack(spec: PackingSpec) -> PackingReport:
    """Make a bundle. The same files give the same bundle.

    Raises:
        StorageError: The files can't be read, or the bundle not be written.
    """
    try:
        with TemporaryDirectory(prefix="everloop-packing-") as temporary:
            place = _pack(spec, Path(temporary))
    except (BundleError, InputError) as error:
        why = error.detail if isinstance(error, BundleError) else str(error)
        return PackingReport(obstacle=why if len(why) <= LONGEST_WHY else f"{why[: LONGEST_WHY - 1]}…")
    return PackingReport(bundle_uri=place.uri, bundle_digest=place.digest)


def _pack(spec: PackingSpec, directory: Path) -> Place:
    names = storage.list(spec.files_uri)
    if LoggedFile.DESCRIPTION not in names:
        raise BundleError("unfit", "there is no MLmodel file where its source leads")
    content = storage.read_bytes(storage.join(spec.files_uri, LoggedFile.DESCRIPTION))
    described = _described(content)
    # Before anything large is fetched: most that is refused is refused by its flavor.
    file, kind = model_file(described)
    if file not in names:
        raise BundleError("unfit", f"its MLmodel file names {file}, which was not logged")
    # A second of imports, and onnxruntime's memory.
    from everloop.bundle.logged import LoggedScorer, try_out

    for name in names:
        storage.get_file(storage.join(spec.files_uri, name), directory / name)
    is_onnx = kind is ModelFormat.ONNX
    model = _in_one_piece(directory / file) if is_onnx else (directory / file).read_bytes()
    inputs = inputs_of(described, _first_input(model) if is_onnx else FIRST)
    scorer = LoggedScorer(model, inputs, kind)
    example = example_of(_logged_example(described, directory), inputs)
    scores = try_out(scorer, example or made_up(inputs))
    origin = LoggedOrigin(
        source=spec.source,
        run_id=spec.run_id,
        model_id=spec.model_id,
        files=tuple(_artifact(directory, name) for name in names),
    )
    files = {
        MODEL_FILES[kind].value: model,
        LoggedFile.DESCRIPTION.value: content,
        LoggedFile.CARD.value: _card(origin, inputs, golden=example is not None),
    }
    if example is not None:
        files[LoggedFile.GOLDEN.value] = canonical(_golden(example, scores.tolist()))
    signature = Signature(inputs=inputs, outputs=(TensorSpec(name=SCORE, datatype=DataType.FP64),))
    return write_logged(spec.bundles_uri, files, kind=kind, signature=signature, logged=origin)


def _described(content: bytes) -> dict[str, Any]:
    import yaml

    try:
        described = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError("unfit", f"its MLmodel file can't be read: {error}") from error
    if not isinstance(described, dict):
        raise BundleError("unfit", "its MLmodel file describes nothing")
    return described


def _in_one_piece(file: Path) -> bytes:
    """Read a model file, with the weights that MLflow's clients leave beside it in it."""
    import onnx
    from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]

    content = file.read_bytes()
    try:
        bare = onnx.load_model_from_string(content)
        if all(one.data_location != onnx.TensorProto.EXTERNAL for one in bare.graph.initializer):
            return content
        return bytes(onnx.load_model(file).SerializeToString(deterministic=True))
    except (DecodeError, EncodeError, ValueError, onnx.checker.ValidationError) as error:
        raise BundleError("unfit", f"{file.name} can't be read as ONNX: {error}") from error


def _first_input(model: bytes) -> str:
    import onnx

    graph = onnx.load_model_from_string(model).graph
    weights = {one.name for one in graph.initializer}
    return next((one.name for one in graph.input if one.name not in weights), FIRST)


def _logged_example(described: dict[str, Any], directory: Path) -> Any:
    name = (described.get("saved_input_example_info") or {}).get("serving_input_path")
    if not name or PurePosixPath(name).name != name or not (directory / name).is_file():
        return None
    try:
        return json.loads((directory / name).read_bytes())
    except ValueError:
        return None


def _golden(example: Any, scores: list[float]) -> GoldenRequests:
    try:
        return GoldenRequests(inputs=example, scores=tuple(scores))
    except ValueError as error:
        raise BundleError("unfit", f"its input example, or the answer to it, is not finite: {error}") from error


def _artifact(directory: Path, name: str) -> LoggedArtifact:
    file = directory / name
    return LoggedArtifact(path=name, digest=storage.digest_file(file), size_bytes=file.stat().st_size)


def _card(origin: LoggedOrigin, inputs: tuple[TensorSpec, ...], *, golden: bool) -> bytes:
    columns = "\n".join(f"| `{spec.name}` | {spec.datatype.value} | {_yes(spec.nullable)} |" for spec in inputs)
    asked = "the input example that was logged" if golden else "nothing: no input example was logged"
    return f"""# A model that an MLflow client logged

Source `{origin.source}`, run {origin.run_id or "unknown"}, logged model {origin.model_id or "unknown"}.
{UNTOLD[0].upper()}{UNTOLD[1:]}. Replicas are tried with {asked}.

| Column | Type | May be missing |
|---|---|---|
{columns}
""".encode()


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def main() -> None:
    """Read a spec from standard input, and write the report to standard output."""
    report = pack(PackingSpec.model_validate_json(sys.stdin.buffer.read()))
    sys.stdout.write(report.model_dump_json())


if __name__ == "__main__":
    main()
