"""Logs: constant sentences with fields, as JSON lines or readable, carrying the trace they belong to."""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from opentelemetry.trace import get_current_span


class LogFormat(StrEnum):
    """How a line looks."""

    JSON = "json"
    TEXT = "text"


class Log:
    """Says constant sentences with fields, ``log.info("version kept", version=3)``: ids and sizes, no payloads."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, sentence: str, **fields: object) -> None:
        """Say what only someone looking for a fault wants to read."""
        self._say(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, **fields: object) -> None:
        """Say what happened."""
        self._say(logging.INFO, sentence, fields)

    def warning(self, sentence: str, **fields: object) -> None:
        """Say what went wrong and is being dealt with."""
        self._say(logging.WARNING, sentence, fields)

    def error(self, sentence: str, **fields: object) -> None:
        """Say what a person should look at."""
        self._say(logging.ERROR, sentence, fields)

    def exception(self, sentence: str, **fields: object) -> None:
        """Say what a person should look at, with the stack of the exception being handled."""
        self._say(logging.ERROR, sentence, fields, exc_info=True)

    def _say(self, level: int, sentence: str, fields: dict[str, object], *, exc_info: bool = False) -> None:
        self._logger.log(level, sentence, extra={"fields": fields}, exc_info=exc_info, stacklevel=3)


def set_up_logs(service: str, *, level: str, format: LogFormat) -> None:
    """Send all of this process's logs to standard error."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(JsonFormatter(service) if format is LogFormat.JSON else TextFormatter(service))
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(level.upper())
    # These tell of every request and statement, which spans tell better.
    for chatty in ("uvicorn", "httpx", "httpcore", "alembic", "asyncio", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_trace(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One readable line: time, level, service, sentence, fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and the stack below it where there is one."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        fields = "".join(f" {name}={value}" for name, value in getattr(record, "fields", {}).items())
        line = f"{time} {record.levelname.lower():7} {self._service:10} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _trace() -> dict[str, str]:
    context = get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.is_valid else {}
