"""Registered models, their versions, aliases and stages, and the search of both."""

from typing import Any

from tests.conformance.mlflow.asking import Ask, get, post

MODEL = "a model of the story"
UNGATED = {"name": "ungated in the story", "version": "1"}
CHILD = {"name": MODEL, "version": "1"}


def _patch(what: str, path: str, /, **given: Any) -> Ask:
    return Ask(what, "PATCH", f"/mlflow/{path}", given)


def _delete(what: str, path: str, /, **given: Any) -> Ask:
    return Ask(what, "DELETE", f"/mlflow/{path}", given)


def _version(what: str, source: str, *, name: str = MODEL, **more: Any) -> Ask:
    return post(what, "model-versions/create", name=name, source=source, **more)


STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="models of the story"),
    post("a run", "runs/create", {"run": "run.info.run_id"}, experiment_id="<experiment>", run_name="r", start_time=1),
    post(
        "register",
        "registered-models/create",
        name=MODEL,
        description="It decides.",
        tags=[{"key": "team", "value": "blue"}],
    ),
    post("register again", "registered-models/create", name=MODEL),
    post("register no name", "registered-models/create"),
    post("register an empty name", "registered-models/create", name=""),
    post("register a path", "registered-models/create", name="a/b"),
    post("register another", "registered-models/create", name="another model of the story"),
    get("get", "registered-models/get", name=MODEL),
    get("get an unknown", "registered-models/get", name="nobody's"),
    get("get no name", "registered-models/get"),
    _patch("describe", "registered-models/update", name=MODEL, description="It decides well."),
    _patch("describe an unknown", "registered-models/update", name="nobody's", description="x"),
    post("tag", "registered-models/set-tag", name=MODEL, key="size", value="small"),
    post("tag otherwise", "registered-models/set-tag", name=MODEL, key="size", value="large"),
    post("tag an unknown", "registered-models/set-tag", name="nobody's", key="a", value="b"),
    post("tag without a key", "registered-models/set-tag", name=MODEL, value="b"),
    _delete("untag", "registered-models/delete-tag", name=MODEL, key="size"),
    _delete("untag again", "registered-models/delete-tag", name=MODEL, key="size"),
    _delete("untag an unknown", "registered-models/delete-tag", name="nobody's", key="size"),
    _version(
        "a version",
        "mlflow-artifacts:/<experiment>/<run>/artifacts/model",
        run_id="<run>",
        run_link="http://here/run",
        description="The first.",
        tags=[{"key": "stage", "value": "raw"}],
    ),
    _version("a second", "mlflow-artifacts:/<experiment>/<run>/artifacts/model", run_id="<run>"),
    _version("a third, of no run", "s3://bucket/model"),
    _version("of an unknown model", "s3://bucket/model", name="nobody's"),
    post("of no source", "model-versions/create", name=MODEL),
    _version("from this machine", "/etc"),
    _version("from this machine, as a URI", "file:///etc"),
    _version("upwards", "mlflow-artifacts:/1/../../etc"),
    _version("upwards, encoded", "mlflow-artifacts:/1/%2e%2e/%2e%2e/etc"),
    _version("from a version", f"models:/{MODEL}/1"),
    _version("from an unknown version", f"models:/{MODEL}/99"),
    get("get a version", "model-versions/get", name=MODEL, version="1"),
    get("get an unknown version", "model-versions/get", name=MODEL, version="99"),
    get("get a version of an unknown", "model-versions/get", name="nobody's", version="1"),
    get("get a version that is no number", "model-versions/get", name=MODEL, version="one"),
    get("get no version", "model-versions/get", name=MODEL),
    _patch("describe a version", "model-versions/update", **CHILD, description="The very first."),
    post("tag a version", "model-versions/set-tag", **CHILD, key="stage", value="cooked"),
    post("tag a version anew", "model-versions/set-tag", **CHILD, key="taste", value="good"),
    post("tag an unknown version", "model-versions/set-tag", name=MODEL, version="99", key="a", value="b"),
    _delete("untag a version", "model-versions/delete-tag", **CHILD, key="taste"),
    _delete("untag a version again", "model-versions/delete-tag", **CHILD, key="taste"),
    get("get a changed version", "model-versions/get", name=MODEL, version="1"),
    get("where it is", "model-versions/get-download-uri", **CHILD),
    get("where one is that came from a version", "model-versions/get-download-uri", name=MODEL, version="4"),
    get("where an unknown is", "model-versions/get-download-uri", name=MODEL, version="99"),
    post("set an alias", "registered-models/alias", **CHILD, alias="best"),
    get("get by alias", "registered-models/alias", name=MODEL, alias="best"),
    post("move the alias", "registered-models/alias", name=MODEL, version="2", alias="best"),
    post("a second alias", "registered-models/alias", name=MODEL, version="2", alias="Newest-1.x"),
    get("get by the moved alias", "registered-models/alias", name=MODEL, alias="best"),
    get("get by an unknown alias", "registered-models/alias", name=MODEL, alias="nobody"),
    get("get by alias of an unknown", "registered-models/alias", name="nobody's", alias="best"),
    post("an alias to an unknown version", "registered-models/alias", name=MODEL, version="99", alias="x"),
    post("an alias like a version", "registered-models/alias", **CHILD, alias="v12"),
    post("an alias that is reserved", "registered-models/alias", **CHILD, alias="latest"),
    post("an alias with a slash", "registered-models/alias", **CHILD, alias="a/b"),
    post("an empty alias", "registered-models/alias", **CHILD, alias=""),
    get("get with aliases", "registered-models/get", name=MODEL),
    _delete("delete an alias", "registered-models/alias", name=MODEL, alias="best"),
    _delete("delete it again", "registered-models/alias", name=MODEL, alias="best"),
    Ask(
        "to staging",
        "POST",
        "/mlflow/model-versions/transition-stage",
        {**CHILD, "stage": "Staging", "archive_existing_versions": False},
        picks="model_version.current_stage",
    ),
    Ask(
        "staging's alias",
        "GET",
        "/mlflow/registered-models/alias",
        {"name": MODEL, "alias": "challenger"},
        picks="model_version.version",
    ),
    post(
        "to the archive", "model-versions/transition-stage", **CHILD, stage="Archived", archive_existing_versions=False
    ),
    post("to nowhere", "model-versions/transition-stage", **CHILD, stage="Nowhere", archive_existing_versions=False),
    post(
        "an unknown to staging",
        "model-versions/transition-stage",
        name=MODEL,
        version="99",
        stage="Staging",
        archive_existing_versions=False,
    ),
    post("latest of each stage", "registered-models/get-latest-versions", name=MODEL),
    post("latest of one stage", "registered-models/get-latest-versions", name=MODEL, stages=["None"]),
    post("latest of an unknown", "registered-models/get-latest-versions", name="nobody's"),
    get("search models by name", "registered-models/search", filter=f"name = '{MODEL}'"),
    get(
        "search models like", "registered-models/search", filter="name LIKE '%model of the story'", order_by="name DESC"
    ),
    get("search models, case left open", "registered-models/search", filter="name ILIKE 'A MODEL OF THE STORY'"),
    get(
        "search models that are no prompts",
        "registered-models/search",
        filter="name LIKE '%of the story' AND tag.`mlflow.prompt.is_prompt` != 'true'",
    ),
    get("search models by tag", "registered-models/search", filter=f"tags.team = 'blue' AND name = '{MODEL}'"),
    get("search models by nonsense", "registered-models/search", filter="colour = 'red'"),
    get("search too many models", "registered-models/search", max_results=1001),
    Ask(
        "search models, first page",
        "GET",
        "/mlflow/registered-models/search",
        {"filter": "name LIKE '%of the story'", "max_results": 1},
        {"page": "next_page_token"},
        "registered_models.*.name",
    ),
    get(
        "search models, second page",
        "registered-models/search",
        filter="name LIKE '%of the story'",
        max_results=1,
        page_token="<page>",
    ),
    get("search versions by name", "model-versions/search", filter=f"name = '{MODEL}'"),
    get("search versions by run", "model-versions/search", filter="run_id = '<run>'", order_by="version_number ASC"),
    get("search versions of runs", "model-versions/search", filter="run_id IN ('<run>')"),
    get("search versions by number", "model-versions/search", filter=f"name = '{MODEL}' AND version_number > 2"),
    get("search versions by tag", "model-versions/search", filter="tags.stage = 'cooked'"),
    get("search versions by source", "model-versions/search", filter="source_path = 's3://bucket/model'"),
    get("search versions by nonsense", "model-versions/search", filter="colour = 'red'"),
    _delete("delete a version", "model-versions/delete", name=MODEL, version="4"),
    _delete("delete it once more", "model-versions/delete", name=MODEL, version="4"),
    get("get a deleted version", "model-versions/get", name=MODEL, version="4"),
    _version("its number is not given again", "s3://bucket/model"),
    post("rename", "registered-models/rename", name=MODEL, new_name="a model renamed of the story"),
    post(
        "rename to a taken name",
        "registered-models/rename",
        name="a model renamed of the story",
        new_name="another model of the story",
    ),
    post("rename an unknown", "registered-models/rename", name="nobody's", new_name="x"),
    get("the old name is gone", "registered-models/get", name=MODEL),
    get("versions follow", "model-versions/get", name="a model renamed of the story", version="2"),
    _delete("delete a model", "registered-models/delete", name="another model of the story"),
    _delete("delete it once again", "registered-models/delete", name="another model of the story"),
    post("its name is free", "registered-models/create", name="another model of the story"),
    post("a model without gates", "registered-models/create", name="ungated in the story"),
    _version("its version", "s3://bucket/model", name="ungated in the story"),
    post("the alias champion", "registered-models/alias", **UNGATED, alias="champion"),
    post(
        "to production",
        "model-versions/transition-stage",
        **UNGATED,
        stage="Production",
        archive_existing_versions=False,
    ),
)
