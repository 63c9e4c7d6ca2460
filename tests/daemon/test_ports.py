"""On which of several ports a node answers whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from qstack.base.locator import Arrival, Locator, parse_locator
from qstack.daemon.driver import Driver


def port(address: str) -> Any:
    return SimpleNamespace(locator=parse_locator(address), multicast=False, segment="", close=lambda: None)


async def test_port_on_which_a_neighbour_was_heard_is_known_after_a_storm_of_invented_sources() -> None:
    """What is invented costs no more than a datagram, so it may not decide for whom there is room."""
    ports = [port("127.0.0.1:4560"), port("127.0.0.2:4560")]
    node: Any = SimpleNamespace(receive_datagram=lambda *_: None)
    log: Any = SimpleNamespace()
    driver = Driver(node, ports, (), log=log, max_error_ns=0)
    take, neighbour = driver._receiver(ports[1]), parse_locator("127.0.0.77:4560")
    for number in range(10_000):
        take(b"", Arrival("", Locator(number.to_bytes(4, "big"), 4560)))
    take(b"", Arrival("", neighbour))
    assert driver._port_for(neighbour) is ports[1]
    assert len(driver._heard_on) <= 4_096
    driver.close()
