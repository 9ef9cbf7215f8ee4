"""People ask with rows, and are answered by the same reader and the same model as the protocol's clients."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from contracts.bundle import AttributionUnit, ExplanationMethod
from everloop.bundle.explaining import Attributions
from everloop.bundle.manifest import BundleError
from services.serving.replica.explaining import Explaining
from services.serving.replica.lineup import Lineup, LoadedVersion
from services.serving.replica.openapi import document
from tests.fixtures.bundles import DEFINITION
from tests.unit.serving.replica.test_http import Face, face
from tests.unit.serving.replica.test_protocol import READER, SIGNATURE, inputs
from tests.unit.serving.replica.test_shelf import loaded

__all__ = ["face"]

V1 = "http://serve/v1/models/flights"
ROW = {"distance": 1.5, "hour": 7, "carrier": "UA", "weekend": True}


@pytest.mark.parametrize("body", [{"rows": [ROW]}, [ROW], ROW], ids=["wrapped", "list", "one row"])
@pytest.mark.parametrize("base", [V1, "http://serve/v2/models/flights/v1"], ids=["as asked", "as handed over"])
async def test_rows_are_scored(face: Face, base: str, body: Any) -> None:
    await face.holds(1, 3, answering=3)

    async with face.client() as client:
        answer = await client.post(f"{base}/predict", json=body)
        chosen = await client.post(f"{base}/versions/1/predict", json=body)

    content = answer.json()
    prediction_id = answer.headers["everloop-prediction-id"]
    assert content == {
        "model": "flights",
        "version": 3,
        "predictions": [{"prediction_id": prediction_id, "score": 3001.5}],
    }
    assert answer.headers["everloop-model-version"] == "3"
    assert chosen.json()["version"] == 1


async def test_rows_and_tensors_are_the_same_question(face: Face) -> None:
    await face.holds(3, answering=3)
    rows = [
        {"distance": 1.5, "carrier": "UA", "weekend": True},
        {**ROW, "distance": 2, "carrier": "DL", "weekend": False},
    ]

    async with face.client() as client:
        await client.post("/infer", json={"inputs": inputs()})
        await client.post(f"{V1}/predict", json=rows)
    await face.log.drain(1)

    ((of_tensors, of_rows),) = [message.batches for message in face.bus.taken]
    assert of_tensors.inputs == of_rows.inputs
    assert of_tensors.scores == of_rows.scores


@pytest.mark.parametrize("time", ["2013-01-01T05:15:00-05:00", 1357035300000])
def test_row_may_say_when_it_happened(time: Any) -> None:
    question = READER.of_rows([{**ROW, "scheduled_at": time}], 1)

    assert question.event_times == [datetime(2013, 1, 1, 10, 15, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ([{**ROW, "speed": 1}], 400, "unknown input 'speed'; the inputs are distance, hour, carrier, weekend"),
        ([ROW, {"distance": 1}], 400, "row 1 lacks 'carrier', which is not nullable"),
        ([{**ROW, "carrier": None}], 400, "input 'carrier' holds null and is not nullable"),
        ([{**ROW, "hour": 7.5}], 400, "input 'hour' is INT64 and holds JSON fractions"),
        ([{**ROW, "scheduled_at": "2013-01-01T05:15:00"}], 400, "has no zone"),
        ([{**ROW, "scheduled_at": 1.5}], 400, "input 'scheduled_at' is ISO-8601 with a zone"),
        ([ROW, {**ROW, "scheduled_at": 1357035300000}], 400, "input 'scheduled_at' is ISO-8601 with a zone"),
        ([ROW] * 101, 413, "101 rows; at most 100 are answered at once"),
        ([], 400, "the body is no row, list of rows, or object with rows"),
        ({"rows": []}, 400, "the body is no row, list of rows, or object with rows"),
        ([1], 400, "row 0 is not an object"),
        (7, 400, "the body is no row"),
        ({"rows": [ROW], "explian": True}, 400, "unknown beside the rows: explian"),
        ({"rows": [ROW], "explain": 1}, 400, "explain must be true or false"),
        ({"rows": [ROW], "routing_key": 1}, 400, "routing_key must be a string"),
    ],
)
async def test_refusal_is_a_problem_that_names_the_fault(face: Face, body: Any, status: int, said: str) -> None:
    await face.holds(3, answering=3)

    async with face.client() as client:
        answer = await client.post(f"{V1}/predict", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]


async def test_paths_nobody_serves_are_problems_under_the_name_they_were_asked(face: Face) -> None:
    await face.holds(3, answering=3)

    async with face.client() as client:
        answers = [
            await client.get("http://serve/v2/models/flights/v1/elsewhere"),
            await client.get(f"{V1}/predict"),
            await client.post(f"{V1}/versions/7/predict", json=[ROW]),
        ]

    assert [answer.status_code for answer in answers] == [404, 405, 404]
    assert answers[0].json()["detail"] == "/v1/models/flights/elsewhere: Not Found"
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)


async def test_model_tells_what_a_row_is(face: Face) -> None:
    await face.holds(1, 3, answering=3)

    async with face.client() as client:
        described = (await client.get(V1)).json()
        whole = (await client.get(f"http://serve{described['openapi']}")).json()

    assert (described["model"], described["version"], described["versions"]) == ("flights", 3, [1, 3])
    assert described["row"]["required"] == ["distance", "carrier", "weekend"]
    assert described["row"]["properties"]["hour"]["type"] == ["integer", "null"]
    assert whole["components"]["schemas"]["Row"] == described["row"]


def test_document_tells_what_columns_are_declared_as() -> None:
    row = document("flights", 1, SIGNATURE, DEFINITION.dataset)["components"]["schemas"]["Row"]

    assert row["properties"]["at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert row["additionalProperties"] is False


async def test_explanation_is_an_output_for_who_asks(face: Face) -> None:
    face.shelf.lineup = Lineup(explained_by(attribute))

    async with face.client() as client:
        answers = [
            await client.post("/infer?explain=true", json={"inputs": inputs()}),
            await client.post("/infer", json={"inputs": inputs(), "parameters": {"explain": True}}),
        ]
        only = await client.post("/infer", json={"inputs": inputs(), "outputs": [{"name": "attributions"}]})
        plain = await client.post("/infer?explain=false", json={"inputs": inputs()})

    expected = {
        "name": "attributions",
        "datatype": "FP64",
        "shape": [2, 2],
        "parameters": {
            "features": "distance,late",
            "base_value": 0.5,
            "unit": "score",
            "method": "sampled_shapley",
        },
        "data": [1.0, 2.0, 3.0, 4.0],
    }
    assert [answer.json()["outputs"][2] for answer in answers] == [expected, expected]
    assert only.json()["outputs"] == [expected]
    assert [one["name"] for one in plain.json()["outputs"]] == ["score", "prediction_id"]


async def test_rows_are_explained_by_name(face: Face) -> None:
    face.shelf.lineup = Lineup(explained_by(attribute))

    async with face.client() as client:
        content = (await client.post(f"{V1}/predict?explain=true", json=[ROW, ROW])).json()

    assert [one["attributions"] for one in content["predictions"]] == [
        {"distance": 1.0, "late": 2.0},
        {"distance": 3.0, "late": 4.0},
    ]
    assert content["explanation"] == {"method": "sampled_shapley", "unit": "score", "base_value": 0.5}


@pytest.mark.parametrize(
    ("slug", "rows", "status", "said"),
    [
        ("not_explained", 1, 400, "can't explain"),
        ("explanation_mismatch", 1, 500, "does not add up"),
        ("", 6, 413, "are explained at once"),
    ],
)
async def test_explanation_that_is_not_possible_is_no_prediction(
    face: Face, slug: str, rows: int, status: int, said: str
) -> None:
    def fail(columns: Any) -> Attributions:
        raise BundleError(slug, "why")

    face.shelf.lineup = Lineup(explained_by(fail))

    async with face.client() as client:
        answer = await client.post(f"{V1}/predict?explain=true", json=[ROW] * rows)

    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
    assert face.log.counts.waiting == 0


def attribute(columns: Any) -> Attributions:
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    return Attributions(ExplanationMethod.SAMPLED_SHAPLEY, AttributionUnit.SCORE, ("distance", "late"), 0.5, values)


def explained_by(explain: Any) -> LoadedVersion:
    one = loaded(3)
    return LoadedVersion(3, one.signature, one.reader, one.predict, one.bundle_digest, Explaining(explain, max_rows=5))
