"""Files of runs, small and large."""

from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow

from tests.conformance.mlflow.session.given import client


def artifacts() -> None:
    with TemporaryDirectory() as directory, mlflow.start_run() as run:
        file = Path(directory) / "a file.txt"
        file.write_text("hello")
        mlflow.log_artifact(str(file), "notes")
        mlflow.log_artifacts(directory, "folder/below")
        mlflow.log_dict({"a": 1}, "config/a.json")
        mlflow.log_text("text", "plain.txt")
        big = Path(directory) / "big.bin"
        big.write_bytes(bytes(range(256)) * 20_000)
        mlflow.log_artifact(str(big))
        top = {(found.path, found.is_dir) for found in client().list_artifacts(run.info.run_id)}
        assert top == {("notes", True), ("folder", True), ("config", True), ("plain.txt", False), ("big.bin", False)}
        (below,) = client().list_artifacts(run.info.run_id, "folder/below")
        assert (below.path, below.file_size) == ("folder/below/a file.txt", 5)
        uri = run.info.artifact_uri
        assert mlflow.artifacts.load_dict(f"{uri}/config/a.json") == {"a": 1}
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/plain.txt") == "text"
        taken = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=f"{directory}/taken")
        assert (Path(taken) / "big.bin").read_bytes() == big.read_bytes()
        assert (Path(taken) / "notes/a file.txt").read_text() == "hello"
