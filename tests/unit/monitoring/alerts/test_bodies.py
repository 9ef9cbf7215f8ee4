"""Every channel is told what happened, since when, how sure, what to do, and where to look."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from services.monitoring.alerts.bodies import letter, slack_body, webhook_body
from services.monitoring.alerts.domain import Delivery, Occasion, delivery_of, new_alert
from services.monitoring.alerts.signing import signed_headers
from tests.contracts.examples import PIPELINE, finding
from tests.fakes.monitoring.alerts import NOON, TRACE


def notice(occasion: Occasion = Occasion.RAISED, **changes: Any) -> Delivery:
    alert = new_alert(PIPELINE, finding(**changes), fact_id="m-1", trace_id=TRACE, at=NOON)
    if occasion is Occasion.RESOLVED:
        alert = alert.resolved(by="ada", reason="rolled <back>", at=NOON)
    return delivery_of(alert, "oncall", occasion, at=NOON)


def mail(delivery: Delivery) -> Any:
    return letter(delivery, sender="everloop@example.org", recipients=("ada@example.org", "bob@example.org"))


@pytest.mark.parametrize("write", [lambda one: webhook_body(one).decode(), lambda one: slack_body(one).decode(), str])
def test_all_a_person_needs_is_said(write: Any) -> None:
    said = write(notice() if write is not str else mail(notice()).get_content())

    wanted = finding()
    for words in (wanted.title, wanted.certainty, wanted.action, wanted.command, PIPELINE, TRACE, "2013-04-01"):
        assert words in said


def test_a_webhook_is_typed_json() -> None:
    body = json.loads(webhook_body(notice(Occasion.RESOLVED)))

    assert body.keys() == {"type", "timestamp", "data"}
    assert body["type"] == "alert.resolved"
    assert body["data"]["resolved_by"] == "ada"
    assert body["data"]["kind"] == "quality_degraded"


def test_a_signature_is_that_of_the_standard() -> None:
    """The example of https://github.com/standard-webhooks/standard-webhooks."""
    headers = signed_headers(
        SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_slack_shows_what_we_say_and_runs_nothing_of_it() -> None:
    body = json.loads(slack_body(notice(Occasion.RESOLVED, title="<!channel> & co")))

    assert body["text"] == "Over: &lt;!channel&gt; &amp; co"
    assert "rolled &lt;back&gt;" in json.dumps(body, ensure_ascii=False)
    assert body["attachments"][0]["color"] == "#2eb886"


def test_no_words_are_too_long_for_slack() -> None:
    body = json.loads(slack_body(notice(certainty="&" * 1000)))

    (fields,) = (block["fields"] for block in body["attachments"][0]["blocks"] if "fields" in block)
    assert max(len(field["text"]) for field in fields) <= 2000


def test_a_letter_keeps_its_id_and_an_alert_its_thread() -> None:
    raised, over = notice(), notice(Occasion.RESOLVED)

    assert mail(raised)["Message-ID"] == mail(raised)["Message-ID"] == f"<{raised.id}@alerts.everloop>"
    assert mail(raised)["Message-ID"] != mail(over)["Message-ID"]
    assert mail(raised)["References"] == mail(over)["References"]
    assert mail(over)["Subject"].startswith("[critical] Over: flight_delays 2")
    assert mail(over)["To"] == "ada@example.org, bob@example.org"


def test_a_body_is_the_same_at_every_try() -> None:
    assert webhook_body(notice()) == webhook_body(notice())
    assert slack_body(notice()) == slack_body(notice())
