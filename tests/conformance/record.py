"""Record what a client sends: ``python -m tests.conformance.record CLIENT PYTHON``, the latter having it installed."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fixtures.bundles import Bundles
from tests.fixtures.inference import Front, running
from tests.fixtures.telemetry import Spans

HERE = Path(__file__).parent
OF_THE_PLACE = ("host", "user-agent")


class Recorder:
    """Notes requests and the status of their answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        noted = {
            "method": scope["method"],
            "path": scope["path"],
            "headers": {name: value for name, value in headers.items() if name not in OF_THE_PLACE},
            "body": "",
        }
        self.requests.append(noted)

        async def receiving() -> Message:
            message = await receive()
            # Every byte is one character of Latin-1, so that JSON holds it as it was.
            noted["body"] += message.get("body", b"").decode("latin-1")
            return message

        async def sending(message: Message) -> None:
            noted.setdefault("status", message.get("status"))
            await send(message)

        return await self._app(scope, receiving, sending)


def main(client: str, python: str) -> None:
    """Let the client have its session with a server of ours."""
    with TemporaryDirectory() as directory:
        recorder = Recorder(Front(Bundles(Path(directory) / "bundles"), Path(directory) / "code", Spans()))
        with running(recorder) as address:
            session = subprocess.run(
                [python, "-P", HERE / "sessions" / f"{client}.py", f"http://{address}"],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
    content = {"client": client, "version": session.stdout, "requests": recorder.requests}
    (HERE / "recorded" / f"{client}.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
