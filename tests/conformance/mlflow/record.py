"""Play the stories against a stock server and keep its answers: ``python -m tests.conformance.mlflow.record``."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.conformance.mlflow.asking import play
from tests.conformance.mlflow.stories import STORIES
from tests.fixtures.mlflow_server import stock_server

HERE = Path(__file__).parent
ANSWERS = HERE / "answers"


async def record(url: str) -> None:
    """Play every story on one server."""
    for name, story in STORIES.items():
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            answers = await play(story, client)
        lines = [f"{json.dumps(what)}: {json.dumps(answer.to_json())}" for what, answer in answers.items()]
        (ANSWERS / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Start a stock server, ask it everything, stop it."""
    with TemporaryDirectory() as directory, stock_server(Path(directory), workers=1) as server:
        asyncio.run(record(server.url))


if __name__ == "__main__":
    main()
