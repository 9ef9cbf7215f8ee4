"""The base of every value in the vocabulary, and the types that give strings their meaning."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PipelineName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$"),
    Field(description="Name of the pipeline and of its model: lower case, digits, underscores; a subject token."),
]
Digest = Annotated[
    str,
    StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$"),
    Field(description="SHA-256 of the bytes, as sha256:<64 hex digits>."),
]
Uri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    Field(description="Where the bytes are: an absolute path, or a file://, s3:// or gs:// URI."),
]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
VersionNumber = Annotated[int, Field(ge=1, description="Counts from 1 within one pipeline; never reused.")]
Scalar = bool | int | float | str


class Contract(BaseModel):
    """A frozen value that refuses unknown fields when it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
