"""What a model version is made of: a directory of files, named and digested by its manifest."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts.model import Contract, Digest, PipelineName, Scalar, Uri, VersionNumber
from contracts.pipeline import ColumnName, NonFinite, Objective

MANIFEST = "manifest.json"
"""File name of the manifest. Its digest is the bundle's digest."""


class BundleFile(StrEnum):
    """Files of a bundle besides the manifest."""

    MODEL = "model.onnx"
    PREPARATION = "preparation.json"
    REFERENCE = "reference.json"
    GOLDEN = "golden.json"
    METRICS = "metrics.json"
    ENVIRONMENT = "environment.json"
    DEFINITION = "definition.json"
    CODE = "code.zip"
    CARD = "card.md"


class OptionalFile(StrEnum):
    """Files that explain a model's answers: some bundles hold one or the other, those of before hold none."""

    TREES = "model.lgb.txt"
    BACKGROUND = "background.json"
    IMPORTANCE = "importance.json"


class ModelFormat(StrEnum):
    """How the model file is read. ONNX is read by onnxruntime, whatever trained it."""

    ONNX = "onnx"
    LIGHTGBM = "lightgbm"
    """LightGBM's own text, read by itself; only of what was logged."""


class LoggedFile(StrEnum):
    """Files of a bundle made of what an MLflow client logged, besides the manifest."""

    MODEL = "model.onnx"
    TREES = "model.lgb"
    """One of the two, by the bundle's format."""
    DESCRIPTION = "MLmodel"
    """As it was logged."""
    CARD = "card.md"
    GOLDEN = "golden.json"
    """Only where an input example was logged."""


class DataType(StrEnum):
    """Tensor types of the Open Inference Protocol that signatures use."""

    BOOL = "BOOL"
    INT64 = "INT64"
    FP64 = "FP64"
    BYTES = "BYTES"


class TensorSpec(Contract):
    """One named input or output; its first dimension is the row, of any length."""

    name: str = Field(min_length=1, max_length=250, description="A pipeline's column, or as it was logged.")
    datatype: DataType
    nullable: bool = False
    non_finite: NonFinite = Field(default=NonFinite.NAN_IS_MISSING, description="What NaN and infinities are.")
    shape: tuple[int, ...] = (-1,)


class Signature(Contract):
    """What the model is asked with and what it answers."""

    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)


class NumericColumn(Contract):
    """A number, shifted and scaled: (x - mean) / scale. Missing stays NaN unless it is filled."""

    kind: Literal["numeric"] = "numeric"
    name: ColumnName
    mean: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    fill: float | None = Field(default=None, description="Replaces a missing value, before shifting.")


class OrdinalColumn(Contract):
    """A category as its place in the vocabulary, counted from 0; unseen and missing are -1."""

    kind: Literal["ordinal"] = "ordinal"
    name: ColumnName
    vocabulary: tuple[str, ...]


class TargetColumn(Contract):
    """A category as the smoothed mean of the label among the training rows that had it."""

    kind: Literal["target"] = "target"
    name: ColumnName
    means: dict[str, float]
    default: float = Field(description="For unseen and missing: the mean over all training rows.")


PreparedColumn = Annotated[NumericColumn | OrdinalColumn | TargetColumn, Field(discriminator="kind")]


class Preparation(Contract):
    """How feature columns become the model's float32 matrix, fitted on the training split only."""

    columns: tuple[PreparedColumn, ...] = Field(min_length=1, description="In the matrix's column order.")


class Background(Contract):
    """Prepared training rows that attributions of a model without trees are measured from; null is NaN."""

    rows: tuple[tuple[float | None, ...], ...] = Field(min_length=1, description="In the matrix's column order.")


class ExplanationMethod(StrEnum):
    """How attributions are found; see decision 19."""

    TREE_SHAP = "tree_shap"
    SAMPLED_SHAPLEY = "sampled_shapley"


class AttributionUnit(StrEnum):
    """What attributions add up to: the logarithm of the odds of the label, or the score itself."""

    LOG_ODDS = "log_odds"
    SCORE = "score"


class FeatureImportance(Contract):
    """How much one model column moves the answers."""

    name: ColumnName
    mean_absolute: float = Field(ge=0, description="Mean of the attributions' absolute values, in their unit.")


class Importance(Contract):
    """What a model looks at, over rows it has not learned from."""

    method: ExplanationMethod
    unit: AttributionUnit
    rows: int = Field(ge=1, description="Held-out rows, spread over their time.")
    base_value: float = Field(description="Where attributions start: the model's mean answer, in their unit.")
    features: tuple[FeatureImportance, ...] = Field(min_length=1, description="The most important first.")


class GoldenRequests(Contract):
    """Rows with the answers the training job got for them, asked again before a version sees traffic."""

    inputs: dict[str, tuple[bool | int | float | str | None, ...]]
    scores: tuple[float, ...] = Field(min_length=1)


class Environment(Contract):
    """The software a run used."""

    python: str
    platform: str = Field(description="Operating system and machine, such as linux-x86_64.")
    packages: dict[str, str] = Field(description="Installed distributions: normalised name to version.")


class DatasetRef(Contract):
    """One version of a dataset, as rows can be read from it."""

    version: VersionNumber
    digest: Digest
    table_uri: Uri
    delta_version: int = Field(ge=0)


class Lineage(Contract):
    """Where a version came from, completely: a version lacking any of it is refused."""

    run_id: UUID
    dataset: DatasetRef
    code_digest: Digest
    commit: Annotated[str, StringConstraints(max_length=64)] | None = None
    modified: bool | None = Field(
        default=None,
        description="Whether the code differed from the commit; the digest is of what ran. Unset: unknown.",
    )
    environment_digest: Digest
    parameters: dict[str, Scalar]
    seed: int


class FileEntry(Contract):
    """One file of the bundle."""

    path: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=200)
    digest: Digest
    size_bytes: int = Field(ge=0)


class Contents(Contract):
    """What a bundle holds. Nothing in a bundle is used before its digest agrees."""

    files: tuple[FileEntry, ...]

    def entry(self, path: str) -> FileEntry:
        """Find a file's entry.

        Raises:
            KeyError: The bundle has no such file.
        """
        for file in self.files:
            if file.path == path:
                return file
        raise KeyError(path)


class Manifest(Contents):
    """The table of contents of a bundle that a pipeline's run left."""

    schema_version: Literal[1] = 1
    pipeline: PipelineName
    objective: Objective
    format: ModelFormat = ModelFormat.ONNX
    signature: Signature
    lineage: Lineage


class LoggedArtifact(Contract):
    """One file as a client logged it."""

    path: str = Field(min_length=1, max_length=1000, description="Below the directory of the model, with slashes.")
    digest: Digest
    size_bytes: int = Field(ge=0)


class LoggedOrigin(Contract):
    """Where a model came from that was only logged. Its data, code, environment and seed nobody can tell."""

    source: str = Field(description="As the client gave it when it registered the version.")
    run_id: str | None = Field(default=None, description="The run that made it, as MLflow's clients name runs.")
    model_id: str | None = Field(default=None, description="The logged model it is, as MLflow's clients name those.")
    files: tuple[LoggedArtifact, ...] = Field(min_length=1, description="All that was logged, the model file included.")


class LoggedManifest(Contents):
    """The table of contents of a bundle made of what an MLflow client logged."""

    schema_version: Literal[1] = 1
    kind: Literal["logged"] = "logged"
    format: ModelFormat = ModelFormat.ONNX
    signature: Signature
    logged: LoggedOrigin
