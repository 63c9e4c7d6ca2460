"""What becomes of a window's attempts: memories filled, outcomes measured, heralds and clicks seen by the station.

An attempt that is measured is measured when its qubits are born, before anybody can know whether it succeeded; the
device need not act out those of which no herald tells. Both ends' outcomes are drawn together, from the state of the
pair and the bases of both, when both are known (TWIN-6-4): the second measurement finds the state that the first has
left. So nothing about an outcome is fixed beforehand.
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import tau
from typing import NamedTuple

from qstack.base.bell import Basis, Gate
from qstack.base.errors import LocalMisuse
from qstack.base.ids import LinkId, Qna
from qstack.base.pairs import PairKind, Rotation
from qstack.base.units import SECOND_NS
from qstack.quantum.engine import GateCall, NewPair, QubitHandle, Readout
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.memories import DeviceModel
from qstack.quantum.sampling import Success
from qstack.twin.statistics import TwinStatistics
from qstack.twin.store import Purpose, Store
from qstack.twin.window import Offer, Window
from qstack.wire.twin import FetchedOutcome, Herald, Status

__all__ = ["Attempts", "OUTCOMES_KEPT", "OUTCOMES_KEPT_NS"]

OUTCOMES_KEPT_NS = 10 * SECOND_NS  # TWIN-5.9-3
OUTCOMES_KEPT = 65_536

_CYCLES, _HERALDS, _CLICKS = 0, 1, 2  # streams of a link's draws are three a cycle, of which one window begins once
_ROTATION_UNIT = 1 << 16


class _Outcomes(NamedTuple):
    """What an end has measured in a window, by offset, and when the window was over."""

    bits: dict[int, tuple[Basis, int]]
    end_ns: int


class Attempts:
    """The attempts of all links, and the outcomes that ends may still fetch."""

    def __init__(self, store: Store, statistics: TwinStatistics) -> None:
        self._store = store
        self._engine = store.engine
        self._statistics = statistics
        self._measured: dict[Qna, OrderedDict[tuple[LinkId, int], _Outcomes]] = {}

    # ---- pairs ----

    def resolve(self, window: Window) -> tuple[Herald, ...]:
        """Let a window's attempts happen: fill memories, empty those left over, give what the station sees."""
        offers = [window.offers[end] for end in window.link.ends]
        successes = self._sample(window, min(offer.most for offer in offers), (offers[0].bright, offers[1].bright))
        for end, offer in zip(window.link.ends, offers, strict=True):
            self._vacate(window, end, offer, 0 if offer.kind is PairKind.MEASURE else len(successes))
        self._make(window, offers, successes)
        self._statistics.windows += 1
        self._statistics.created += len(successes)
        return tuple(Herald(offset=s.offset, bell_index=s.state.bell_index) for s in successes)

    def give_up(self, window: Window) -> None:
        """Nobody will know what the attempts of this window yield: empty what was offered."""
        for end, offer in window.offers.items():
            self._vacate(window, end, offer, 0)

    def _vacate(self, window: Window, end: Qna, offer: Offer, filled: int) -> None:
        for qubit in offer.qubits[filled:]:
            if qubit is not None:
                self._store.banks[end].vacate(qubit, window.end_ns)

    def _sample(self, window: Window, most: int, bright: tuple[float | None, float | None]) -> list[Success]:
        name, draws = window.name, self._store.link_draws(window.name.link)
        stream = _stream(name.first_cycle, _HERALDS)
        return window.link.hardware.sample(
            name.first_cycle, name.cycles, bright, most, lambda n: draws.uniform(stream, n)
        )

    def _make(self, window: Window, offers: Sequence[Offer], successes: list[Success]) -> None:
        delays = window.link.hardware.at(None, window.end_ns).born_delays_ns
        starts = [window.link.start_ns(window.name.first_cycle + success.offset) for success in successes]
        births = [(start + delays[0], start + delays[1]) for start in starts]
        banks = [self._store.banks[end] for end in window.link.ends]
        memories = [bank.device.communication.model for bank in banks]
        made = self._engine.create([
            NewPair(success.state.correlations, born, (memories[0], memories[1]))
            for success, born in zip(successes, births, strict=True)
        ])  # fmt: skip
        offsets = [success.offset for success in successes]
        for n, (end, offer) in enumerate(zip(window.link.ends, offers, strict=True)):
            halves = [pair[n] for pair in made]
            if offer.kind is PairKind.MEASURE:
                self._measure(window, end, offer, offsets, halves, [born[n] for born in births])
            else:
                self._keep(end, offer, halves, [born[n] for born in births])

    def _keep(self, end: Qna, offer: Offer, halves: list[QubitHandle], births: list[int]) -> None:
        bank = self._store.banks[end]
        for qubit, half, born_ns in zip(offer.qubits, halves, births, strict=False):
            if qubit is None:  # thrown away before it was known
                self._store.release([half])
            else:
                self._store.fill(bank, qubit, half, born_ns)

    # ---- outcomes ----

    def _measure(
        self, window: Window, end: Qna, offer: Offer, offsets: list[int], halves: list[QubitHandle], births: list[int]
    ) -> None:
        """Measure this end's half of each success at its birth, and keep what is told."""
        device, draws = self._store.banks[end].device, self._store.link_draws(window.name.link)
        side = window.link.ends.index(end)
        stream = _stream(window.name.first_cycle, _CYCLES)

        def drawn(purpose: Purpose) -> Sequence[float]:
            return draws.uniforms([(stream, 16 * offset + 8 * side + purpose) for offset in offsets])

        bases = [offer.reading.basis(uniform) for uniform in drawn(Purpose.BASIS)]
        calls = [call for half in halves for call in _turns(offer.reading.rotation, half, device)]
        if calls:
            each = len(calls) // len(halves)
            self._engine.apply(calls, [born for born in births for _ in range(each)])
        readout = device.communication.model.readout
        done = self._engine.measure(
            halves, bases, births, drawn(Purpose.OUTCOME),
            [Readout(*readout, uniform) for uniform in drawn(Purpose.READOUT)],
        )  # fmt: skip
        self._store.release(halves)
        self._statistics.measured += len(halves)
        if offer.qubits[0] is None:  # the memory was released: nobody has measured
            return
        bits = {offset: (basis, found.told) for offset, basis, found in zip(offsets, bases, done, strict=True)}
        self._remember(end, (window.name.link, window.name.first_cycle), _Outcomes(bits, window.end_ns))

    def _remember(self, end: Qna, name: tuple[LinkId, int], outcomes: _Outcomes) -> None:
        kept = self._measured.setdefault(end, OrderedDict())
        kept[name] = outcomes
        oldest_ns = outcomes.end_ns - OUTCOMES_KEPT_NS
        total = sum(len(each.bits) + 1 for each in kept.values())
        while total > OUTCOMES_KEPT or next(iter(kept.values())).end_ns < oldest_ns:
            total -= len(kept.popitem(last=False)[1].bits) + 1

    def fetch(
        self, node: Qna, link: LinkId, first_cycle: int, offsets: Sequence[int], now_ns: int
    ) -> list[FetchedOutcome] | Status:
        """What a node has measured in a window (TWIN-5.9)."""
        kept = self._measured.get(node)
        found = None if kept is None else kept.get((link, first_cycle))
        if found is None or found.end_ns + OUTCOMES_KEPT_NS < now_ns:
            return Status.NO_WINDOW
        return [
            FetchedOutcome(status=Status.OK, basis=found.bits[offset][0], bit=found.bits[offset][1])
            if offset in found.bits else FetchedOutcome(status=Status.EMPTY)
            for offset in offsets
        ]  # fmt: skip

    def forget(self, node: Qna) -> None:
        """A node's host is gone, and with it who could ask."""
        self._measured.pop(node, None)

    # ---- clicks ----

    def count(self, window: Window) -> tuple[int, int]:
        """Clicks of one detector and not the other in a window, and how long after a cycle's beginning they come."""
        name, hardware, ends = window.name, window.link.hardware, window.link.ends
        draws, stream = self._store.link_draws(name.link), _stream(name.first_cycle, _CLICKS)
        lights = [window.offers[end].bright if end in window.offers else 0.0 for end in ends]
        bright = (lights[0], lights[1])
        any_click, dark = _click(hardware, bright, window.end_ns), _click(hardware, (0.0, 0.0), window.end_ns)
        if not any_click:
            return 0, 0
        clicks = hardware.sample(
            name.first_cycle, name.cycles, bright, name.cycles, lambda n: draws.uniform(stream, n)
        )
        delays = hardware.at(None, window.end_ns).arm_delays_ns
        arms = [arm for arm, end in zip(delays, ends, strict=True) if end in window.offers]
        # Light comes after its arm; dark counts come at any time of the cycle.
        light = max(0.0, 1.0 - dark / any_click)
        return len(clicks), round(light * sum(arms) / max(1, len(arms)) + (1.0 - light) * hardware.cycle_ns / 2)


def _stream(first_cycle: int, what: int) -> int:
    return (3 * first_cycle + what) % (1 << 64)


def _turns(rotation: Rotation, half: QubitHandle, device: DeviceModel) -> list[GateCall]:
    """What is done to a qubit before it is measured: its rotations, and the error of measuring."""
    cost = device.gates.turning(storage=False)
    calls = [
        GateCall(gate, (half,), angle * tau / _ROTATION_UNIT, cost.error)
        for gate, angle in ((Gate.RX, rotation.x1), (Gate.RY, rotation.y), (Gate.RX, rotation.x2)) if angle
    ]  # fmt: skip
    if device.gates.measure.error:
        calls.append(GateCall(Gate.I, (half,), 0.0, device.gates.measure.error))
    return calls


def _click(hardware: LinkHardware, bright: tuple[float | None, float | None], instant_ns: int) -> float:
    """Probability that one detector clicks and the other does not."""
    try:
        return hardware.at(bright, instant_ns).success_probability
    except LocalMisuse:  # a link that can never succeed: neither light nor dark counts
        return 0.0
