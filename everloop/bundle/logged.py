"""A model that was only logged, as it answers: its columns in, one number a row out."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from contracts.bundle import GoldenRequests, LoggedFile, LoggedManifest, Manifest, ModelFormat, Signature, TensorSpec
from contracts.model import Digest, Uri
from contracts.rollout import Rollout
from everloop.bundle.explaining import Attributions
from everloop.bundle.manifest import MODEL_FILES, BundleError, read_contents, read_files
from everloop.bundle.model import Columns, Model, Scores, check_answers, open_session
from everloop.bundle.rows import InputError
from everloop.bundle.tensors import feeding, matrix_of, scores_of

CATEGORIES = re.compile(r"^pandas_categorical:\[.*\S.*\]$", re.MULTILINE)


Answer = Callable[[Columns, int], Scores]
"""Answers so many rows by one number each."""


class LoggedScorer:
    """A model file that was logged, asked by the columns of its signature."""

    def __init__(self, model: bytes, inputs: tuple[TensorSpec, ...], kind: ModelFormat = ModelFormat.ONNX) -> None:
        """Open the file.

        Raises:
            BundleError: It can't be opened, or takes something else than the signature says.
        """
        self._answer = _trees(model, inputs) if kind is ModelFormat.LIGHTGBM else _onnx(model, inputs)
        self._names = [spec.name for spec in inputs]

    def __call__(self, columns: Columns) -> Scores:
        """Score rows.

        Returns:
            Shape (n,): what the model itself answers, or of a binary classifier the probability of its second class.

        Raises:
            BundleError: The model answers something else than one number a row.
            InputError: The columns are not the signature's.
        """
        if columns.keys() != {*self._names}:
            raise InputError(f"the inputs are {', '.join(self._names)}")
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise InputError(f"columns have different lengths: {sorted(lengths)}")
        return self._answer(columns, lengths.pop())


class LoggedModel:
    """One logged version, loaded from its bundle with every digest verified."""

    def __init__(self, manifest: LoggedManifest, golden: GoldenRequests | None, scorer: LoggedScorer) -> None:
        self.manifest = manifest
        self.golden = golden
        self.max_golden_difference = Rollout().max_golden_difference
        self._scorer = scorer

    @classmethod
    def of(cls, bundle_uri: Uri, manifest: LoggedManifest) -> "LoggedModel":
        """Fetch a bundle's files, verify each and make them ready to answer.

        Raises:
            BundleError: A digest disagrees, or the model file can't be opened.
            StorageError: A file is not there.
        """
        files = read_files(bundle_uri, manifest)
        golden = files.get(LoggedFile.GOLDEN)
        return cls(
            manifest,
            GoldenRequests.model_validate_json(golden) if golden else None,
            LoggedScorer(files[MODEL_FILES[manifest.format]], manifest.signature.inputs, manifest.format),
        )

    @property
    def signature(self) -> Signature:
        """What it is asked with and what it answers."""
        return self.manifest.signature

    def predict(self, columns: Columns) -> Scores:
        """Score rows given as plain values by column; as `LoggedScorer`."""
        return self._scorer(columns)

    def explain(self, columns: Columns) -> Attributions:
        """Tell that there is nothing to explain with.

        Raises:
            BundleError: Always.
        """
        raise BundleError("nothing_to_explain_with", "it was only logged, with neither trees nor background rows")

    def check_golden(self, max_difference: float) -> float:
        """Ask the golden requests again, where an input example was logged; as `check_answers`."""
        return check_answers(self.predict, self.golden, max_difference) if self.golden else 0.0


def _onnx(model: bytes, inputs: tuple[TensorSpec, ...]) -> Answer:
    try:
        session = open_session(model)
    except Exception as error:  # whatever onnxruntime raises: its errors have no base of their own
        raise BundleError("unfit", f"onnxruntime can't open the model file: {error}") from error
    feed = feeding(session.get_inputs(), inputs)
    return lambda columns, rows: scores_of(session.run(None, feed(columns)), rows)


def _trees(model: bytes, inputs: tuple[TensorSpec, ...]) -> Answer:
    """Read LightGBM's text, which is no code. It compares float64 with its thresholds, as it did when it was logged."""
    try:
        import lightgbm
    except ImportError as error:
        raise BundleError("lightgbm_missing", "it answers for its trees; pip install 'everloop[explain]'") from error

    try:
        text = model.decode()
        booster = lightgbm.Booster(model_str=text)
    except (UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
        raise BundleError("unfit", f"LightGBM can't open the model file: {error}") from error
    if CATEGORIES.search(text):
        raise BundleError("unfit", "its trees know categories of a data frame, which no row of a service holds")
    if booster.num_feature() != len(inputs):
        raise BundleError("unfit", f"its trees take {booster.num_feature()} columns; its signature has {len(inputs)}")
    matrix = matrix_of(inputs)
    # One row is the common request: threads would cost more than they give.
    return lambda columns, rows: scores_of([booster.predict(matrix(columns), num_threads=1)], rows)


def load_any(bundle_uri: Uri, digest: Digest | None, cache_dir: Path | None = None) -> Model | LoggedModel:
    """Load a version from its bundle, whoever made it; as `Model.load`.

    Raises:
        BundleError: A digest disagrees, or what it holds can't be made ready to answer.
        StorageError: A file is not there.
    """
    manifest = read_contents(bundle_uri, digest)
    if isinstance(manifest, Manifest):
        return Model.load(bundle_uri, digest, cache_dir)
    return LoggedModel.of(bundle_uri, manifest)


def try_out(scorer: LoggedScorer, columns: Columns) -> Scores:
    """Ask rows together and the first one alone, as replicas will.

    Raises:
        BundleError: A row is answered otherwise alone than among others, or not by one number.
    """
    together = scorer(columns)
    first = {name: values[:1] for name, values in columns.items()}
    if not np.allclose(scorer(first), together[:1], rtol=1e-5, atol=1e-6, equal_nan=True):
        raise BundleError("unfit", "it answers a row otherwise alone than among others")
    return together
