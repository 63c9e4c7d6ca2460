"""EPR sockets on real daemons: what correlates, and what is left of an application that was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from math import pi
from pathlib import Path

import pytest
import trio

import qstack.sockets as qs
from qstack.base.errors import ErrorCode
from qstack.cli.laboratory import Laboratory
from qstack.cli.qstackctl import main as qstackctl
from qstack.sockets import blocking

TOPOLOGY = """
[lab]
name = "two"
[[node]]
name = "alice"
qna = "64512.1"
[[node]]
name = "bob"
qna = "64512.2"
[[link]]
between = ["alice", "bob"]
memories = 64
"""
NEAR, FAR = "64512.1", "64512.2"
PURPOSE = 7
PATIENCE_S = 20.0
# Creates pairs on and on; of each eight it measures four, and says how many it has had.
GREEDY = """
import sys
from qstack.sockets.blocking import open_node
with open_node(sys.argv[1]) as node:
    socket = node.open_epr_socket(sys.argv[2], int(sys.argv[3]))
    made = 0
    while True:
        qubits = socket.create_keep(8, timeout=20)
        socket.measure_all(qubits[:4])
        socket.free_all(qubits[4:] if made else [])
        made += 8
        print(made, flush=True)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "two.toml").write_text(TOPOLOGY)
    laboratory = Laboratory(folder / "dir")
    laboratory.up(folder / "two.toml")
    try:
        for name in laboratory.nodes():
            assert qstackctl(["--socket", str(laboratory.socket_of(name)), "wait", "connected"]) == 0
        yield laboratory
    finally:
        laboratory.down()


