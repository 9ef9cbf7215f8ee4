"""What is no call at all, or a call written wrongly."""

from tests.conformance.mlflow.asking import Ask, get, post

STORY = (
    get("an unknown call", "nobody/knows"),
    Ask("an unknown call by POST", "POST", "/mlflow/nobody/knows", {}),
    Ask("no JSON", "POST", "/mlflow/experiments/create", b"{nonsense"),
    Ask("a list", "POST", "/mlflow/experiments/create", b"[1, 2]"),
    Ask("nothing", "POST", "/mlflow/experiments/create", b""),
    post("a name of the wrong type", "experiments/create", name={"a": 1}),
    post("tags of the wrong type", "experiments/create", name="typed", tags="red"),
    post("a name unknown to the call", "experiments/search", max_results=1, filter="name = 'x'", colour="red"),
    post("a number as a text", "experiments/search", max_results="1", filter="name = 'x'"),
    post("a text as a number", "experiments/search", max_results="many"),
    Ask("health", "GET", "!/health"),
    Ask(
        "the browser's spelling",
        "GET",
        "!/ajax-api/2.0/mlflow/experiments/get",
        {"experiment_id": "0"},
        picks="experiment.name",
    ),
)
