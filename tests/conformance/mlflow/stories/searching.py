"""Search of runs: the filter language, orders and pages."""

from typing import Any

from tests.conformance.mlflow.asking import Ask, post


def _run(number: int) -> tuple[Ask, ...]:
    name = f"r{number}"
    return (
        post(
            f"start {name}",
            "runs/create",
            {name: "run.info.run_id"},
            experiment_id="<experiment>",
            user_id="ada" if number % 2 else "bob",
            run_name=f"Run {number}",
            start_time=1000 + number,
            tags=[{"key": "parity", "value": "odd" if number % 2 else "even"}, {"key": "dotted.key", "value": name}],
        ),
        post(
            f"log to {name}",
            "runs/log-batch",
            run_id=f"<{name}>",
            metrics=[{"key": "auc", "value": number / 10, "timestamp": 1000, "step": 0}]
            + ([{"key": "train loss", "value": 1 - number / 10, "timestamp": 1000, "step": 0}] if number > 2 else []),
            params=[{"key": "depth", "value": str(number % 3)}, {"key": "Name", "value": "It's"}],
        ),
    )


def _search(what: str, filter_: str = "", **more: Any) -> Ask:
    given = {"experiment_ids": ["<experiment>"], "max_results": 50, "order_by": ["start_time ASC"], **more}
    return post(what, "runs/search", **given, filter=filter_)


FILTERS = {
    "metrics above": "metrics.auc > 0.3",
    "metrics from": "metrics.auc >= 0.3",
    "metrics below": "metrics.auc < 0.3",
    "metrics equal": "metrics.auc = 0.3",
    "metrics unequal": "metrics.auc != 0.3",
    "metric in its other spelling": "metric.auc > 0.3",
    "metric with a quoted key": 'metrics."train loss" < 0.65',
    "metric with a back-ticked key": "metrics.`train loss` < 0.65",
    "metric of which runs lack": "metrics.`train loss` != 0.7",
    "metric in scientific writing": "metrics.auc > 3e-1",
    "parameter": "params.depth = '1'",
    "parameter unequal": "params.depth != '1'",
    "parameter like": "params.depth LIKE '%1%'",
    "parameter in double quotes": 'params.depth = "2"',
    "parameter with a quote in its value": 'params.Name = "It\'s"',
    "parameter's name in the wrong case": 'params.name = "It\'s"',
    "tag": "tags.parity = 'odd'",
    "tag of a dotted key": "tags.dotted.key = 'r1'",
    "tag unequal": "tags.parity != 'odd'",
    "tag that nobody has, unequal": "tags.nobody != 'x'",
    "tag is null": "tags.nobody IS NULL",
    "tag is not null": "tags.parity IS NOT NULL",
    "like": "attributes.run_name LIKE 'Run %'",
    "like minds the case": "attributes.run_name LIKE 'run %'",
    "ilike does not": "attributes.run_name ILIKE 'run %'",
    "like with one character left open": "run_name LIKE 'Run _'",
    "in": "attributes.run_id IN ('<r1>', '<r3>')",
    "not in": "attributes.run_id NOT IN ('<r1>', '<r3>')",
    "in with one": "run_id IN ('<r2>')",
    "status": "status = 'RUNNING'",
    "status unequal": "attributes.status != 'RUNNING'",
    "user": "attributes.user_id = 'ada'",
    "time": "attributes.start_time > 1002",
    "two conditions": "metrics.auc > 0.1 AND params.depth = '1'",
    "three conditions, small letters": "metrics.auc > 0.1 and tags.parity = 'odd' and attributes.start_time < 1005",
    "two metrics": "metrics.auc > 0.1 AND metrics.`train loss` > 0.55",
    "no run": "metrics.auc > 7",
    "dataset": "dataset.name = 'flights'",
    "dataset's context": "datasets.context = 'training'",
    "no filter": "",
}
BAD = {
    "alternatives": "metrics.auc > 0.1 OR metrics.auc < 0.1",
    "brackets": "(metrics.auc > 0.1)",
    "an unknown kind": "colours.red = 'a'",
    "an unknown attribute": "attributes.colour = 'red'",
    "a metric as a text": "metrics.auc = '0.3'",
    "a metric like": "metrics.auc LIKE '%3'",
    "a parameter as a number": "params.depth = 1",
    "a parameter above": "params.depth > '1'",
    "no value": "metrics.auc >",
    "no operator": "metrics.auc",
    "an open quote": "params.depth = 'abc",
    "an unknown status": "status = 'TIRED'",
    "in an empty list": "run_id IN ()",
    "a parameter in": "params.depth IN ('1')",
    "a metric is null": "metrics.auc IS NULL",
    "two conditions without a word": "metrics.auc > 0.1 params.depth = '1'",
    "a semicolon": "metrics.auc > 0.1; DROP TABLE runs",
}
ORDERS = {
    "by metric": ["metrics.auc DESC"],
    "by metric that some lack": ["metrics.`train loss` ASC"],
    "by parameter, then metric": ["params.depth", "metrics.auc DESC"],
    "by tag": ["tags.parity DESC", "attributes.start_time DESC"],
    "by attribute": ["attribute.start_time DESC"],
    "by name": ["run_name DESC"],
    "newest first unless told": [],
}

STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="searching of the story"),
    *(ask for number in range(1, 7) for ask in _run(number)),
    post("finish r6", "runs/update", run_id="<r6>", status="FINISHED", end_time=3000),
    post("delete r5", "runs/delete", run_id="<r5>"),
    post(
        "log inputs",
        "runs/log-inputs",
        run_id="<r4>",
        datasets=[
            {
                "dataset": {"name": "flights", "digest": "d1", "source_type": "local", "source": "{}"},
                "tags": [{"key": "mlflow.data.context", "value": "training"}],
            }
        ],
    ),
    *(_search(what, filter_) for what, filter_ in FILTERS.items()),
    *(_search(f"bad: {what}", filter_) for what, filter_ in BAD.items()),
    *(_search(f"order {what}", "", order_by=order) for what, order in ORDERS.items()),
    _search("bad order", order_by=["colour DESC"]),
    _search("bad direction", order_by=["metrics.auc SIDEWAYS"]),
    _search("only the deleted", run_view_type="DELETED_ONLY"),
    _search("deleted too", run_view_type="ALL"),
    _search("in an unknown experiment", experiment_ids=["987654321"]),
    _search("in no experiment", experiment_ids=[]),
    _search("too many results", max_results=50001),
    _search("fewer than no results", max_results=-1),
    post(
        "first page",
        "runs/search",
        {"page": "next_page_token"},
        experiment_ids=["<experiment>"],
        max_results=2,
        order_by=["metrics.auc ASC"],
    ),
    _search("second page", max_results=2, order_by=["metrics.auc ASC"], page_token="<page>"),
    _search("a broken page token", max_results=2, page_token="nonsense"),
)
