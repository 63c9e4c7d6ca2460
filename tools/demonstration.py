"""The demonstration: one service unit, from three URNs to one key at both ends, across two quantum ASes.

Everything in it is real but the quantum hardware: six processes, UDP on loopback, mutual TLS 1.3, applications on
Unix sockets. What crosses the wire is left in `demo.pcapng`, for Wireshark.
"""

import argparse
import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from qstack.base.errors import QstackError
from qstack.base.ids import QubitId, format_qna, parse_qna
from qstack.cli.laboratory import Laboratory
from qstack.config.expansion import OPERATOR_SOCKET
from qstack.dissect.capture import read_capture
from qstack.dissect.summary import render, summarise
from qstack.io.capture import merge_captures
from qstack.io.operator import TwinOperator
from qstack.sockets.blocking import Node, Unit, open_node
from qstack.sockets.values import Key, Pair

ROOT = Path(__file__).resolve().parents[1]
ALICE, BOB = "alice", "bob"
ENDPOINT = "urn:qkd:madqci:ccips?=nonce=177923"
PEER = "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017"
SERVED = "urn:qkd:quditto:emulator:ipsec:controller"
VALID_S = 3_600
PAIRS = 24
PATIENCE_S = 20.0


def main() -> int:
    """Run the demonstration; 0 when both ends hold the same confirmed key (or, noisy, when estimates agree)."""
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--noisy", action="store_true", help="noisy links and memories: pairs instead of a key")
    parser.add_argument("--dir", type=Path, default=ROOT / "build/demo", help="folder for everything (build/demo)")
    options = parser.parse_args()
    name = "madqci-quditto-noisy" if options.noisy else "madqci-quditto"
    laboratory = Laboratory(options.dir)
    began_s = time.monotonic()
    try:
        laboratory.down()
        processes = laboratory.up(ROOT / f"tools/examples/{name}.toml")
        print(f"{len(processes)} processes: {', '.join(each.name for each in processes)}")
        run = _run_noisy if options.noisy else _run_key
        summary = run(laboratory, began_s)
    except (QstackError, TimeoutError) as error:
        print(f"tools/demo: {error}\nlogs are in {options.dir}", file=sys.stderr)
        return 1
    finally:
        nodes = laboratory.nodes()
        laboratory.down()
    capture = options.dir / "demo.pcapng"
    summary["nodes"] = nodes
    summary["packets"] = merge_captures([options.dir / f"{node}.pcapng" for node in nodes], capture)
    (options.dir / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    shown = capture.relative_to(ROOT) if capture.is_relative_to(ROOT) else capture
    print(f"\nwhat crossed the wire ({shown}):\n")
    print(render(summarise(read_capture(capture))))
    return 0 if summary["agree"] else 1


def _unit(size: int) -> list[str]:
    return [ENDPOINT, PEER, f"urn:qkd:lifecycle?=size={size}&valid-until={int(time.time()) + VALID_S}"]


def _run_key(laboratory: Laboratory, began_s: float) -> dict[str, object]:
    """Both applications, each on its own node's socket, in its own thread."""
    urns = _unit(256)
    with ThreadPoolExecutor(2) as applications, open_node(laboratory.socket_of(BOB)) as bob:
        bob.claim(SERVED)
        theirs = applications.submit(_serve_key, bob)
        ours = applications.submit(_ask_key, laboratory, urns)
        local, peer = _first_failure(ours, theirs)
    seconds = time.monotonic() - began_s
    print("\nservice unit:")
    for urn in urns:
        print(f"  {urn}")
    print(f"\n{ALICE}: {local.hex()}  {'confirmed' if local.confirmed else 'unconfirmed'}")
    print(f"{BOB}:   {peer.hex()}  {'confirmed' if peer.confirmed else 'unconfirmed'}")
    quality = local.quality
    print(f"{quality.pairs} end-to-end pairs, mean estimated fidelity {quality.mean_fidelity:.4f}, "
          f"{quality.errors} of {quality.tests} test rounds disagreed\n"
          f"{seconds:.2f} s from the launch of the first process to the key")
    hashes = {"local": sha256(local.octets).hexdigest(), "peer": sha256(peer.octets).hexdigest()}
    return {
        "unit": urns,
        "key_sha256": hashes,
        "confirmed": local.confirmed and peer.confirmed,
        "seconds_to_key": round(seconds, 3),
        "agree": hashes["local"] == hashes["peer"] and local.confirmed,
    }


def _ask_key(laboratory: Laboratory, urns: list[str]) -> Key:
    with open_node(laboratory.socket_of(ALICE)) as node:
        return node.open_unit(urns, timeout=PATIENCE_S).key(PATIENCE_S)


def _serve_key(node: Node) -> Key:
    return node.next_unit(PATIENCE_S).key(PATIENCE_S)


def _first_failure(ours: Future[Key], theirs: Future[Key]) -> tuple[Key, Key]:
    """Both results; what failed at the asking end is told first, since that is where reasons are known."""
    local = ours.result()
    return local, theirs.result()


def _run_noisy(laboratory: Laboratory, began_s: float) -> dict[str, object]:
    """Pairs over noisy links: what the protocols estimate beside what the twin, which alone knows, says is true."""
    urns = _unit(PAIRS)
    with (
        open_node(laboratory.socket_of(ALICE)) as alice,
        open_node(laboratory.socket_of(BOB)) as bob,
        TwinOperator(laboratory.folder / OPERATOR_SOCKET) as twin,
    ):
        bob.claim(SERVED)
        unit = alice.open_unit(urns, kind="pairs", timeout=PATIENCE_S)
        pairs = unit.pairs(PAIRS, PATIENCE_S)
        true = _true_fidelities(twin, pairs)
        seconds = time.monotonic() - began_s
        disagreements = _measure_both(unit, bob.next_unit(PATIENCE_S), pairs)
        unit.close()
    estimated = sum(pair.fidelity for pair in pairs) / PAIRS
    truth = sum(true) / PAIRS
    print(f"\n{PAIRS} end-to-end pairs: mean fidelity estimated {estimated:.4f}, true {truth:.4f} a moment later; "
          f"{disagreements} of {PAIRS} Z outcomes disagreed")
    return {
        "unit": urns,
        "fidelity": {"estimated": round(estimated, 6), "true": round(truth, 6)},
        "z_disagreements": disagreements,
        "seconds_to_pairs": round(seconds, 3),
        "agree": abs(estimated - truth) < 0.03,
    }


def _true_fidelities(twin: TwinOperator, pairs: list[Pair]) -> list[float]:
    node = parse_qna("64512.1")
    looks = [(pair, twin.inspect(node, QubitId(pair.qubit))) for pair in pairs]
    for pair, look in looks:
        assert not look.alone, f"pair {pair.number} has no partner, though {format_qna(node)} holds its half"
    return [look.fidelities[pair.bell_index] / 1e9 for pair, look in looks]


def _measure_both(ours: Unit, theirs: Unit, pairs: list[Pair]) -> int:
    """Measure all pairs in Z at both ends; count the rounds that differ once the frame is taken into account."""
    far = sorted(theirs.pairs(PAIRS, PATIENCE_S), key=lambda pair: pair.number)
    near = sorted(pairs, key=lambda pair: pair.number)
    mine, other = ours.measure_all(near, ["Z"] * PAIRS), theirs.measure_all(far, ["Z"] * PAIRS)
    return sum(
        a.outcome ^ b.outcome ^ pair.bell_index >> 1 for a, b, pair in zip(mine, other, near, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
