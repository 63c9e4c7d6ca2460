"""session.handshake/dtls: from nothing to keys at both ends, over UDP on loopback, with mutual certificates.

Ours: a hop session: cookie, mutual TLS 1.3 by pyOpenSSL with Ed25519 certificates and X25519MLKEM768, the first sealed
message. Theirs: trio's DTLS: cookie, mutual DTLS 1.2 by the same pyOpenSSL, with P-256 certificates (it takes no
Ed25519 there) and X25519. Both are driven by trio over the same kind of socket, one handshake after another in turns;
sockets and TLS contexts are made beforehand.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version

import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from qstack.base.locator import Arrival, Locator
from qstack.io.udp import UdpPort, open_unicast
from tools.benchmarks.comparison import Comparison
from tools.benchmarks.session_ends import SessionEnd

__all__ = ["ENTRIES"]

HANDSHAKES = 100
LOOPBACK = b"\x7f\0\0\1"


def handshake() -> Comparison:
    """Against trio's DTLS."""
    ours, theirs = trio.run(measure)
    return Comparison("session.handshake/dtls", ours, theirs, f"DTLS of trio {version('trio')}", "ms per handshake")


async def measure() -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # trio's about channels that are dropped
        turns = [(await our_handshake(), await dtls_handshake()) for _ in range(HANDSHAKES)]
    return statistics.median(turn[0] for turn in turns), statistics.median(turn[1] for turn in turns)


async def our_handshake() -> float:
    """Milliseconds until both ends have keys."""
    ports = [bound_port(), bound_port()]
    caller, called = SessionEnd(1, ports[0].send), SessionEnd(2, ports[1].send)
    async with trio.open_nursery() as nursery:
        done = trio.Event()

        def settle() -> None:
            if caller.is_up(called.qna) and called.is_up(caller.qna):
                done.set()

        for end, port in zip((caller, called), ports, strict=True):
            nursery.start_soon(port.receive, taking(end), settle)
        await trio.testing.wait_all_tasks_blocked()
        start = time.perf_counter()
        caller.connect(called.qna, ports[1].locator)
        with trio.fail_after(10):
            await done.wait()
        took = time.perf_counter() - start
        nursery.cancel_scope.cancel()
    for port in ports:
        port.close()
    return took * 1e3


def taking(end: SessionEnd) -> Callable[[bytes, Arrival], None]:
    return lambda datagram, arrival: end.receive(datagram, arrival.source)


def bound_port() -> UdpPort:
    port = open_unicast(Locator(LOOPBACK, 0), "bench")
    port.locator = Locator(LOOPBACK, port.sock.getsockname()[1])
    return port


async def dtls_handshake() -> float:
    """Milliseconds until both ends have keys."""
    server, client = await bound_endpoint(), await bound_endpoint()
    contexts = dtls_context(), dtls_context()  # serving changes one, so it serves once
    async with trio.open_nursery() as nursery:
        done = trio.Event()

        async def answer(channel: trio.DTLSChannel) -> None:
            await channel.do_handshake()
            done.set()

        await nursery.start(server.serve, contexts[0], answer)
        await trio.testing.wait_all_tasks_blocked()
        start = time.perf_counter()
        channel = client.connect(server.socket.getsockname(), contexts[1])
        with trio.fail_after(10):
            await channel.do_handshake()
            await done.wait()
        took = time.perf_counter() - start
        nursery.cancel_scope.cancel()
    server.close()
    client.close()
    return took * 1e3


async def bound_endpoint() -> trio.DTLSEndpoint:
    sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))
    return trio.DTLSEndpoint(sock)


@cache
def dtls_ca() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    is_ca = x509.BasicConstraints(ca=True, path_length=0)
    return builder("ca", "ca", key).add_extension(is_ca, critical=True).sign(key, SHA256()), key


def builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    now = datetime.now(UTC)
    return x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number(),
                                   now - timedelta(days=1), now + timedelta(days=1))  # fmt: skip


def dtls_context() -> SSL.Context:
    """Shows a certificate of the CA and demands another one of it."""
    ca, ca_key = dtls_ca()
    key = ec.generate_private_key(ec.SECP256R1())
    context = SSL.Context(SSL.DTLS_METHOD)
    context.use_certificate(crypto.X509.from_cryptography(builder("node", "ca", key).sign(ca_key, SHA256())))
    context.use_privatekey(crypto.PKey.from_cryptography_key(key))
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(ca))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


ENTRIES = {"session.handshake/dtls": handshake}
