"""A twin of three nodes in a row, driven as hosts drive it."""

from qstack.base.chance import Chance
from qstack.base.ids import Cycle, LinkId, QubitId, make_qna
from qstack.base.units import SECOND_NS
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import DeviceModel, GateSet, MemoryBank, MemoryModel
from qstack.twin.configuration import TwinConfiguration, TwinLink
from qstack.twin.machine import Twin
from qstack.wire.twin import (
    Attach,
    Attached,
    Attempt,
    AwaitHeralds,
    Couple,
    InspectPair,
    Measure,
    MeasureItem,
    Release,
    Swap,
)

ALICE, REPEATER, BOB = make_qna(64512, 1), make_qna(64512, 2), make_qna(64513, 3)
WEST, EAST = LinkId(1), LinkId(2)
CYCLE_NS = 10_000
START = 1_800_000_000 * SECOND_NS  # some domain time; a whole number of cycles
FIRST = Cycle(START // CYCLE_NS)
OPERATOR = 99
SESSION = {ALICE: 1, REPEATER: 2, BOB: 3}


def device(memory=None, qubits=8, **parts):
    """The device of a node: communication memories of one kind, and whatever else."""
    return DeviceModel(MemoryBank(qubits, memory or MemoryModel()), **parts)


def configuration(memory=None, qubits=8, gates=None, storage=None, **options):
    """Alice - repeater - Bob; the repeater is the station of both links, as an end may be."""
    model = options.pop("model", None) or LinkModel.werner(cycle_ns=CYCLE_NS, arm_delays_ns=(50_000, 75_000))
    hardware = options.pop("hardware", None) or LinkHardware.fixed(model)
    parts = {"gates": gates or GateSet(), "storage": storage or MemoryBank()}
    return TwinConfiguration(
        nodes={node: device(memory, qubits, **parts) for node in (ALICE, REPEATER, BOB)},
        links={
            WEST: TwinLink((ALICE, REPEATER), REPEATER, hardware),
            EAST: TwinLink((REPEATER, BOB), REPEATER, hardware),
        },
        **options,
    )


class Network:
    """Hosts of all three nodes and an operator; every call returns the results that it caused."""

    def __init__(self, settings=None, seed=b"seed", secret=False, attach=True):
        self.twin = Twin(settings or configuration(), Chance(seed, secret))
        self.now_ns = START
        self.counter = 0
        self.twin.admit_operator(OPERATOR)
        if attach:
            for node in SESSION:
                assert isinstance(self.attach(node), Attached)

    def ask(self, session, message):
        self.twin.receive(session, message, self.now_ns)
        return self.twin.take_results()

    def one(self, session, message):
        """The only result of a request, which must go to its asker and carry its identifier."""
        [(to, result)] = self.ask(session, message)
        assert (to, result.request_id) == (session, message.request_id)
        return result

    def number(self):
        self.counter += 1
        return self.counter

    def attach(self, node, session=None):
        return self.one(session or SESSION[node], Attach(request_id=self.number(), node=node))

    def attempt(self, node, link, qubits, first=FIRST, cycles=100):
        message = Attempt(
            request_id=self.number(), link=link, first_cycle=first, cycles=cycles, qubits=tuple(map(QubitId, qubits))
        )
        return self.ask(SESSION[node], message)

    def await_heralds(self, link, node=REPEATER, first=FIRST, cycles=100):
        message = AwaitHeralds(request_id=self.number(), link=link, first_cycle=first, cycles=cycles)
        return self.ask(SESSION[node], message)

    def make(self, link, left, right, first=FIRST, cycles=100):
        """Fill memories at both ends; the heralds."""
        ends = {WEST: (ALICE, REPEATER), EAST: (REPEATER, BOB)}[link]
        self.attempt(ends[0], link, left, first, cycles)
        self.attempt(ends[1], link, right, first, cycles)
        [(_, heralds)] = self.await_heralds(link, first=first, cycles=cycles)
        return heralds.heralds

    def swap(self, couples, instant, node=REPEATER):
        message = Swap(
            request_id=self.number(), instant=instant, couples=tuple(Couple(first=a, second=b) for a, b in couples)
        )
        return self.one(SESSION[node], message)

    def measure(self, node, items, instant):
        message = Measure(
            request_id=self.number(),
            instant=instant,
            measurements=tuple(MeasureItem(qubit=q, basis=b) for q, b in items),
        )
        return self.one(SESSION[node], message)

    def release(self, node, qubits, instant):
        return self.one(
            SESSION[node], Release(request_id=self.number(), instant=instant, qubits=tuple(map(QubitId, qubits)))
        )

    def inspect(self, node, qubit):
        return self.one(OPERATOR, InspectPair(request_id=self.number(), node=node, qubit=qubit))
