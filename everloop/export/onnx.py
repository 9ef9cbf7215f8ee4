"""The model file for any ONNX runtime, with everything one must know to feed it.

The feature function is Python and can't be folded into the graph, so the input is the prepared matrix, and the page
beside the file says exactly what that is.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from contracts.bundle import BundleFile, NumericColumn, OrdinalColumn, PreparedColumn
from contracts.pipeline import Objective
from everloop.bundle.model import FEATURES, Scores
from everloop.bundle.rows import SCORE
from everloop.export.source import ExportError, Source

EXAMPLE = "example.json"


def write(source: Source, directory: Path) -> Scores:
    """Write ``model.onnx``, ``preparation.json``, ``example.json`` and a page that explains them."""
    matrix = source.model.prepared(source.model.golden.inputs)
    scores = source.model.predict(source.model.golden.inputs)
    (directory / BundleFile.MODEL).write_bytes(source.files[BundleFile.MODEL])
    (directory / BundleFile.PREPARATION).write_bytes(source.files[BundleFile.PREPARATION])
    example = {
        "inputs": source.model.golden.inputs,
        FEATURES: [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()],
        SCORE: scores.tolist(),
    }
    (directory / EXAMPLE).write_text(json.dumps(example, indent=1) + "\n")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(directory / BundleFile.MODEL, options, providers=["CPUExecutionProvider"])
    (directory / "README.md").write_text(_page(source, session))
    return _answers(session, json.loads((directory / EXAMPLE).read_text())[FEATURES])


def _answers(session: onnxruntime.InferenceSession, rows: Sequence[Sequence[float | None]]) -> Scores:
    """Ask as a stranger would, who has the written files only."""
    if fixed := [end for end in (*session.get_inputs(), *session.get_outputs()) if isinstance(end.shape[0], int)]:
        # Whoever asks with more rows than one would be answered, and warned at each request.
        raise ExportError(f"the model file says that {fixed[0].name} has {fixed[0].shape[0]} rows; it must say any")
    (scores,) = session.run([SCORE], {FEATURES: np.array(rows, dtype=np.float32)})
    return np.asarray(scores, dtype=np.float64).reshape(-1)


def _page(source: Source, session: onnxruntime.InferenceSession) -> str:
    columns = source.preparation.columns
    dataset = source.model.definition.dataset
    names = ", ".join(f"`{spec.name}`" for spec in source.model.manifest.signature.inputs)
    binary = source.model.manifest.objective is Objective.BINARY_CLASSIFICATION
    answer = f"the probability of `{dataset.label.name}`" if binary else f"the estimated `{dataset.label.name}`"
    prepared = "\n".join(f"| {place} | `{column.name}` | {_how(column)} |" for place, column in enumerate(columns))
    shape = f"({', '.join(map(str, session.get_outputs()[0].shape))})"
    return f"""# {source.title}

`{BundleFile.MODEL}` for any ONNX runtime. Bundle {source.digest}.

| | name | type | shape | |
|---|---|---|---|---|
| input | `{FEATURES}` | float32 | (rows, {len(columns)}) | the prepared matrix below; missing numbers are NaN |
| output | `{SCORE}` | float32 | {shape} | {answer} |

```python
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("{BundleFile.MODEL}", options)
scores, = session.run(["{SCORE}"], {{"{FEATURES}": np.array(rows, dtype=np.float32)}})
```

## What the file does not do

It does not compute features. In Everloop the pipeline's feature function, which is Python, turns {names}
into the columns below; whoever feeds this file must do the same. Where Python runs, the `mlflow` and `wheel` exports
do it for you.

## The matrix

Compute in float64, then round to float32. `{BundleFile.PREPARATION}` holds the numbers.

| column | feature | prepared |
|---|---|---|
{prepared}

## Check

`{EXAMPLE}` holds rows as Everloop is asked (`inputs`), their matrix (`{FEATURES}`, null is NaN) and the scores. On one
thread of a CPU, onnxruntime {onnxruntime.__version__} gave them to the bit when this was written. Several threads,
which are its default, may add up in another order: expect other last digits of float32 in large batches.
"""


def _how(column: PreparedColumn) -> str:
    if isinstance(column, NumericColumn):
        filled = "NaN" if column.fill is None else f"{column.fill!r} first"
        plain = (column.mean, column.scale) == (0.0, 1.0)
        moved = "as it is" if plain else f"(value − {column.mean!r}) / {column.scale!r}"
        return f"{moved}; missing: {filled}"
    if isinstance(column, OrdinalColumn):
        return f"place in the vocabulary of {len(column.vocabulary)}, from 0; unseen and missing: −1"
    return f"mean of the category, {len(column.means)} are known; unseen and missing: {column.default!r}"
