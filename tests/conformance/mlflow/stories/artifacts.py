"""Artifacts through the server: files put, listed, read and deleted; ways out of the store are closed."""

from typing import Any

from tests.conformance.mlflow.asking import Ask, get, post

FILES = "/mlflow-artifacts/artifacts"
RUN = "<experiment>/<run>/artifacts"


def _put(what: str, path: str, content: bytes) -> Ask:
    return Ask(what, "PUT", f"{FILES}/{path}", content)


def _get(what: str, path: str, /, **given: Any) -> Ask:
    return Ask(what, "GET", f"{FILES}{path}", given)


def _delete(what: str, path: str) -> Ask:
    return Ask(what, "DELETE", f"{FILES}/{path}", b"")


STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="artifacts of the story"),
    post("a run", "runs/create", {"run": "run.info.run_id"}, experiment_id="<experiment>", run_name="r", start_time=1),
    get("nothing yet", "artifacts/list", run_id="<run>"),
    _put("put", f"{RUN}/notes.txt", b"hello"),
    _put("put below", f"{RUN}/model/MLmodel", b"flavors: {}\n"),
    _put("put deeper", f"{RUN}/model/data/weights.bin", bytes(1000)),
    _put("put an empty one", f"{RUN}/model/empty", b""),
    _put("put over it", f"{RUN}/notes.txt", b"hello again"),
    _put("put a name with a space", f"{RUN}/a%20name.txt", b"x"),
    _get("get", f"/{RUN}/notes.txt"),
    _get("get below", f"/{RUN}/model/MLmodel"),
    _get("get a name with a space", f"/{RUN}/a%20name.txt"),
    _get("get an unknown", f"/{RUN}/nobody.txt"),
    _get("list", "", path=RUN),
    _get("list below", "", path=f"{RUN}/model"),
    _get("list an unknown", "", path=f"{RUN}/nobody"),
    get("list the run's", "artifacts/list", run_id="<run>"),
    get("list the run's below", "artifacts/list", run_id="<run>", path="model"),
    get("list the run's unknown", "artifacts/list", run_id="<run>", path="nobody"),
    get("list an unknown run's", "artifacts/list", run_id="0" * 32),
    get("list outside", "artifacts/list", run_id="<run>", path="../../"),
    get("list outside, encoded", "artifacts/list", run_id="<run>", path="%2e%2e/%2e%2e"),
    get("list from the root", "artifacts/list", run_id="<run>", path="/etc"),
    _get("list the store's outside", "", path="../"),
    _get("get outside, encoded", "/%2e%2e/%2e%2e/etc/passwd"),
    _get("get outside, encoded twice", "/%252e%252e/%252e%252e/etc/passwd"),
    _get("get from the root", "/%2Fetc%2Fpasswd"),
    _put("put outside", f"{RUN}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/evil", b"x"),
    _delete("delete outside", "%2e%2e/%2e%2e/evil"),
    _delete("delete", f"{RUN}/notes.txt"),
    _get("get what is deleted", f"/{RUN}/notes.txt"),
    _delete("delete a folder", f"{RUN}/model"),
    get("what is left", "artifacts/list", run_id="<run>"),
)
