"""Device primitives through a real broker: TLS, names, and a broker that is killed while pairs are made."""

from __future__ import annotations

import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from qstack.base.bell import Basis
from qstack.base.ids import parse_qna
from qstack.pki.files import issue
from qstack.quantum.bell import disagrees
from qstack.wire.broker import Envelope
from qstack.wire.twin import Attach
from tests.daemon.application import Application, TestUnit
from tests.daemon.broker import Broker, free_port, mosquitto, until_listening
from tests.daemon.network import ALICE, BOB, Network, endpoint_urns, running

HERE, THERE = "urn:qkd:madqci:ccips", "urn:qkd:madqci:ipsec"
BATCH = 8


def topology(port: int, probability: float = 0.002) -> str:
    """Two nodes that reach the twin through a broker; a pair takes some milliseconds."""
    return f"""
        [lab]
        name = "pair"
        mqtt-port = {port}
        [[domain]]
        as = 64512
        urn-prefixes = ["urn:qkd:madqci"]
        [[node]]
        name = "{ALICE}"
        qna = "64512.1"
        urn = ["{HERE}"]
        [[node]]
        name = "{BOB}"
        qna = "64512.2"
        urn = ["{THERE}"]
        [[link]]
        between = ["{ALICE}", "{BOB}"]
        model = {{ kind = "werner", success-probability = {probability} }}
    """


@contextmanager
def through_broker(folder: Path) -> Iterator[tuple[Network, Broker]]:
    mosquitto()
    port = free_port()
    with running(folder, topology(port)) as network:
        until_listening(port)
        broker = Broker(network, port)
        try:
            network.connected()
            yield network, broker
        finally:
            broker.close()


def urns(size: int) -> list[str]:
    lifecycle = endpoint_urns(size, peer=THERE)[2]
    return [f"{HERE}?=nonce={size}", f"{THERE}?=nid=1", lifecycle]


def take_batch(ours: TestUnit, theirs: TestUnit, basis: Basis) -> set[int]:
    """The next pairs at both ends, which must be the same ones and entangled; their numbers."""
    left, right = ours.pairs(BATCH), theirs.pairs(BATCH)
    frames = {each.pair: each.bell_index for each in left}
    assert frames == {each.pair: each.bell_index for each in right}
    outcomes = ours.measure(left, basis), theirs.measure(right, basis)
    for pair, frame in frames.items():
        assert outcomes[0][pair] ^ outcomes[1][pair] == disagrees(frame, basis), pair
    return set(frames)


def test_broker_killed_and_restarted_while_pairs_are_made_loses_and_doubles_none(tmp_path: Path) -> None:
    batches = 12
    with through_broker(tmp_path / "lab") as (network, broker):
        identity = network.ask(ALICE, "status")["device"]["identity"]
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(THERE)
            ours = alice.open_unit(urns(BATCH * batches), "PAIRS")
            theirs = bob.next_unit()
            seen: set[int] = set()
            for number in range(batches):
                if number in (2, 6):
                    broker.kill()
                    network.wait_for_log(ALICE, "no way to the broker", number // 4 + 1)
                    broker.start()
                batch = take_batch(ours, theirs, Basis(number % 3))
                assert not batch & seen
                seen |= batch
        assert network.ask(ALICE, "status")["device"]["identity"] == identity
        network.nothing_held()


def make_pairs(network: Network, number: int = 8) -> None:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(THERE)
        ours = alice.open_unit(urns(number), "PAIRS")
        take_batch(ours, bob.next_unit(), Basis.Z)


class Stranger:
    """A client of the broker with a certificate of the laboratory's CA."""

    def __init__(self, network: Network, port: int, name: str, certificate: Path | None) -> None:
        self.said: list[str] = []
        self.heard: list[str] = []
        self.answers: list[bool] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
        own = () if certificate is None else (str(certificate), str(certificate.with_suffix(".key")))
        self.client.tls_set(str(network.folder / "pki/mosquitto/cas.pem"), *own)
        self.client.on_message = lambda client, data, message: self.heard.append(message.topic)
        self.client.on_publish = lambda client, data, mid, reason, properties: self.answers.append(reason.is_failure)
        self.client.connect("127.0.0.1", port)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 10
        while not condition():
            assert self.client.loop(0.05) in (0, 4) and time.monotonic() < deadline_s

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop(0.05)
        self.client._sock_close()


def test_node_reads_its_own_results_only_and_asks_in_its_own_name_only(tmp_path: Path) -> None:
    with through_broker(tmp_path / "lab") as (network, broker):
        pki = network.folder / "pki"
        mallory = issue(pki / "as64512", parse_qna("64512.66"), pki / "mallory")
        with Stranger(network, broker.port, "qna:64512.1", mallory) as stranger:  # a name that is not hers
            stranger.until(stranger.client.is_connected)
            stranger.client.subscribe([("#", 1), ("qstack/pair/qna:64512.1/tell", 1), ("qstack/pair/+/ask", 1)])
            attach = Attach(node=parse_qna("64512.1")).encode()
            for name in ("qna:64512.1", "qna:64512.66"):
                envelope = Envelope(epoch=1, number=1, acknowledged=0, primitive=attach)
                stranger.client.publish(f"qstack/pair/{name}/ask", envelope.encode(), 1)
            stranger.until(lambda: len(stranger.answers) == 2)
            assert sorted(stranger.answers) == [False, True]  # the broker refuses what is in alice's name
            make_pairs(network)
            stranger.until(lambda: bool(stranger.heard))
            assert set(stranger.heard) <= {"qstack/pair/device", "qstack/pair/qna:64512.66/tell"}
        assert network.log(ALICE).count("attached to a device again") == 0


def test_nobody_without_a_certificate_is_let_in(tmp_path: Path) -> None:
    with through_broker(tmp_path / "lab") as (network, broker):
        with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
            stranger = Stranger(network, broker.port, "nobody", None)
            try:
                for _ in range(50):
                    assert stranger.client.loop(0.1) == 0 and not stranger.client.is_connected()
            finally:
                stranger.client._sock_close()
        make_pairs(network)


def test_twin_that_is_killed_and_one_that_ends_are_noticed_over_the_broker(tmp_path: Path) -> None:
    with through_broker(tmp_path / "lab") as (network, _):
        identity = network.ask(ALICE, "status")["device"]["identity"]
        assert network.kill("qtwind", signal.SIGTERM) == 0
        network.wait_for_log(ALICE, "the device has gone")  # by its own word
        network.restart("qtwind")
        for name in (ALICE, BOB):
            network.wait(name, "ready")
        assert network.ask(ALICE, "status")["device"]["identity"] != identity
        make_pairs(network)
        network.kill("qtwind")
        network.restart("qtwind")  # before anybody could miss it: its identity tells
        for name in (ALICE, BOB):
            network.wait_for_log(name, "attached to a device again", 2)
        make_pairs(network)
        network.nothing_held()


def hosts_gone(network: Network, times: int) -> None:
    while network.log("qtwind").count("a host is gone") < times:
        network.pause(BOB)


@pytest.mark.slow  # the broker keeps a will for five seconds
def test_host_that_is_killed_is_noticed_by_the_twin(tmp_path: Path) -> None:
    with through_broker(tmp_path / "lab") as (network, _):
        make_pairs(network)
        network.kill(ALICE)
        hosts_gone(network, 1)
        network.restart(ALICE)
        network.connected()
        make_pairs(network)
        network.kill(ALICE, signal.SIGTERM)
        hosts_gone(network, 2)
