"""Fixtures live in tests/fixtures, one noun per module; import them from there, never from here."""

pytest_plugins = [
    "tests.fixtures.nats",
    "tests.fixtures.postgres",
    "tests.fixtures.databases",
    "tests.fixtures.adapters",
    "tests.fixtures.telemetry",
    "tests.fixtures.services",
    "tests.fixtures.platform",
]
