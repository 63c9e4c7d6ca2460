"""The trio form, from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

import qstack.sockets as qs
from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.wire.control import ClaimEndpoint, CloseUnit, OpenUnit, ReleasePairs
from tests.sockets.daemon import FORBIDDEN, HERE, KEY, LIFECYCLE, NODE, PAIRS, SERVED, THERE, FakeNode, serving

UNIT = [HERE, THERE, LIFECYCLE]


async def both_ends(path: Path, nursery: trio.Nursery, urns: list[str], kind: str) -> tuple[qs.Unit, qs.Unit]:
    """A unit between two applications; they end with the nursery."""

    async def hold(task_status: trio.TaskStatus[qs.Node]) -> None:
        async with qs.open_node(path) as node:
            task_status.started(node)
            await trio.sleep_forever()

    server, client = await nursery.start(hold), await nursery.start(hold)
    await server.claim(SERVED)
    return await client.open_unit(urns, kind), await server.next_unit()


async def test_key_unit_gives_both_applications_the_same_key(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), trio.open_nursery() as nursery:
        ours, theirs = await both_ends(tmp_path / "s", nursery, UNIT, "key")
        assert (ours.opener, theirs.opener) == (True, False)
        assert ours.urns == theirs.urns == tuple(UNIT)
        assert (ours.kind, ours.size, ours.remote) == (qs.UnitKind.KEY, 256, NODE)
        key = await ours.key()
        assert key == await theirs.key()
        assert (key.octets, key.confirmed, key.secret) == (KEY, True, True)
        assert key.quality == qs.Quality(400, 1.0, 50, 0)
        assert KEY.hex() not in repr(key) and repr(KEY) not in repr(key)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("basis", ["X", "Y", "Z"])
async def test_pairs_measured_at_both_ends_agree_once_one_end_takes_the_frame(basis: str, tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), trio.open_nursery() as nursery:
        ours, theirs = await both_ends(tmp_path / "s", nursery, [HERE, THERE, PAIRS], "pairs")
        near = [(await pair.measure(basis)).outcome async for pair in ours.pairs()]
        far = [(await pair.measure(basis)).in_frame async for pair in theirs.pairs()]
        assert len(near) == 4
        assert [a ^ b for a, b in zip(near, far, strict=True)] == [int(basis == "Y")] * 4
        nursery.cancel_scope.cancel()


async def test_pairs_measured_at_once_leave_out_what_was_lost(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode(lost={1})), trio.open_nursery() as nursery:
        ours, _ = await both_ends(tmp_path / "s", nursery, [HERE, THERE, PAIRS], "pairs")
        pairs = [pair async for pair in ours.pairs()]
        measured = await ours.measure_all(pairs, ["X", "Y", "Z", qs.node.Basis.X])
        assert [(each.number, each.basis.name) for each in measured] == [(0, "X"), (2, "Z"), (3, "X")]
        with pytest.raises(qs.PairLost, match="pair 1"):
            await pairs[1].measure("X")
        nursery.cancel_scope.cancel()


async def test_pairs_more_than_a_frame_holds_are_measured_in_several(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), trio.open_nursery() as nursery:
        urns = [HERE, THERE, "urn:qkd:lifecycle?=size=2500"]
        ours, theirs = await both_ends(tmp_path / "s", nursery, urns, "pairs")

        async def read() -> None:  # the daemon of this test waits for whoever does not read
            async for _ in theirs.pairs():
                pass

        nursery.start_soon(read)
        pairs = [pair async for pair in ours.pairs()]
        measured = await ours.measure_all(pairs, ["Z"] * 2500)
        assert [each.number for each in measured] == list(range(2500))
        nursery.cancel_scope.cancel()


async def test_listen_gives_units_of_its_endpoint_only(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), qs.open_node(tmp_path / "s") as node:
        await node.claim("urn:qkd:c:other")
        incoming = node.listen(SERVED)
        async with trio.open_nursery() as nursery:
            found: list[qs.Unit] = []

            async def take() -> None:
                found.append(await anext(incoming))

            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            await node.open_unit([HERE, "urn:qkd:c:other", LIFECYCLE])
            mine = await node.open_unit(UNIT)
        assert [unit.urns for unit in found] == [mine.urns]
        assert (await node.next_unit()).urns[1] == "urn:qkd:c:other"


async def test_claim_made_before_is_not_made_again(tmp_path: Path) -> None:
    fake = FakeNode()
    async with serving(tmp_path / "s", fake), qs.open_node(tmp_path / "s") as node:
        await node.claim("URN:qkd:b:there")
        await node.claim(SERVED)
        with trio.move_on_after(0.01):
            await anext(node.listen(SERVED))
    assert [type(message) for message in fake.received] == [ClaimEndpoint]


async def test_refusals_name_reason_and_remedy(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), qs.open_node(tmp_path / "s") as node:
        with pytest.raises(qs.EndpointRefused, match=r"add an \[\[endpoint\]\]") as claim:
            await node.claim(FORBIDDEN)
        assert claim.value.reason is ErrorCode.POLICY
        with pytest.raises(qs.UnitRefused, match=r"no announced prefix covers it \(NO_ROUTE\)") as unit:
            await node.open_unit([HERE, FORBIDDEN, LIFECYCLE])
        assert isinstance(unit.value, LocalMisuse)
        assert unit.value.text == "no announced prefix covers it"


async def test_unit_that_fails_says_who_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), qs.open_node(tmp_path / "s") as node:
        unit = await node.open_unit(UNIT)
        with pytest.raises(qs.UnitFailed, match=r"refused \(NO_ENDPOINT, by 64512\.1\)") as failed:
            await unit.key()
        assert (failed.value.reason, failed.value.refused_by) == (ErrorCode.NO_ENDPOINT, NODE)
        await unit.wait_closed()


@pytest.mark.parametrize("call", [
    lambda node: node.claim("urn:x"), lambda node: node.open_unit(UNIT, "keys"),
    lambda node: node.open_unit(UNIT, min_fidelity=1.5), lambda node: node.open_unit([HERE, THERE]),
])  # fmt: skip
async def test_call_with_bad_arguments_is_refused_before_anything_is_sent(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fake = FakeNode()
    async with serving(tmp_path / "s", fake), qs.open_node(tmp_path / "s") as node:
        with pytest.raises(LocalMisuse):
            await call(node)
    assert fake.received == []


async def test_key_asked_of_a_unit_of_pairs_is_misuse(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()), trio.open_nursery() as nursery:
        ours, _ = await both_ends(tmp_path / "s", nursery, [HERE, THERE, PAIRS], "pairs")
        with pytest.raises(LocalMisuse, match=r"use pairs\(\)"):
            await ours.key()
        nursery.cancel_scope.cancel()


async def test_unit_that_one_end_closes_ends_at_the_other(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode(deliver=False)), trio.open_nursery() as nursery:
        ours, theirs = await both_ends(tmp_path / "s", nursery, UNIT, "key")
        async with ours:
            pass
        with pytest.raises(qs.UnitFailed, match="closed by the other end"):
            await theirs.key()
        with pytest.raises(LocalMisuse, match="closed here"):
            await ours.key()
        await theirs.close()
        nursery.cancel_scope.cancel()


async def test_close_twice_is_said_once(tmp_path: Path) -> None:
    fake = FakeNode(deliver=False)
    async with serving(tmp_path / "s", fake), trio.open_nursery() as nursery:
        ours, theirs = await both_ends(tmp_path / "s", nursery, UNIT, "key")
        await ours.close()
        await ours.close()
        await theirs.wait_closed()
        nursery.cancel_scope.cancel()
    assert sum(isinstance(message, CloseUnit) for message in fake.received) == 1


async def test_many_tasks_share_one_connection(tmp_path: Path) -> None:
    keys: list[qs.Key] = []
    served: list[qs.Unit] = []
    async with serving(tmp_path / "s", FakeNode()), qs.open_node(tmp_path / "s") as node:
        await node.claim(SERVED)

        async def serve() -> None:
            async for unit in node.listen(SERVED):
                keys.append(await unit.key())
                served.append(unit)
                if len(served) == 10:
                    return

        async def ask(number: int) -> None:
            unit = await node.open_unit([HERE, f"{SERVED}?=nonce={number}", LIFECYCLE])
            keys.append(await unit.key())

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, number)
            nursery.start_soon(serve)
    assert len(keys) == 20
    assert {key.octets for key in keys} == {KEY}


async def test_error_in_an_application_comes_out_as_itself(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", FakeNode()):
        with pytest.raises(ZeroDivisionError):  # and not inside a group
            async with qs.open_node(tmp_path / "s"):
                raise ZeroDivisionError


async def test_open_that_is_cancelled_closes_the_unit_that_comes_of_it(tmp_path: Path) -> None:
    fake = FakeNode(answering=False)
    async with serving(tmp_path / "s", fake), qs.open_node(tmp_path / "s") as node:
        with trio.move_on_after(0.01):
            await node.open_unit(UNIT)
        fake.answering = True
        [held] = fake.received
        assert isinstance(held, OpenUnit)
        await node.claim(SERVED)
        await fake._answer(fake.claims[SERVED], held)
        await node.claim("urn:qkd:b:more")  # hears of the unit, and says that nobody wants it
        await node.claim("urn:qkd:b:last")
    assert sum(isinstance(message, CloseUnit) for message in fake.received) == 1


async def test_release_gives_up_pairs_by_number(tmp_path: Path) -> None:
    fake = FakeNode()
    async with serving(tmp_path / "s", fake), trio.open_nursery() as nursery:
        ours, _ = await both_ends(tmp_path / "s", nursery, [HERE, THERE, PAIRS], "pairs")
        first, second, *_ = [pair async for pair in ours.pairs()]
        await ours.release([first, second])
        await first.measure("Z")  # the daemon has read what came before
        nursery.cancel_scope.cancel()
    assert [message.pairs for message in fake.received if isinstance(message, ReleasePairs)] == [(0, 1)]


async def test_daemon_that_goes_away_ends_what_waits(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        lost = trio.Event()

        async def wait() -> None:
            async with qs.open_node(tmp_path / "s") as node:
                await node.claim(SERVED)
                ready.set()
                with pytest.raises(qs.ConnectionLost, match="closed the connection"):
                    await node.next_unit()
                with pytest.raises(qs.ConnectionLost):
                    await node.claim("urn:qkd:b:more")
                lost.set()

        async with serving(tmp_path / "s", FakeNode()):
            ready = trio.Event()
            nursery.start_soon(wait)
            await ready.wait()
        await lost.wait()


async def test_socket_that_speaks_another_language_is_told(tmp_path: Path) -> None:
    async def stranger(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.receive_some()

    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(str(tmp_path / "s"))
    sock.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, stranger, [trio.SocketListener(sock)])
        async with qs.open_node(tmp_path / "s") as node:
            with pytest.raises(qs.ConnectionLost, match="another language"):
                await node.claim(SERVED)
        nursery.cancel_scope.cancel()


async def test_open_node_where_nobody_is_names_the_socket_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QSTACK_SOCKET", str(tmp_path / "gone.sock"))
    with pytest.raises(LocalMisuse, match=r"gone\.sock: start qstackd"):
        async with qs.open_node():
            pass


def test_node_used_without_async_with_says_so() -> None:
    with pytest.raises(AttributeError, match="async with open_node"):
        _ = qs.open_node("nowhere.sock").claim
