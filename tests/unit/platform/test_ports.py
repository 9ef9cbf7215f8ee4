"""Ports: the usual ones, free ones where those are taken, and exactly those a person insists on."""

import socket
from collections.abc import Iterator

import pytest

from everloop.platform.ports import DEFAULT_PORTS, PortTakenError, choose_ports, free_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_replaced_by_a_free_one(taken: int) -> None:
    ports = choose_ports(asked={}, base=taken)

    assert ports["nats"] != taken
    assert is_free(ports["nats"])
    assert len(set(ports.values())) == len(DEFAULT_PORTS)


def test_a_port_asked_for_is_given_or_refused(taken: int) -> None:
    free = free_port(taken=set())

    assert choose_ports(asked={"registry": free})["registry"] == free
    with pytest.raises(PortTakenError, match=f"{taken}.*registry"):
        choose_ports(asked={"registry": taken})
