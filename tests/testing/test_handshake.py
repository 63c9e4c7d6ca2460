"""The deterministic handshake keeps the promises that protocols lean on."""

import pytest

from qstack.base.chance import Chance
from qstack.base.handshake import Handshake
from qstack.base.ids import Qna, parse_qna
from qstack.testing.handshake import FLIGHT_OCTETS, FakeHandshakeFactory, fake_identity

ALICE, BOB, MALLORY = parse_qna("64512.1"), parse_qna("64512.2"), parse_qna("64512.66")


def factory(qna: int, seed: bytes = b"seed") -> FakeHandshakeFactory:
    return FakeHandshakeFactory(
        fake_identity(parse_qna(f"64512.{qna & 255}"), ("urn:qkd:x",)), Chance(seed + b"%d" % qna)
    )


def shake(client: Handshake, server: Handshake) -> tuple[int, ...]:
    sizes = []
    for number in range(3):
        speaker, listener = (server, client) if number % 2 else (client, server)
        flight = speaker.take()
        sizes.append(len(flight))
        listener.feed(flight[:700])
        listener.feed(flight[700:])
    return tuple(sizes)


def test_handshake_has_the_flights_of_tls_and_agrees() -> None:
    client, server = factory(ALICE).client(BOB), factory(BOB).server()
    assert shake(client, server) == FLIGHT_OCTETS
    assert client.done and server.done
    assert client.peer_identity() == fake_identity(BOB, ("urn:qkd:x",))
    assert server.peer_identity().qna == ALICE
    assert client.export(b"a", b"b", 40) == server.export(b"a", b"b", 40)
    assert client.export(b"a", b"b", 40) != client.export(b"ab", b"", 40)


def test_handshake_same_seed_is_the_same_run_another_seed_is_not() -> None:
    def run(seed: bytes) -> bytes:
        client, server = factory(ALICE, seed).client(BOB), factory(BOB, seed).server()
        shake(client, server)
        return client.export(b"a", b"", 32)

    assert run(b"one") == run(b"one") != run(b"two")


def test_handshake_impostor_is_refused_by_who_expects_another() -> None:
    client, server = factory(ALICE).client(BOB), factory(MALLORY).server()
    shake(client, server)
    assert client.failed == "certificate is that of 64512.66, not of 64512.2"
    assert not client.done and not server.done


def test_handshake_judge_refuses_the_client() -> None:
    client, server = factory(ALICE).client(BOB), factory(BOB)
    server.judge = lambda identity: "revoked" if identity.qna == ALICE else ""
    refusing = server.server()
    shake(client, refusing)
    assert refusing.failed == "revoked"
    assert client.done and not refusing.done


@pytest.mark.parametrize("flight", [0, 1, 2])
def test_handshake_damaged_flight_fails(flight: int) -> None:
    ends: list[Handshake] = [factory(ALICE).client(BOB), factory(BOB).server()]
    for number in range(flight + 1):
        octets = bytearray(ends[number % 2].take())
        if number == flight:
            octets[len(octets) // 2] ^= 1
        ends[1 - number % 2].feed(bytes(octets))
    assert ends[1 - flight % 2].failed == "flight is damaged"


@pytest.mark.parametrize("expected", [ALICE, BOB, None])
def test_handshake_own_call_is_refused_without_a_word(expected: Qna | None) -> None:
    alone = factory(ALICE)
    client, server = alone.client(expected), alone.server()
    server.feed(client.take())
    assert server.failed == "this node itself has begun the handshake"
    assert server.take() == b"" and not server.done


def test_handshake_call_of_a_clone_is_answered() -> None:
    client, server = factory(ALICE).client(ALICE), factory(ALICE, b"clone").server()
    shake(client, server)
    assert client.done and server.done and client.peer_identity().qna == ALICE
