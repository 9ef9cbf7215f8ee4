"""An alert in the words of each channel: JSON for programs, blocks for Slack, a letter for people."""

import json
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from contracts.alerts import AlertNotice
from services.monitoring.alerts.domain import Delivery, Occasion

PREFACES = {Occasion.RAISED: "", Occasion.REMINDED: "Still open: ", Occasion.RESOLVED: "Over: "}
COLOURS = {"info": "#439fe0", "warning": "#daa038", "critical": "#a30200"}
OVER = "#2eb886"
LONGEST_FIELD = 2000
"""Slack refuses a message with a longer one."""


def webhook_body(delivery: Delivery) -> bytes:
    """Write the body of a webhook: its type, when it happened, and the notice; the same at every try."""
    notice = delivery.notice
    document = {
        "type": f"alert.{delivery.occasion}",
        "timestamp": notice.last_at.isoformat(),
        "data": notice.model_dump(mode="json"),
    }
    return json.dumps(document, ensure_ascii=False).encode()


def slack_body(delivery: Delivery) -> bytes:
    """Write the body of an incoming webhook of Slack; `text` is for those that know no blocks."""
    notice, title = delivery.notice, _title(delivery)
    fields = [f"*{name}*\n{_escaped(text)}"[:LONGEST_FIELD] for name, text in _words(notice)]
    commands = "\n".join(f"`{_escaped(command)}`" for command in _commands(notice))
    blocks: list[dict[str, Any]] = [
        _section(f"*{_escaped(title)}*"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": field} for field in fields]},
        _section(commands),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(_footer(notice))}]},
    ]
    colour = OVER if delivery.occasion is Occasion.RESOLVED else COLOURS[notice.severity]
    document = {"text": _escaped(title), "attachments": [{"color": colour, "blocks": blocks}]}
    return json.dumps(document, ensure_ascii=False).encode()


def letter(delivery: Delivery, *, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Write a letter; its Message-ID is the same at every try, and all about one alert are one thread."""
    notice = delivery.notice
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(recipients)
    message["Subject"] = f"[{notice.severity}] {_title(delivery)}"
    message["Date"] = notice.last_at
    message["Message-ID"] = f"<{delivery.id}@alerts.everloop>"
    message["References"] = message["In-Reply-To"] = f"<{notice.alert_id}@alerts.everloop>"
    message["Auto-Submitted"] = "auto-generated"
    words = [(name, text) for name, text in _words(notice)]
    message.set_content(
        "\n\n".join(
            [
                notice.title,
                *(f"{name}\n    {text}" for name, text in words),
                "Commands\n" + "\n".join(f"    {command}" for command in _commands(notice)),
                _footer(notice),
            ]
        )
        + "\n"
    )
    return message


def _title(delivery: Delivery) -> str:
    return f"{PREFACES[delivery.occasion]}{delivery.notice.title}"


def _words(notice: AlertNotice) -> list[tuple[str, str]]:
    over = [("Over", f"{notice.resolved_by}: {notice.resolved_reason}")] if notice.resolved_by else []
    return [
        *over,
        ("Since", _time(notice.since)),
        ("How sure", notice.certainty),
        ("What to do", notice.action),
    ]


def _commands(notice: AlertNotice) -> list[str]:
    trace = [f"everloop trace {notice.trace_id}"] if notice.trace_id else []
    monitor = f"everloop monitor {notice.pipeline}"
    look = [] if notice.command.startswith(monitor) else [monitor]
    return [notice.command, *look, *trace]


def _footer(notice: AlertNotice) -> str:
    times = "once" if notice.occurrences == 1 else f"{notice.occurrences} times, last {_time(notice.last_at)}"
    what = f"{notice.severity} · {notice.kind} · {notice.pipeline}, {notice.about}"
    return f"{what} · seen {times} · alert {notice.alert_id}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
