"""Lines in, lines out."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from qstack.base.errors import LocalMisuse
from qstack.control import replies, requests
from qstack.control.answering import answers
from qstack.control.replies import (
    AnyReply,
    CountersReply,
    DoneReply,
    EchoReply,
    ErrorReply,
    PingReply,
    WaitReply,
    decode_reply_untrusted,
)  # fmt: skip
from qstack.control.requests import Ping, Reload, Status, Stop, Wait, decode_request_untrusted, encode_request
from qstack.io.frames import open_control
from tests.control.daemon import NEAR, FakeDaemon, serving

USER = 1234


async def asked(daemon: FakeDaemon, request: requests.Request | bytes, user: int = USER) -> list[AnyReply]:
    line = request if isinstance(request, bytes) else encode_request(request)
    found = [decode_reply_untrusted(reply) async for reply in answers(line, user, daemon)]
    assert [reply.more for reply in found] == [True] * (len(found) - 1) + [False]  # the last one, and it alone, is last
    return found


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.mark.parametrize("name", ["status", "neighbours", "sessions", "links", "circuits", "units", "counters"])
async def test_look_is_answered_by_the_reply_of_its_name(name: str, daemon: FakeDaemon) -> None:
    [reply] = await asked(daemon, b'{"request":"%s"}' % name.encode())
    assert reply == getattr(daemon, name)()
    assert msgspec.json.decode(replies.encode_reply(reply))["reply"] == name


async def test_ping_tells_each_echo_and_then_all_together(daemon: FakeDaemon, autojump_clock: MockClock) -> None:
    daemon.lost = {1}
    *echoes, summary = await asked(daemon, Ping(node="64513.2", count=3, interval_ms=500, timeout_ms=200))
    assert [each.sequence for each in echoes if isinstance(each, EchoReply)] == [0, 1, 2]
    assert isinstance(echoes[1], EchoReply)
    assert (echoes[1].round_trip_ns, echoes[1].reason) == (None, "TIMEOUT")
    assert summary == PingReply(node="64513.2", sent=3, answered=2, minimum_ns=1000, mean_ns=2000, maximum_ns=3000)
    assert trio.current_time() == pytest.approx(1.0)  # two intervals, and no sleep after the last


async def test_wait_for_what_holds_already_is_answered_at_once(daemon: FakeDaemon) -> None:
    [reply] = await asked(daemon, Wait(conditions=("neighbour=64512.2", "neighbours>=1"), timeout_ms=0))
    assert isinstance(reply, WaitReply)
    assert reply.missing == ()


async def test_wait_ends_when_the_last_condition_comes_true(
    daemon: FakeDaemon, autojump_clock: MockClock
) -> None:
    async def change() -> None:
        await trio.sleep(2)
        daemon.now = msgspec.structs.replace(daemon.now, state="ready")
        daemon.tell_change()
        await trio.sleep(2)
        daemon.near = (NEAR, msgspec.structs.replace(NEAR, node="64512.3"))
        daemon.tell_change()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        [reply] = await asked(daemon, Wait(conditions=("ready", "connected"), timeout_ms=10_000))
    assert reply == WaitReply(missing=(), waited_s=pytest.approx(4.0, abs=0.01))


async def test_wait_that_is_over_tells_what_is_missing(daemon: FakeDaemon, autojump_clock: MockClock) -> None:
    [reply] = await asked(daemon, Wait(conditions=("neighbours>=1", "ready"), timeout_ms=3_000))
    assert reply == WaitReply(missing=("ready",), waited_s=pytest.approx(3.0, abs=0.11))


async def test_wait_notices_a_change_that_nobody_told(daemon: FakeDaemon, autojump_clock: MockClock) -> None:
    async def change() -> None:
        await trio.sleep(1)
        daemon.figures["unit.started"] = 5

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        [reply] = await asked(daemon, Wait(conditions=("unit.started>=5",)))
    assert isinstance(reply, WaitReply)
    assert reply.waited_s < 1.2


@pytest.mark.parametrize("request_", [Reload(), Stop()])
async def test_change_by_somebody_who_may_only_look_is_refused(request_: requests.Request, daemon: FakeDaemon) -> None:
    [reply] = await asked(daemon, request_)
    assert isinstance(reply, ErrorReply)
    assert reply.reason == "POLICY"
    assert "[control] admins" in reply.text
    assert daemon.stopped == ""


async def test_change_by_an_admin_is_done(daemon: FakeDaemon) -> None:
    daemon.admins = {USER}
    assert isinstance((await asked(daemon, Reload()))[0], DoneReply)
    assert isinstance((await asked(daemon, Stop()))[0], DoneReply)
    assert daemon.stopped


async def test_reload_of_a_bad_file_tells_its_problems(daemon: FakeDaemon) -> None:
    daemon.admins, daemon.reload_refused = {USER}, "alice.toml: $.node.qna = 7: is not a text\nalice.toml: second"
    [reply] = await asked(daemon, Reload())
    assert reply == ErrorReply(reason="POLICY", text=daemon.reload_refused)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"request":"statuz"}', "statuz"),
        (b'{"request":"ping"}', "node"),
        (b'{"request":"ping","node":"1.1","cuont":1}', "cuont"),
        (b'{"request":"ping","node":"1.1","count":0}', ">= 1"),
        (b'{"request":"wait","conditions":[]}', "length >= 1"),
        (b'{"request":"status"', "truncated"),
        (b"{}", "request"),
        (b"\xff\xfe", "malformed"),
        (b'{"x":' + b"[" * 60_000, "recursion depth"),
    ],
)
async def test_line_that_is_no_request_is_refused_with_the_place(line: bytes, words: str, daemon: FakeDaemon) -> None:
    [reply] = await asked(daemon, line)
    assert isinstance(reply, ErrorReply)
    assert reply.reason == "MALFORMED"
    assert words in reply.text


async def test_ping_of_no_address_is_refused(daemon: FakeDaemon) -> None:
    [reply] = await asked(daemon, Ping(node="bob"))
    assert isinstance(reply, ErrorReply)
    assert "AS.NODE" in reply.text


@given(st.binary(max_size=100))
def test_request_any_octets_are_a_request_or_misuse(line: bytes) -> None:
    try:
        request = decode_request_untrusted(line)
    except LocalMisuse:
        return
    assert decode_request_untrusted(encode_request(request)) == request


async def test_operator_on_the_socket_is_known_by_the_kernel(tmp_path: Path, daemon: FakeDaemon) -> None:
    daemon.admins = {os.getuid()}
    async with serving(tmp_path / "s", daemon), await open_control(tmp_path / "s") as connection:
        await connection.send_line(encode_request(Reload()))
        assert isinstance(decode_reply_untrusted(await connection.receive_line() or b""), DoneReply)
        await connection.send_line(encode_request(Status()))
        assert decode_reply_untrusted(await connection.receive_line() or b"") == daemon.status()


async def test_operator_who_leaves_while_waiting_takes_nothing_along(tmp_path: Path, daemon: FakeDaemon) -> None:
    async with serving(tmp_path / "s", daemon):
        async with await open_control(tmp_path / "s") as connection:
            await connection.send_line(encode_request(Wait(conditions=("units>=9",), timeout_ms=60_000)))
            await daemon.looked.wait()
        daemon.figures["x.y"] = 1
        async with await open_control(tmp_path / "s") as other:
            await other.send_line(b'{"request":"counters"}')
            reply = decode_reply_untrusted(await other.receive_line() or b"")
        assert isinstance(reply, CountersReply)
        assert reply.counters["x.y"] == 1
