"""PostgreSQL without questions that need not be asked: each waits for the server, and costs what a statement costs."""

import select
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError


def begin(connection: Connection) -> None:
    """Leave out BEGIN and COMMIT where nothing is written: each statement sees what is committed by then, as ever.

    Elsewhere the driver says BEGIN before the first statement.
    """
    driver: Any = connection.connection.dbapi_connection
    only_reads = not connection.get_execution_options().get("everloop_write", True)
    if driver.autocommit != only_reads:
        driver.set_autocommit(only_reads)


def check_out(connection: Any, record: object, proxy: object) -> None:
    """Have a connection made anew that the server has ended: that is all it says to one that asks nothing."""
    driver = connection.driver_connection
    if driver.closed or _can_be_read(driver.fileno()):
        raise DisconnectionError


def _can_be_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
