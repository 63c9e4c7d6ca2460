"""`kill -9` of one daemon in mid-request, in the network of the demonstration: who is told what, and how soon."""

from typing import Any

import pytest

from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.simulation import EPOCH_NS, Simulation
from qstack.testing.topology import DEMO
from qstack.wire.control import ClaimEndpoint, Delivered, Failed, OpenUnit
from qstack.wire.unit import UnitKind

ALICE, BOB = DEMO.qna("alice"), DEMO.qna("bob")
CONTROLLER = "urn:qkd:quditto:emulator:ipsec:controller"


def serve(simulation: Simulation) -> None:
    simulation.request(BOB, ClaimEndpoint(request=1, urn=CONTROLLER))


def open_unit(simulation: Simulation, number: int) -> None:
    urns = (f"urn:qkd:madqci:ccips?=nonce={number}", f"{CONTROLLER}?=nid=a{number}",
            f"urn:qkd:lifecycle?=size=256&valid-until={EPOCH_NS // SECOND_NS + 600}")  # fmt: skip
    simulation.request(ALICE, OpenUnit(request=2, kind=UnitKind.KEY, urn=urns))


def ending(simulation: Simulation, within_s: float) -> Any:
    """What alice's application is told next of a unit's end."""
    heard = simulation.places[ALICE].heard
    before = len(heard)

    def ended() -> list[Any]:
        return [message for _, _, message in heard[before:] if isinstance(message, Delivered | Failed)]

    simulation.run_for(int(within_s * SECOND_NS), lambda: bool(ended()))
    return ended()[0] if ended() else None


@pytest.fixture
def simulation() -> Simulation:
    made = DEMO.simulate(b"kill")
    made.boot_all()
    made.run_for(SECOND_NS // 2)
    serve(made)
    open_unit(made, 1)
    made.run_for(100 * MILLISECOND_NS)
    return made


@pytest.mark.parametrize("victim", ["repeater", "border", "far-border", "bob"])
def test_killed_node_that_stays_dead_is_told_of_and_nothing_is_held(simulation: Simulation, victim: str) -> None:
    simulation.crash(DEMO.qna(victim))
    assert isinstance(ending(simulation, 12.0), Failed)
    simulation.run_for(20 * SECOND_NS)
    assert simulation.twin.live_pairs == 0
    for place in simulation.places.values():
        if place.node is not None:
            assert place.node.machines.circuit.describe() == ()
            assert all(link.free == link.memories for link in place.node.machines.link.describe().links)


@pytest.mark.parametrize("victim", ["repeater", "border", "far-border", "bob"])
def test_killed_node_that_is_started_again_serves_the_next_unit_within_2_s(simulation: Simulation, victim: str) -> None:
    simulation.crash(DEMO.qna(victim))
    simulation.run_for(100 * MILLISECOND_NS)
    simulation.boot(DEMO.qna(victim))
    serve(simulation)
    assert isinstance(ending(simulation, 1.0), Failed)
    open_unit(simulation, 2)
    delivered = ending(simulation, 2.0)
    assert isinstance(delivered, Delivered) and delivered.confirmed


def test_killed_alice_leaves_nothing_behind_at_the_others(simulation: Simulation) -> None:
    simulation.crash(ALICE)
    simulation.boot(ALICE)
    simulation.run_for(SECOND_NS)
    assert isinstance(simulation.places[BOB].heard[-1][2], Failed)
    open_unit(simulation, 2)
    delivered = ending(simulation, 2.0)
    assert isinstance(delivered, Delivered) and delivered.confirmed
    simulation.run_for(5 * SECOND_NS)
    assert simulation.twin.live_pairs == 0
