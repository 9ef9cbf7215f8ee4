"""An MLflow model directory: the bundle, the library that answers with it, and no pickle.

MLflow's own ``python_function`` flavor with a loader module. What the loader imports lies in ``code/``, so that
nothing of Everloop must be installed where it is served.
"""

import json
from pathlib import Path

from contracts.pipeline import Column, ColumnType
from everloop.bundle.model import Scores
from everloop.export.source import Source
from everloop.export.trial import answers_apart

LOADER = "everloop.export.pyfunc"
LIBRARY = ("contracts", "everloop/__init__.py", "everloop/sdk.py", "everloop/storage.py", "everloop/bundle")
REQUIRED = ("numpy", "onnxruntime", "pyarrow", "pydantic")
"""What the library imports; pinned, as what the feature code imports is, to what the model was trained with."""
BUNDLE, CODE, EXAMPLE = "bundle", "code", "input_example.json"
EXAMPLE_ROWS = 5

_TYPES = {
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "long",
    ColumnType.NUMBER: "double",
    ColumnType.STRING: "string",
    ColumnType.TIMESTAMP: "datetime",
}
_PROGRAM = f"""
import json, sys
import everloop
from {LOADER} import _load_pyfunc
assert everloop.__file__.startswith(sys.argv[2]), everloop.__file__
with open(sys.argv[1] + "/golden.json") as golden:
    print(json.dumps(_load_pyfunc(sys.argv[1]).predict(json.load(golden)["inputs"]).tolist()))
"""


def write(source: Source, directory: Path) -> Scores:
    """Write the model directory."""
    source.write_bundle(directory / BUNDLE)
    _write_library(directory / CODE)
    pinned = [f"{name}=={version}" for name, version in source.requirements("pandas", *REQUIRED).items()]
    # MLflow itself, as MLflow's own exports ask for it; any version with a loader module will do.
    (directory / "requirements.txt").write_text("\n".join(["mlflow", *pinned]) + "\n")
    (directory / "python_env.yaml").write_text(
        f"python: {source.environment.python}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
    )
    (directory / EXAMPLE).write_text(json.dumps(_example(source)) + "\n")
    (directory / "MLmodel").write_text(_description(source))
    return answers_apart(_PROGRAM, directory / BUNDLE, directory / CODE, path=directory / CODE)


def _description(source: Source) -> str:
    features = source.model.definition.dataset.features
    inputs = [{"type": _type(column), "name": column.name, "required": True} for column in features]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]
    metadata = {"everloop_model": source.name, "everloop_version": source.version, "bundle_digest": source.digest}
    # JSON is YAML; the rest is written for people.
    return f"""flavors:
  python_function:
    code: {CODE}
    data: {BUNDLE}
    env:
      virtualenv: python_env.yaml
    loader_module: {LOADER}
    python_version: {source.environment.python}
metadata: {json.dumps(metadata)}
saved_input_example_info:
  artifact_path: {EXAMPLE}
  pandas_orient: split
  type: dataframe
signature:
  inputs: {_quoted(json.dumps(inputs))}
  outputs: {_quoted(json.dumps(outputs))}
"""


def _type(column: Column) -> str:
    # pandas holds integers that are missing here and there as floats, and others not; MLflow casts neither way.
    return "any" if column.type is ColumnType.INTEGER and column.nullable else _TYPES[column.type]


def _example(source: Source) -> dict[str, object]:
    inputs = source.model.golden.inputs
    rows = [list(row) for row in zip(*(values[:EXAMPLE_ROWS] for values in inputs.values()), strict=True)]
    return {"columns": list(inputs), "data": rows}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write_library(code: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    own = Path(__file__).parent / "pyfunc.py"
    parts = [root / part for part in LIBRARY]
    found = [file for part in parts for file in (part.rglob("*.py") if part.is_dir() else (part,))]
    for file in (*found, own):
        to = code / file.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(file.read_bytes())
    (code / "everloop/export/__init__.py").write_text('"""How MLflow loads a bundle."""\n')
