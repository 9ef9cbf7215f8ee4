"""The embedded broker alone, for work on a platform that is down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from everloop.platform.home import Home
from everloop.platform.nats import nats_binary, write_nats_config
from everloop.platform.ports import HOST, free_port
from everloop.platform.readiness import nats_ready

START_LIMIT_S = 60.0
LOOK_AGAIN_S = 0.05


@asynccontextmanager
async def broker_alone(home: Home) -> AsyncIterator[str]:
    """Run the broker of a home directory that the caller has locked, for the length of a block.

    Yields:
        Its address.

    Raises:
        NatsMissingError: There is none to start.
        TimeoutError: It does not come up.
    """
    port = free_port(taken=set())
    command = (str(nats_binary()), "--config", str(write_nats_config(home, port)))
    with home.log_of("nats").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        ready = nats_ready(port)
        async with asyncio.timeout(START_LIMIT_S):
            while not await ready():
                if process.returncode is not None:
                    raise TimeoutError
                await asyncio.sleep(LOOK_AGAIN_S)
        yield f"nats://{HOST}:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
