"""Records an example of every message that has none yet: ``python -m tests.contracts.record_examples``.

What was recorded once stays as it is: it stands for the messages that lie in streams out there.
"""

from pathlib import Path

from contracts.envelope import seal
from tests.contracts import examples

RECORDED = Path(__file__).parents[2] / "contracts" / "schemas" / "examples"


def main() -> None:
    RECORDED.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(examples.every_message(), start=1):
        path = RECORDED / f"{message.subject}.json"
        if not path.exists():
            envelope = seal(
                message,
                message_id=f"example-{number}",
                source=message.owner(),
                time=examples.NOON,
                traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            )
            path.write_bytes(envelope.to_bytes() + b"\n")


if __name__ == "__main__":
    main()
