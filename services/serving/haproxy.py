"""Edits the configuration that Ray Serve writes for HAProxy, before HAProxy reads it: ``haproxy.py CONFIGURATION``.

Serve has settings for most of what matters and none for the rest: where helper pages listen, what a caller reads
when nobody answers, which model a gRPC message is for. Only the standard library is imported, since this runs
whenever a replica comes or goes.
"""

import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from json import dumps
from pathlib import Path

HOST = "127.0.0.1"
DOOR = "everloop"
MODEL_PREFIX = "model-"
UNREAD = "everloop-unread"
"""Metadata of a gRPC message whose model the front could not read: the door reads it and sends it round again."""

RETRY_AFTER_S = 1
ERRORS = {
    404: "nothing is served under this path",
    408: "the request did not come, or was not answered, in time",
    413: "the request is too large",
    429: "too many requests; come again",
    500: "the model failed",
    502: "the replica went away while it answered; come again",
    503: "no replica of the model can answer now; come again",
    504: "the replica did not answer in time",
}
OF_HAPROXY = (408, 500, 502, 503, 504)
"""Errors that HAProxy makes itself. What is no HTTP at all gets its built-in page, for which there is no setting."""
WORTH_ANOTHER_TRY = frozenset({429, 502, 503})
PLAIN_TEXT = "{ res.hdr(content-type) -m beg text/plain }"

_BIND = re.compile(r"^( *bind )\*?:")
_SECTION = re.compile(r"^(global|defaults|frontend|backend|listen)\b *(\S*)")
_METHODS = "path_beg /inference.GRPCInferenceService/Model"
_NAME = "{ var(txn.model) -m reg ^[a-z][a-z0-9_]*$ }"
# Behind gRPC's own five bytes a message begins with its first field, which is the model's name in all that have one.
_TO_THE_MODEL = f"""\
    acl names_a_model {_METHODS}
    http-request wait-for-body time 10s at-least 512 if names_a_model
    http-request set-var(txn.model) req.body,bytes(5),protobuf(1) if names_a_model
    http-request del-header application
    http-request del-header {UNREAD}
    http-request set-header application {MODEL_PREFIX}%[var(txn.model)] if names_a_model {_NAME}
    http-request set-header {UNREAD} 1 if names_a_model !{_NAME}
"""
_TO_THE_DOOR = f"    http-request set-header application {DOOR}\n"
# Only a request that was sent in one piece can be sent again, and one whose sender is slow holds no replica.
_WHOLE_REQUESTS = "    option http-buffer-request\n    timeout http-request 30s\n"
# Noted before all else, for HAProxy can give up while it waits for the rest of a request.
_WHO_ASKS = "    tcp-request content set-var(txn.people) bool(true) if { path_beg /v1/ }\n"
_TO_PEOPLE = (
    "    http-after-response set-header content-type application/problem+json"
    " if { var(txn.people) -m bool } { status ge 400 }\n"
)
_FOR_PEOPLE = "    http-request replace-path ^/v1/models/([^/]+)(/.*)?$ /v2/models/\\1/v1\\2\n"


def edited(configuration: str) -> str:
    """Say what HAProxy shall read instead."""
    door_speaks_grpc = f"\nbackend grpc-{DOOR}\n" in configuration
    return "".join(_lines(configuration.splitlines(keepends=True), door_speaks_grpc=door_speaks_grpc))


def _lines(lines: list[str], *, door_speaks_grpc: bool) -> Iterator[str]:
    section = ("", "")
    for line in lines:
        if found := _SECTION.match(line):
            section = (found[1], found[2])
        words = line.split()
        match section, words[:2]:
            case _, ["stats", "socket"]:
                yield line.replace(" mode 666 ", " mode 600 ")
            case ("global", _), ["log", _]:
                # Nobody listens there, and every request would cost a datagram.
                continue
            case ("defaults", _), ["errorfile", _]:
                continue
            case ("backend", "default_backend"), ["http-request", "return"]:
                yield f"    http-request return {_error(503, 'nothing is served here yet; come again')}\n"
            case ("frontend", "grpc_frontend"), ["default_backend", _] if door_speaks_grpc:
                yield f"    default_backend grpc-{DOOR}\n"
            case _:
                yield _BIND.sub(rf"\g<1>{HOST}:", line)
                yield from _added(section, words)


def _added(section: tuple[str, str], words: list[str]) -> Iterator[str]:
    match section, words[:1]:
        case ("defaults", _), ["mode"]:
            yield _WHOLE_REQUESTS
            yield from (
                f"    http-error {_error(status, text)}\n" for status, text in ERRORS.items() if status in OF_HAPROXY
            )
        case ("frontend", "http_frontend"), ["bind"]:
            yield from (_WHO_ASKS, _FOR_PEOPLE, _TO_PEOPLE)
            # What Serve itself answers, where no application of ours does.
            yield from (
                f"    http-response return {_error(status, text)} if {{ status {status} }} {PLAIN_TEXT}\n"
                for status, text in ERRORS.items()
            )
        case ("frontend", "grpc_frontend"), ["bind"]:
            yield _TO_THE_MODEL
        case ("backend", name), ["backend"] if name == f"grpc-{DOOR}":
            yield _TO_THE_DOOR


def problem(status: int, detail: str) -> dict[str, str | int]:
    """Say an error to people: problem+json, RFC 9457."""
    title = HTTPStatus(status).phrase
    slug = title.lower().replace(" ", "_").replace("-", "_")
    return {"type": f"urn:everloop:problem:{slug}", "title": title, "status": status, "detail": detail}


def _error(status: int, text: str) -> str:
    """Write an error that begins as whoever asks expects it; to both, its text is what it ends with."""
    again = f" hdr retry-after {RETRY_AFTER_S}" if status in WORTH_ANOTHER_TRY else ""
    end = f": {dumps(text)}}}"
    people, protocol = (
        dumps(said).removeprefix("{").removesuffix(end).replace('"', '\\"')
        for said in (problem(status, text), {"error": text})
    )
    said = f'{{%[var(txn.people,no),iif("{people}","{protocol}")]{end}'
    return f"status {status} content-type application/json lf-string '{said}'{again}"


def main() -> None:
    """Edit the file that is named on the command line."""
    file = Path(sys.argv[1])
    file.write_text(edited(file.read_text()))


if __name__ == "__main__":
    main()
