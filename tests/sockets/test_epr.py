"""EPR sockets as applications use them, under trio and blocking, on two nodes with a scripted link."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import pi
from pathlib import Path

import pytest
import trio

import qstack.sockets as qs
from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.base.ids import format_qna
from qstack.base.pairs import BasisChoice, Reading, Rotation
from qstack.base.services import PairsRevoked
from qstack.sockets import blocking
from qstack.sockets.epr import EprSocket
from qstack.wire.twin import ApplyGates, Status
from tests.proto.epr.ends import ALICE, BOB, PURPOSE, Ends
from tests.sockets.epr_daemon import TwoNodes, two_nodes

NEAR, FAR = format_qna(ALICE), format_qna(BOB)


async def both(nodes: TwoNodes, nursery: trio.Nursery) -> tuple[EprSocket, EprSocket]:
    """A socket at each node, connected, for as long as the nursery lives."""
    sockets = []
    for path, remote in ((nodes.alice, FAR), (nodes.bob, NEAR)):

        async def hold(task_status: trio.TaskStatus[EprSocket], path: Path = path, remote: str = remote) -> None:
            async with qs.open_node(path) as node:
                task_status.started(await node.open_epr_socket(remote, PURPOSE))
                await trio.sleep_forever()

        sockets.append(await nursery.start(hold))
    for socket in sockets:
        assert await socket.wait_connected() == 1
    return sockets[0], sockets[1]


async def test_kept_pairs_are_the_same_at_both_ends(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, theirs = await both(nodes, nursery)
        near = await ours.create_keep(4, min_fidelity=0.8, max_time=5, priority=2, atomic=True, consecutive=True)
        far = await theirs.recv_keep(4)
        assert [(q.sequence, q.create_id, q.bell_state) for q in near] == [
            (q.sequence, q.create_id, q.bell_state) for q in far
        ]
        assert (near[0].remote, far[0].remote, near[0].is_held) == (BOB, ALICE, True)
        assert near[0].goodness == pytest.approx(0.9, abs=1e-4)
        [asked] = nodes.ends.asked
        assert (asked.number, asked.priority, asked.atomic, asked.consecutive) == (4, 2, True, True)
        assert asked.min_fidelity == pytest.approx(0.8, abs=1e-5)
        assert not near[0].is_revoked and "held" in repr(near[0]) and "connection 1" in repr(ours)
        nursery.cancel_scope.cancel()


async def test_gates_and_measurements_reach_the_device(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        calls = []
        answer = nodes.ends._result
        nodes.ends._result = lambda node, call, at: (calls.append(call), answer(node, call, at))[1]  # type: ignore[method-assign]
        one, two = await ours.create_keep(2)
        for act in (one.x, one.y, one.z, one.h, one.s, one.t, one.k):
            await act()
        for turn in (one.rot_x, one.rot_y, one.rot_z):
            await turn(-pi / 2)
        await one.cnot(two)
        await one.cphase(two)
        await ours.apply([one.gate(Gate.SQRT_X), two.gate(Gate.RZ, pi)])
        gates = [gate for call in calls if isinstance(call, ApplyGates) for gate in call.gates]
        assert [gate.gate.name for gate in gates] == [
            *"XYZHST", "RX", "Z", "RX", "RY", "RZ", "CNOT", "CZ", "SQRT_X", "RZ"
        ]  # fmt: skip
        assert [gate.angle for gate in gates if gate.angle] == [1 << 30, *[3 << 30] * 3, 1 << 31]
        assert (await one.measure("Z+X")).basis is Basis.Z_PLUS_X
        assert (await two.measure()).outcome == 0
        with pytest.raises(LocalMisuse, match="measured already"):
            await one.x()
        nursery.cancel_scope.cancel()


async def test_measured_pairs_come_as_values_with_their_terms(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, theirs = await both(nodes, nursery)
        near = await ours.create_measure(8, basis_local="X", random_basis_remote="CHSH")
        far = await theirs.recv_measure(8)
        assert {each.basis for each in near} == {Basis.X}
        assert [each.sequence for each in near] == [each.sequence for each in far]
        assert nodes.ends.asked[0].local == Reading(rotation=Rotation(0, 0xC000, 0))
        assert nodes.ends.asked[0].remote == Reading(BasisChoice.CHSH)
        assert [each.outcome for each in near] == [each.in_frame for each in far]  # the script measures in Z
        prepared = await ours.create_rsp(2, rotations_local=(pi / 2, 0, 0))
        qubits = await theirs.recv_rsp(2)
        assert [each.sequence for each in prepared] == [each.sequence for each in qubits]
        assert nodes.ends.asked[1].local == Reading(rotation=Rotation(1 << 14, 0, 0))
        await ours.create_rsp(random_basis_local={"Z": 0.25, "X": 0.5, "Y": 0.25})
        assert nodes.ends.asked[2].local == Reading(BasisChoice.XYZ, first=128, second=64)
        nursery.cancel_scope.cancel()


async def test_sequential_pairs_use_one_memory(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, theirs = await both(nodes, nursery)
        most = 0

        async def receive() -> None:
            async for qubit in theirs.recv_keep_each(3, sequential=True):
                await qubit.measure("X")

        async with trio.open_nursery() as inner:
            inner.start_soon(receive)
            async for qubit in ours.create_keep_each(3, sequential=True):
                most = max(most, len(nodes.ends.memories[ALICE]))
                await (qubit.free() if qubit.sequence % 2 else qubit.measure())
        assert (most, len(nodes.ends.asked)) == (1, 3)
        nursery.cancel_scope.cancel()


async def test_loop_that_is_left_early_cancels_the_rest(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        async with ours.create_keep_each(5, sequential=True) as created:
            qubit = await anext(created)
        await qubit.measure()
        assert not any(link.queue for link in nodes.ends.links.values())
        assert len(nodes.ends.asked) == 1
        nursery.cancel_scope.cancel()


async def test_wait_that_is_cancelled_cancels_the_request(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, Ends(serving=False)) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        with trio.move_on_after(0.05):
            await ours.create_keep()
        await trio.sleep(0.05)
        assert nodes.ends.asked
        assert not any(link.queue for link in nodes.ends.links.values())
        nursery.cancel_scope.cancel()


async def test_revoked_pair_is_marked_and_raises(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        one, two = await ours.create_keep(2)
        nodes.ends.service(ALICE, PairsRevoked(BOB, PURPOSE, one.create_id, True, (one.sequence,)))
        await nodes.tell()
        await two.x()  # what was told before has been read
        assert (one.is_revoked, two.is_revoked) == (True, False)
        with pytest.raises(qs.QubitLost, match="revoked") as lost:
            await one.h()
        assert lost.value.reason is ErrorCode.EXPIRED
        await one.free()
        nursery.cancel_scope.cancel()


async def test_qubits_revoked_while_they_are_asked_to_be_measured_are_none_among_them(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        one, two, three = await ours.create_keep(3)
        nodes.ends.service(ALICE, PairsRevoked(BOB, PURPOSE, one.create_id, True, (one.sequence,)))
        seen = await ours.measure_all([one, two])  # it was not told yet
        assert [each is None for each in seen] == [True, False]
        assert one.is_revoked and not two.is_held
        nodes.ends.service(ALICE, PairsRevoked(BOB, PURPOSE, three.create_id, True, (three.sequence,)))
        with pytest.raises(qs.QubitLost):
            await three.x()
        nursery.cancel_scope.cancel()


async def test_qubits_that_the_device_lost_are_none_among_the_measured(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        qubits = await ours.create_keep(3)
        nodes.ends.statuses = {min(nodes.ends.memories[ALICE]): Status.EMPTY}
        seen = await ours.measure_all(qubits, ["X", "Y", "Z"])
        assert [each is None for each in seen] == [True, False, False]
        nursery.cancel_scope.cancel()


async def test_other_end_that_closes_ends_what_waits_for_it(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, theirs = await both(nodes, nursery)
        kept = await ours.create_keep(2)
        closed: list[str] = []

        async def receive() -> None:
            await ours.recv_keep(2)

        async def wait() -> None:
            with pytest.raises(qs.RemoteClosed):
                await receive()
            closed.append("waiting")

        async with trio.open_nursery() as inner:
            inner.start_soon(wait)
            await trio.sleep(0.01)
            async with theirs:
                pass
        assert closed == ["waiting"]
        assert all(qubit.is_revoked for qubit in kept)  # its halves went with it
        assert not ours.is_connected
        with pytest.raises(LocalMisuse, match="closed here"):
            await theirs.create_keep()
        nursery.cancel_scope.cancel()


async def test_pairs_of_one_who_has_gone_already_are_received(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, qs.open_node(nodes.bob) as bob:
        theirs = await bob.open_epr_socket(NEAR, PURPOSE)
        async with qs.open_node(nodes.alice) as alice, await alice.open_epr_socket(FAR, PURPOSE) as ours:
            await ours.measure_all(await ours.create_keep(2))
        while nodes.ends.machines[BOB].describe().sockets[0].state != "waiting":
            await trio.sleep(0.001)
        assert await theirs.wait_connected() == 1
        with pytest.raises(qs.RemoteClosed):
            await theirs.recv_keep(3)
        assert not theirs.is_connected
        assert await theirs.wait_connected() == 1  # there is something to be taken, still
        assert [qubit.is_held for qubit in await theirs.recv_keep(2)] == [True, True]


async def test_request_that_fails_holds_what_came_before(tmp_path: Path) -> None:
    ends = Ends(serving=False)
    async with two_nodes(tmp_path, ends) as nodes, trio.open_nursery() as nursery:
        ours, theirs = await both(nodes, nursery)

        async def serve() -> None:
            while not ends.asked:
                await trio.sleep(0.001)
            ends.serve(ALICE, ends.asked[0], 1)
            ends.run()
            ends.sleep(10**9)
            await nodes.tell()

        nursery.start_soon(serve)
        with pytest.raises(qs.EprRequestFailed, match="1 of 2 pairs") as failed:
            await ours.create_keep(2, max_time=0.2)
        assert failed.value.reason is ErrorCode.TIMEOUT
        [left] = failed.value.delivered
        with pytest.raises(qs.EprRequestFailed, match="only some"):
            await theirs.recv_keep(2)
        assert len(await theirs.recv_keep(1)) == 1
        assert left.told.bell_state in BellIndex
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("call", [
    lambda s: s.create_keep(0), lambda s: s.create_keep(1 << 16), lambda s: s.create_keep(priority=256),
    lambda s: s.create_keep(max_time=0), lambda s: s.create_keep(min_fidelity=1.1),
    lambda s: s.create_measure(basis_local="W"), lambda s: s.create_measure(random_basis_local="W"),
    lambda s: s.create_measure(basis_local="X", random_basis_local="XZ"),
    lambda s: s.create_measure(random_basis_local={"X": 0.5, "Y": 0.5}),
    lambda s: s.create_measure(random_basis_remote={"X": 0.5, "Z": 0.6}),
    lambda s: s.create_measure(random_basis_remote={"X": 1.0, "Z": 0.0}),
    lambda s: s.create_rsp(basis_local="X", rotations_local=(0, 0, 0)), lambda s: s.recv_keep(0),
])  # fmt: skip
async def test_terms_that_cannot_be_are_refused_before_they_are_sent(
    call: Callable[[EprSocket], object], tmp_path: Path
) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        ours, _ = await both(nodes, nursery)
        with pytest.raises(LocalMisuse):
            await call(ours)  # type: ignore[misc]
        assert not nodes.ends.asked
        nursery.cancel_scope.cancel()


async def test_second_process_is_refused_and_its_successor_starts_clean(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        async with qs.open_node(nodes.bob) as bob, qs.open_node(nodes.alice) as alice:
            theirs = await bob.open_epr_socket(NEAR, PURPOSE)
            ours = await alice.open_epr_socket(FAR, PURPOSE)
            async with qs.open_node(nodes.alice) as second:
                with pytest.raises(qs.SocketRefused, match="another connection"):
                    await second.open_epr_socket(FAR, PURPOSE)
            await ours.create_keep(3)
            await alice.aclose()
            with pytest.raises(LocalMisuse, match="1 to 65535"):
                await bob.open_epr_socket(NEAR, 0)
            async with qs.open_node(nodes.alice) as second:
                ours = await second.open_epr_socket(FAR, PURPOSE)
                assert await ours.wait_connected() == 1
                [qubit] = await ours.create_keep()
                got = await theirs.recv_keep(4)
                assert [each.is_revoked for each in got] == [True, True, True, False]
                assert got[3].sequence == qubit.sequence
        nursery.cancel_scope.cancel()


async def test_frame_of_a_chsh_basis_is_refused() -> None:
    with pytest.raises(LocalMisuse, match="Z_PLUS_X"):
        _ = qs.MeasuredQubit(0, Basis.Z_PLUS_X, BellIndex.PSI_PLUS).in_frame


async def test_blocking_form_has_the_same_verbs(tmp_path: Path) -> None:
    def work(nodes: TwoNodes) -> None:
        with blocking.open_node(nodes.alice) as alice, blocking.open_node(nodes.bob) as bob:
            ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
            assert ours.wait_connected(5) == theirs.wait_connected(5) == 1
            one, two = ours.create_keep(2, timeout=5)
            one.h()
            one.cnot(two)
            far = theirs.recv_keep(2, timeout=5)
            assert [each.in_frame for each in theirs.measure_all(far) if each] == [
                each.bell_state >> 1 & 1 for each in far
            ]
            ours.measure_all([one, two], "X")
            for qubit in ours.create_keep_each(2, sequential=True, timeout=5):
                qubit.measure()
            for qubit in theirs.recv_keep_each(2, sequential=True, timeout=5):
                qubit.free()
            assert len(ours.create_measure(3, timeout=5)) == len(theirs.recv_measure(3, timeout=5)) == 3
            assert len(ours.create_rsp(1, timeout=5)) == len(theirs.recv_rsp(1, timeout=5)) == 1
            with pytest.raises(TimeoutError):
                theirs.recv_keep(timeout=0.01)
            nodes.ends.serving = False
            with pytest.raises(TimeoutError):
                ours.create_keep(timeout=0.01)
            assert ours.is_connected
            time.sleep(0.1)
            assert not nodes.ends.links[ALICE].queue  # cancelled without another word
            with theirs:
                pass
            with pytest.raises(qs.RemoteClosed):
                ours.recv_keep(timeout=5)

    async with two_nodes(tmp_path) as nodes:
        await trio.to_thread.run_sync(work, nodes)


def test_api_of_both_forms_is_the_same() -> None:
    from qstack.sockets import epr, epr_blocking

    for name in ("EprSocket", "Qubit"):
        one, other = ({n for n in vars(getattr(form, name)) if n[0] != "_"} for form in (epr, epr_blocking))
        assert one == other
