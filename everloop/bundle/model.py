"""A model version that answers: verified, loaded and asked the same way by jobs, replicas and people."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import pyarrow as pa
from numpy.typing import NDArray

from contracts.bundle import BundleFile, GoldenRequests, Manifest, OptionalFile, Preparation, Signature
from contracts.model import Digest, Uri
from contracts.pipeline import PipelineDefinition
from everloop.bundle.code import PIPELINE, load_pipeline, unpack
from everloop.bundle.explaining import Attributions, Explainer, make_explainer
from everloop.bundle.manifest import BundleError, read_files, read_manifest
from everloop.bundle.preparation import Preparer
from everloop.bundle.rows import SCORE, FeatureRows, typed_rows
from everloop.sdk import Features

Scores = NDArray[np.float64]
Columns = Mapping[str, Sequence[object]]
"""Plain values by column, all of one length."""
FEATURES = "features"
"""Name of the model file's one input: the prepared matrix, float32, shape (rows, columns)."""


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Open a model file, to be asked from one thread at a time.

    Raises:
        Exception: Of onnxruntime's, if it is no such file.
    """
    options = onnxruntime.SessionOptions()
    # One row is the common request: a thread pool would cost more than it gives, and reorder sums.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_answers(predict: Callable[[Columns], Scores], golden: GoldenRequests, max_difference: float) -> float:
    """Ask golden requests again, all at once and the first one alone.

    Returns:
        The largest difference from the recorded answers.

    Raises:
        BundleError: It is larger than allowed.
    """
    first = {name: values[:1] for name, values in golden.inputs.items()}
    answers = np.append(predict(golden.inputs), predict(first))
    expected = np.append(golden.scores, golden.scores[:1])
    difference = float(np.max(np.abs(answers - expected)))
    if not difference <= max_difference:
        raise BundleError("golden_mismatch", f"answers differ by {difference:g}, allowed {max_difference:g}")
    return difference


class Scorer:
    """Feature function, preparation and model file, one after the other."""

    def __init__(self, features: Features, preparation: Preparation, model: bytes) -> None:
        self._parts = (features, preparation, model)
        self._features = features
        self._prepare = Preparer(preparation)
        self._session = open_session(model)

    def __call__(self, rows: pa.Table) -> Scores:
        """Score rows.

        Args:
            rows: The dataset's feature columns, n rows.

        Returns:
            Shape (n,): the probability of the label, or the estimated value.
        """
        return self.score_matrix(self.matrix(rows))

    def matrix(self, rows: pa.Table) -> NDArray[np.float32]:
        """Prepare rows for the model file, shape (n, columns)."""
        return self._prepare(self._features(rows))

    def __reduce__(self) -> tuple[type["Scorer"], tuple[Features, Preparation, bytes]]:
        """Travel to a Ray worker as parts: a session can't."""
        return Scorer, self._parts

    def score_matrix(self, matrix: NDArray[np.float32]) -> Scores:
        """Score prepared rows, shape (n, columns)."""
        (answer,) = self._session.run([SCORE], {FEATURES: matrix})
        return np.asarray(answer, dtype=np.float64).reshape(-1)


class Model:
    """One version, loaded from its bundle with every digest verified."""

    def __init__(
        self,
        manifest: Manifest,
        definition: PipelineDefinition,
        golden: GoldenRequests,
        scorer: Scorer,
        explainer: Callable[[], Explainer],
    ) -> None:
        self._parts = (manifest, definition, golden, scorer, explainer)
        self.manifest = manifest
        self.definition = definition
        self.golden = golden
        self._scorer = scorer
        self._rows = FeatureRows(definition.dataset)
        # Made when the first explanation is asked for: reading trees costs more than loading the model.
        self._explainer = cache(explainer)

    @property
    def signature(self) -> Signature:
        """What it is asked with and what it answers."""
        return self.manifest.signature

    @property
    def max_golden_difference(self) -> float:
        """How far golden answers may be off."""
        return self.definition.rollout.max_golden_difference

    @classmethod
    def load(cls, bundle_uri: Uri, digest: Digest | None, cache_dir: Path | None = None) -> "Model":
        """Fetch a bundle, verify every file and make it ready to answer.

        Args:
            bundle_uri: Directory of the bundle.
            digest: The bundle's digest; None trusts the manifest that is there, not the files.
            cache_dir: Where the code snapshot is unpacked; unset: one that is gone afterwards.

        Raises:
            BundleError: A digest disagrees, or the code does not import.
            StorageError: A file is not there.
        """
        manifest = read_manifest(bundle_uri, digest)
        files = read_files(bundle_uri, manifest)
        code_digest = manifest.entry(BundleFile.CODE).digest.removeprefix("sha256:")
        with TemporaryDirectory(prefix="everloop-code-") as temporary:
            directory = (cache_dir or Path(temporary)) / code_digest
            unpack(files[BundleFile.CODE], directory, PIPELINE)
            features = load_pipeline(directory / PIPELINE).features
        preparation = Preparation.model_validate_json(files[BundleFile.PREPARATION])
        scorer = Scorer(features, preparation, files[BundleFile.MODEL])
        explaining = {name: files[name] for name in files.keys() & set(OptionalFile)}
        return cls(
            manifest,
            PipelineDefinition.model_validate_json(files[BundleFile.DEFINITION]),
            GoldenRequests.model_validate_json(files[BundleFile.GOLDEN]),
            scorer,
            partial(make_explainer, explaining, manifest.objective, preparation, scorer.score_matrix),
        )

    def __reduce__(self) -> tuple[type["Model"], tuple[object, ...]]:
        """Travel to a Ray worker as parts: an explainer that is made once can't."""
        return type(self), self._parts

    def predict(self, columns: Columns) -> Scores:
        """Score rows given as plain values by feature column.

        Returns:
            Shape (n,): the probability of the label, or the estimated value.

        Raises:
            InputError: The columns are not the signature's.
        """
        return self._scorer(self._rows(columns))

    def explain(self, columns: Columns) -> Attributions:
        """Tell what each of the model's columns added to the scores of rows, given as for ``predict``.

        Raises:
            BundleError: The bundle holds nothing to explain with, LightGBM is not installed, or what was found does
                not add up to the scores.
            InputError: The columns are not the signature's.
        """
        return self._explainer()(self.prepared(columns))

    def prepared(self, columns: Columns) -> NDArray[np.float32]:
        """Prepare rows, given as for ``predict``, for the model file: shape (n, columns).

        Raises:
            InputError: The columns are not the signature's.
        """
        return self._scorer.matrix(self._rows(columns))

    def predict_table(self, rows: pa.Table) -> Scores:
        """Score rows that already have the dataset's types; other columns are ignored.

        Raises:
            InputError: A column holds a number that is not finite where it must not.
        """
        return self._scorer(typed_rows(rows, self.definition.dataset))

    def check_golden(self, max_difference: float) -> float:
        """Ask the golden requests again; as `check_answers`."""
        return check_answers(self.predict, self.golden, max_difference)
