"""The quantum half of the twin: which memory holds half of which pair, and what primitives do to them.

Everything here acts at the instant that a primitive names (TWIN-5); noise until then is the engine's. Nothing corrects
a Pauli frame, readout errors turn what is told (TWIN-6-2), and nothing is drawn before it is measured (TWIN-6-4).
Chance is drawn by event (TWIN-6-1): the node, its attachment, the number of the primitive in it, the item.
"""

from collections.abc import Sequence
from typing import NamedTuple

from qstack.base.bell import compose
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, QubitId
from qstack.quantum import engine as door
from qstack.quantum.engine import NewPair, QubitHandle, StateEngine
from qstack.quantum.formulas import Correlations
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.sampling import Success
from qstack.twin.bank import Bank
from qstack.twin.statistics import TwinStatistics
from qstack.twin.window import Window
from qstack.wire.twin import MAXIMUM_ITEMS, Couple, GateItem, Herald, MeasureItem, Outcome, Status, SwapOutcome

__all__ = ["Inspection", "Pairs"]

_STATUS = {
    door.Status.OK: Status.OK,
    door.Status.STALE: Status.EMPTY,
    door.Status.EARLY: Status.EARLY,
    door.Status.SAME_PAIR: Status.UNSUPPORTED,
    door.Status.UNKNOWN_OPERAND: Status.UNSUPPORTED,
}


class Inspection(NamedTuple):
    """A pair as it truly is: state with the asked qubit first, and where the other half is."""

    state: Correlations
    partner: tuple[Qna, QubitId] | None


