"""What an export is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.bundle import BundleFile as File
from contracts.bundle import Environment, Preparation
from contracts.model import Digest
from everloop.bundle.model import Model
from everloop.export.needs import needs


class ExportError(Exception):
    """It could not be exported; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A verified version, loaded, with the files it was loaded from."""

    model: Model
    digest: Digest
    version: int | None
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.manifest.pipeline

    @property
    def title(self) -> str:
        """The model and its version, for people."""
        return f"{self.name} {self.version or self.digest}"

    @property
    def environment(self) -> Environment:
        """The software it was trained with."""
        return Environment.model_validate_json(self.files[File.ENVIRONMENT])

    @property
    def preparation(self) -> Preparation:
        """How feature columns become the matrix."""
        return Preparation.model_validate_json(self.files[File.PREPARATION])

    def requirements(self, *always: str) -> dict[str, str]:
        """Give the versions, as of training, of the libraries named and of those the feature code imports."""
        packages = self.environment.packages
        return {name: packages[name] for name in sorted({*always, *needs(self.files[File.CODE])} & packages.keys())}

    def write_bundle(self, directory: Path) -> None:
        """Write the bundle as it is."""
        directory.mkdir(parents=True)
        for name, content in self.files.items():
            (directory / name).write_bytes(content)