def memories(lab: Laboratory, name: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert qstackctl(["--socket", str(lab.socket_of(name)), "--json", "memories", *words]) == 0
    told: list[dict[str, object]] = json.loads(capsys.readouterr().out)["memories"]
    return told


def await_empty(lab: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    """Until no memory of either node is in use."""
    until = time.monotonic() + PATIENCE_S
    while busy := [m for name in ("alice", "bob") for m in memories(lab, name, capsys) if m["place"] != "free"]:
        assert time.monotonic() < until, busy[:3]
        time.sleep(0.05)


@pytest.mark.parametrize("basis", ["X", "Y", "Z"])
async def test_trio_halves_are_those_of_their_bell_state(basis: str, lab: Laboratory) -> None:
    async with (
        qs.open_node(lab.socket_of("alice")) as alice, qs.open_node(lab.socket_of("bob")) as bob,
        await alice.open_epr_socket(FAR, PURPOSE) as ours, await bob.open_epr_socket(NEAR, PURPOSE) as theirs,
    ):  # fmt: skip
        with trio.fail_after(PATIENCE_S):
            near, far = await ours.create_keep(48, max_time=15), await theirs.recv_keep(48)
            assert [q.sequence for q in near] == [q.sequence for q in far]
            seen, told = await ours.measure_all(near, basis), await theirs.measure_all(far, basis)
    outcomes = [(one.outcome, two.in_frame) for one, two in zip(seen, told, strict=True) if one and two]
    assert len(outcomes) == 48
    assert {one ^ two for one, two in outcomes} == {int(basis == "Y")}
    assert len({one for one, _ in outcomes}) == 2  # chance decides


def test_blocking_sequential_pairs_come_one_by_one_at_both_ends(
    lab: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        for one in ours.create_keep_each(4, sequential=True, timeout=PATIENCE_S):
            held = [m for m in memories(lab, "alice", capsys) if m["holder"]]
            assert [m["sequence"] for m in held] == [one.sequence]
            [two] = theirs.recv_keep(timeout=PATIENCE_S)
            assert one.measure("X").outcome == two.measure("X").in_frame
    await_empty(lab, capsys)


def test_operator_sees_who_holds_what_and_how_good_it_truly_is(
    lab: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = str(lab.socket_of("alice").with_name("qtwind-operator.sock"))
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        qubits = ours.create_keep(3, timeout=PATIENCE_S)
        theirs.recv_keep(3, timeout=PATIENCE_S)
        told = [m for m in memories(lab, "alice", capsys, "--twin", twin) if m["holder"]]
        assert {m["number"] for m in told} == {qubit.number for qubit in qubits}
        assert {m["bell_index"] for m in told} <= {2, 3}
        assert all(m["true_fidelity"] == pytest.approx(1.0, abs=1e-6) for m in told)
        assert qstackctl(["--socket", str(lab.socket_of("alice")), "links", "--twin", twin]) == 0
        shown = capsys.readouterr().out
        assert "1.0000" in shown and "connected" in shown
    await_empty(lab, capsys)


def test_killed_application_leaves_nothing_to_its_successor(
    lab: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five lives, each killed in the middle of what it does; the other end is one application all the time."""
    with blocking.open_node(lab.socket_of("bob")) as bob, bob.open_epr_socket(NEAR, PURPOSE) as theirs:
        for life in range(1, 6):
            command = [sys.executable, "-c", GREEDY, str(lab.socket_of("alice")), FAR, str(PURPOSE)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as greedy:
                assert greedy.stdout is not None
                for _ in range(life):
                    assert int(greedy.stdout.readline()) >= 8
                greedy.send_signal(signal.SIGKILL)
            with blocking.open_node(lab.socket_of("alice")) as alice:
                ours = open_again(alice)
                ours.wait_connected(PATIENCE_S)
                mine = {(q.create_id, q.sequence): q for q in ours.create_keep(8, timeout=PATIENCE_S)}
                got: dict[tuple[int, int], qs.epr_facts.QubitFacts] = {}
                while not mine.keys() <= got.keys():
                    [one] = theirs.recv_keep(timeout=PATIENCE_S)
                    got[one.create_id, one.sequence] = one
                    if (one.create_id, one.sequence) not in mine and one.is_held:
                        one.free()  # of the former life, measured there before it was killed
                for name, qubit in mine.items():
                    other = got[name]
                    assert isinstance(other, qs.epr_blocking.Qubit)
                    assert qubit.measure("Z").outcome == other.measure("Z").in_frame
    await_empty(lab, capsys)


def open_again(node: blocking.Node) -> qs.epr_blocking.EprSocket:
    """As soon as the daemon has noticed that the former holder is gone."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return node.open_epr_socket(FAR, PURPOSE)
        except qs.SocketRefused:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_application_that_does_not_read_loses_only_itself(lab: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    """Its halves fill no more than its share, another one's pairs go on, and all is free when it is gone."""
    with blocking.open_node(lab.socket_of("bob")) as lazy, blocking.open_node(lab.socket_of("bob")) as bob:
        lazy.open_epr_socket(NEAR, 8)
        with blocking.open_node(lab.socket_of("alice")) as alice:
            spoiled, ours = alice.open_epr_socket(FAR, 8), alice.open_epr_socket(FAR, PURPOSE)
            theirs = bob.open_epr_socket(NEAR, PURPOSE)
            spoiled.measure_all(spoiled.create_keep(16, timeout=PATIENCE_S))
            for _ in range(3):
                seen = ours.measure_all(ours.create_keep(16, timeout=PATIENCE_S), "X")
                told = theirs.measure_all(theirs.recv_keep(16, timeout=PATIENCE_S), "X")
                assert [a and a.outcome for a in seen] == [b and b.in_frame for b in told]
    await_empty(lab, capsys)


def test_second_process_of_a_purpose_is_refused_by_name(lab: Laboratory) -> None:
    path: Path = lab.socket_of("alice")
    with blocking.open_node(path) as first, blocking.open_node(path) as second:
        first.open_epr_socket(FAR, PURPOSE)
        with pytest.raises(qs.SocketRefused, match="held by another connection"):
            second.open_epr_socket(FAR, PURPOSE)
        with pytest.raises(qs.SocketRefused, match="at the other end of no link"):
            second.open_epr_socket("64512.9", PURPOSE)


def test_pairs_measured_as_they_are_made_agree_in_every_basis(lab: Laboratory) -> None:
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        for basis in ("X", "Y", "Z"):
            near = ours.create_measure(24, basis_local=basis, basis_remote=basis, timeout=PATIENCE_S)
            far = theirs.recv_measure(24, timeout=PATIENCE_S)
            assert {each.basis.name for each in (*near, *far)} == {basis}
            assert {a.outcome ^ b.in_frame for a, b in zip(near, far, strict=True)} == {int(basis == "Y")}
        near = ours.create_measure(96, random_basis_local="XZ", random_basis_remote="XZ", timeout=PATIENCE_S)
        far = theirs.recv_measure(96, timeout=PATIENCE_S)
        same = [(a, b) for a, b in zip(near, far, strict=True) if a.basis is b.basis]
        assert 20 < len(same) < 76 and all(a.outcome == b.in_frame for a, b in same)


def test_qubits_prepared_from_afar_are_those_that_were_measured(lab: Laboratory) -> None:
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        for basis in ("X", "Z"):
            near = ours.create_rsp(8, basis_local=basis, timeout=PATIENCE_S)
            far = theirs.measure_all(theirs.recv_rsp(8, timeout=PATIENCE_S), basis)
            assert [each.outcome for each in near] == [each.in_frame for each in far if each]


def test_swap_by_gates_of_the_application_joins_the_far_halves(lab: Laboratory) -> None:
    """CNOT, H and two measurements are a Bell measurement on the near halves."""
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        for _ in range(6):
            one, two = ours.create_keep(2, timeout=PATIENCE_S)
            ends = theirs.recv_keep(2, timeout=PATIENCE_S)
            one.cnot(two)
            one.h()
            z_part, x_part = one.measure().outcome, two.measure().outcome
            frame = one.bell_state ^ two.bell_state ^ (x_part << 1 | z_part)
            assert ends[0].measure("X").outcome ^ ends[1].measure("X").outcome == frame & 1


def test_gates_turn_qubits_as_their_names_say(lab: Laboratory) -> None:
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)

        def flips(act: Callable[[qs.epr_blocking.Qubit], None], before: str, after: str) -> int:
            """Whether `act` turns +`before` into -`after`."""
            [near], [far] = ours.create_keep(timeout=PATIENCE_S), theirs.recv_keep(timeout=PATIENCE_S)
            told = far.measure(before).in_frame ^ (before == "Y")  # what near's half is now, in its frame
            act(near)
            return near.measure(after).outcome ^ told

        assert [flips(lambda q: q.h(), *bases) for bases in ("XZ", "ZX", "YY")] == [0, 0, 1]
        assert [flips(lambda q: q.s(), *bases) for bases in ("XY", "YX", "ZZ")] == [0, 1, 0]
        assert [flips(lambda q: q.k(), *bases) for bases in ("YZ", "ZY", "XX")] == [0, 0, 1]
        assert [flips(lambda q: q.rot_x(pi / 2), *bases) for bases in ("YZ", "ZY", "XX")] == [0, 1, 0]
        assert [flips(lambda q: q.rot_y(pi), *bases) for bases in ("XX", "YY", "ZZ")] == [1, 0, 1]


def test_chsh_bases_violate_bell_s_inequality_as_far_as_can_be(lab: Laboratory) -> None:
    """S = 2 sqrt 2 on an ideal link; 0.063 is its standard deviation with 2,000 pairs."""
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, theirs = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        near = ours.create_measure(2_000, random_basis_local="XZ", random_basis_remote="CHSH", timeout=PATIENCE_S)
        far = theirs.recv_measure(2_000, timeout=PATIENCE_S)
    seen: dict[tuple[str, str], list[int]] = {}
    for one, two in zip(near, far, strict=True):  # the frame is undone at the end that measured in X or Z
        seen.setdefault((one.basis.name, two.basis.name), []).append((-1) ** (one.in_frame ^ two.outcome))
    mean = {bases: sum(values) / len(values) for bases, values in seen.items()}
    s = mean["Z", "Z_PLUS_X"] + mean["X", "Z_PLUS_X"] + mean["Z", "Z_MINUS_X"] - mean["X", "Z_MINUS_X"]
    assert s == pytest.approx(2 * 2**0.5, abs=0.32)


def test_request_that_the_link_can_never_serve_fails_at_once_and_the_next_one_is_served(lab: Laboratory) -> None:
    with blocking.open_node(lab.socket_of("alice")) as alice, blocking.open_node(lab.socket_of("bob")) as bob:
        ours, _ = alice.open_epr_socket(FAR, PURPOSE), bob.open_epr_socket(NEAR, PURPOSE)
        with pytest.raises(qs.EprRequestFailed) as failed:
            ours.create_keep(1_000, max_time=0.001, timeout=PATIENCE_S)
        assert failed.value.reason in (ErrorCode.FIDELITY_UNATTAINABLE, ErrorCode.TIMEOUT)  # whoever looks first
        assert len(ours.create_keep(2, min_fidelity=0.999, timeout=PATIENCE_S)) == 2