class Pairs:
    """All qubits of the network and the memories they are in."""

    def __init__(self, banks: dict[Qna, Bank], chance: Chance, statistics: TwinStatistics) -> None:
        self._banks = banks
        self._chance = chance
        self._statistics = statistics
        # Each live pair has a half in some memory, but for those of one window while they are made: never met.
        self._engine = StateEngine(sum(map(len, banks.values())) + MAXIMUM_ITEMS)
        self._where: dict[QubitHandle, tuple[Qna, QubitId]] = {}

    @property
    def live(self) -> int:
        """Pairs of which at least one half is in a memory."""
        return self._engine.live

    # ---- making pairs ----

    def resolve(self, window: Window) -> tuple[Herald, ...]:
        """Let a window's attempts happen: fill memories, empty those left over, give what the station sees."""
        successes = self._sample(window)
        for end in window.link.ends:
            for qubit in window.offers[end][len(successes) :]:
                if qubit is not None:
                    self._banks[end].vacate(qubit, window.end_ns)
        self._make(window, successes)
        self._statistics.windows += 1
        self._statistics.created += len(successes)
        return tuple(Herald(offset=s.offset, bell_index=s.state.bell_index) for s in successes)

    def _sample(self, window: Window) -> list[Success]:
        name = window.name
        event = b"window" + name.link.to_bytes(4, "big") + name.first_cycle.to_bytes(8, "big")
        most = min(len(window.offers[end]) for end in window.link.ends)
        bright = (window.bright[window.link.ends[0]], window.bright[window.link.ends[1]])
        return window.link.hardware.sample(
            name.first_cycle, name.cycles, bright, most, lambda n: self._chance.uniform(event + n.to_bytes(4, "big"))
        )

    def count(self, window: Window) -> tuple[int, int]:
        """Clicks of one detector and not the other in a window, and how long after a cycle's beginning they come."""
        name, hardware = window.name, window.link.hardware
        event = b"count" + name.link.to_bytes(4, "big") + name.first_cycle.to_bytes(8, "big")
        bright = (window.bright.get(window.link.ends[0], 0.0), window.bright.get(window.link.ends[1], 0.0))
        any_click, dark = _click(hardware, bright, window.end_ns), _click(hardware, (0.0, 0.0), window.end_ns)
        if not any_click:
            return 0, 0
        clicks = hardware.sample(
            name.first_cycle, name.cycles, bright, name.cycles,
            lambda n: self._chance.uniform(event + n.to_bytes(4, "big")),
        )  # fmt: skip
        delays = hardware.at(None, window.end_ns).arm_delays_ns
        arms = [arm for arm, end in zip(delays, window.link.ends, strict=True) if end in window.offers]
        # Light comes after its arm; dark counts come at any time of the cycle.
        light = max(0.0, 1.0 - dark / any_click)
        return len(clicks), round(light * sum(arms) / max(1, len(arms)) + (1.0 - light) * hardware.cycle_ns / 2)

    def _make(self, window: Window, successes: list[Success]) -> None:
        left, right = window.link.ends
        memories = (self._banks[left].model, self._banks[right].model)
        delays = window.link.hardware.at(None, window.end_ns).born_delays_ns
        starts = [window.link.start_ns(window.name.first_cycle + success.offset) for success in successes]
        made = self._engine.create([
            NewPair(s.state.correlations, (start + delays[0], start + delays[1]), memories)
            for s, start in zip(successes, starts, strict=True)
        ])  # fmt: skip
        for k, handles in enumerate(made):
            for end, handle in zip(window.link.ends, handles, strict=True):
                qubit = window.offers[end][k]
                if qubit is None:  # thrown away before it was known
                    self._engine.release([handle])
                else:
                    self._banks[end].fill(qubit, handle)
                    self._where[handle] = (end, qubit)

    # ---- primitives; each gives one result for each item, and an item sees what those before it did ----

    def swap(self, bank: Bank, couples: Sequence[Couple], instant_ns: int) -> list[SwapOutcome]:
        """Bell measurements; both memories of a couple are empty afterwards."""
        event = self._event(bank)
        return [
            self._swap_one(bank, couple, instant_ns, event + n.to_bytes(2, "big")) for n, couple in enumerate(couples)
        ]

    def _swap_one(self, bank: Bank, couple: Couple, instant_ns: int, event: bytes) -> SwapOutcome:
        first, second = bank.filled(couple.first), bank.filled(couple.second)
        if isinstance(first, Status):
            return SwapOutcome(status=first)
        if isinstance(second, Status):
            return SwapOutcome(status=second)
        if first == second:
            return SwapOutcome(status=Status.BUSY)
        [done] = self._engine.swap([(first, second)], [instant_ns], [self._uniform(event, 0)])
        if done.status is not door.Status.OK:
            return SwapOutcome(status=_STATUS[done.status])
        self._empty(bank, couple.first, instant_ns)
        self._empty(bank, couple.second, instant_ns)
        self._statistics.swapped += 1
        misread = (
            self._misread(bank, event, 1, done.outcome & 1) | self._misread(bank, event, 2, done.outcome >> 1) << 1
        )
        return SwapOutcome(status=Status.OK, bell_index=compose(done.outcome, misread))

    def measure(self, bank: Bank, items: Sequence[MeasureItem], instant_ns: int) -> list[Outcome]:
        """Measurements; the memory is empty afterwards."""
        event = self._event(bank)
        return [self._measure_one(bank, item, instant_ns, event + n.to_bytes(2, "big")) for n, item in enumerate(items)]

    def _measure_one(self, bank: Bank, item: MeasureItem, instant_ns: int, event: bytes) -> Outcome:
        handle = bank.filled(item.qubit)
        if isinstance(handle, Status):
            return Outcome(status=handle)
        [done] = self._engine.measure([handle], [item.basis], [instant_ns], [self._uniform(event, 0)])
        if done.status is not door.Status.OK:
            return Outcome(status=_STATUS[done.status])
        self._engine.release([handle])
        self._empty(bank, item.qubit, instant_ns)
        self._statistics.measured += 1
        return Outcome(status=Status.OK, bit=done.outcome ^ self._misread(bank, event, 1, done.outcome))

    def apply(self, bank: Bank, items: Sequence[GateItem], instant_ns: int) -> list[Status]:
        """Gates; a memory may be listed more than once."""
        return [self._apply_one(bank, item, instant_ns) for item in items]

    def _apply_one(self, bank: Bank, item: GateItem, instant_ns: int) -> Status:
        handle = bank.filled(item.qubit)
        if isinstance(handle, Status):
            return handle
        [done] = self._engine.correct([handle], [item.gate], [instant_ns])
        self._statistics.turned += done is door.Status.OK
        return _STATUS[done]

    def release(self, bank: Bank, qubit: QubitId, instant_ns: int) -> Status:
        """Empty a filled memory."""
        found = bank.filled(qubit)
        if isinstance(found, Status):
            return found
        if instant_ns < self._engine.touched_ns(found):
            return Status.EARLY
        self._engine.release([found])
        self._empty(bank, qubit, instant_ns)
        self._statistics.released += 1
        return Status.OK

    def release_all(self, bank: Bank, instant_ns: int) -> None:
        """Empty every memory of a node whose host is gone."""
        handles = bank.vacate_all(instant_ns)
        self._engine.release(handles)
        for handle in handles:
            del self._where[handle]
        self._statistics.released += len(handles)

    def inspect(self, handle: QubitHandle, instant_ns: int) -> Inspection:
        """Look at a pair without touching it."""
        state = self._engine.inspect_pair(handle, instant_ns)
        assert state is not None, "a memory holds a stale handle"
        partner = self._engine.partner(handle)
        return Inspection(state, None if partner is None else self._where[partner])

    # ---- bookkeeping ----

    def _empty(self, bank: Bank, qubit: QubitId, instant_ns: int) -> None:
        handle = bank.vacate(qubit, instant_ns)
        assert handle is not None, "an empty memory was acted on"
        del self._where[handle]

    def _event(self, bank: Bank) -> bytes:
        """Name of the next primitive of a node; its outcomes are drawn under it."""
        bank.primitives += 1
        return (
            b"primitive"
            + bank.node.to_bytes(8, "big")
            + bank.attachments.to_bytes(4, "big")
            + bank.primitives.to_bytes(8, "big")
        )

    def _uniform(self, event: bytes, purpose: int) -> float:
        return self._chance.uniform(event + bytes((purpose,)))

    def _misread(self, bank: Bank, event: bytes, purpose: int, bit: int) -> int:
        """1 when a bit is told wrongly."""
        error = bank.model.readout[bit]
        return int(error > 0.0 and self._uniform(event, purpose) < error)


def _click(hardware: LinkHardware, bright: tuple[float | None, float | None], instant_ns: int) -> float:
    """Probability that one detector clicks and the other does not."""
    try:
        return hardware.at(bright, instant_ns).success_probability
    except LocalMisuse:  # a link that can never succeed: neither light nor dark counts
        return 0.0
