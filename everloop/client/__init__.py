"""Talk to a running platform: say commands, hear events, ask its services, predict.

Example:
    ```python
    async with connect(find_endpoints()) as platform:
        said = await platform.say(StartTrainingRun(pipeline="flight_delays", requested_by="ana"))
        started = await platform.wait_for(TrainingRunStarted, pipeline="flight_delays", since=said.mark)
    ```
"""

from everloop.client.bus import Bus, Heard, Receipt
from everloop.client.endpoints import find_endpoints
from everloop.client.errors import (
    BusyError,
    ClientError,
    NotRunningError,
    PlatformUnreachableError,
    RefusedError,
    TimedOutError,
)
from everloop.client.inference import Explanation, Predictions
from everloop.client.platform import Platform, connect

__all__ = [
    "Bus",
    "BusyError",
    "ClientError",
    "Explanation",
    "Heard",
    "NotRunningError",
    "Platform",
    "PlatformUnreachableError",
    "Predictions",
    "Receipt",
    "RefusedError",
    "TimedOutError",
    "connect",
    "find_endpoints",
]
