"""The end of a turn: what tracking has found out becomes messages and services, in batches."""

from functools import partial

from qstack.base.ids import QubitId
from qstack.base.services import EndPairReady, QubitsFreed
from qstack.base.time import DomainTime, Instant
from qstack.proto.circuit.estimate import fidelity_after, time_above
from qstack.proto.circuit.halves import Half, Side, Tracked
from qstack.proto.circuit.outbound import StateCache, expire_messages
from qstack.proto.circuit.reservation import Circuit
from qstack.proto.circuit.surroundings import Surroundings
from qstack.proto.circuit.tracking import EndTracker, Outbox, RepeaterTracker
from qstack.wire.circuit import MemoryTimes

__all__ = ["Turn"]

_TOGETHER = 50  # pairs whose births lie within this part of the cutoff are given up in one turn


class Turn:
    """Empties the outboxes of circuits."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._states = StateCache()

    def finish(self, circuit: Circuit) -> None:
        """Send, deliver, free and ask for what the circuit's outbox holds."""
        if not circuit.is_open:
            return
        outbox, circuit.tracker.outbox = circuit.tracker.outbox, Outbox()
        for side, hop in circuit.hops.items():
            for track in self._states.track_messages(outbox.tracks[side]):
                self._around.send(hop.neighbour, track, hop.peer_label)
            for expire in expire_messages(outbox.expired[side]):
                self._around.send(hop.neighbour, expire, hop.peer_label)
        self._free(outbox.freed, discard=False)
        self._free(outbox.discarded, discard=True)
        if outbox.lost:
            self._around.count("pairs_replaced", outbox.lost)
            circuit.request_pairs(outbox.lost)
        for half, tracked in outbox.delivered:
            self._deliver(circuit, half, tracked)

    def watch_age(self, circuit: Circuit) -> None:
        """Wake up when the oldest pair of a repeater has waited too long for a partner."""
        cutoff_ns = self._around.parameters.cutoff_ns
        timer = ("cutoff", circuit.identity)
        if not cutoff_ns or timer in self._around.timers or not isinstance(circuit.tracker, RepeaterTracker):
            return
        oldest = circuit.tracker.oldest()
        if oldest is not None:  # a little later, so that what was born together is replaced together
            due_ns = self._around.local(oldest + cutoff_ns + cutoff_ns // _TOGETHER) + 1
            self._around.timers.set(timer, max(due_ns, self._around.now_ns + 1))

    def cut_off(self, circuit: Circuit) -> None:
        """Give up what has waited too long."""
        if isinstance(circuit.tracker, RepeaterTracker):
            born_before = DomainTime(self._around.domain_now() - self._around.parameters.cutoff_ns)
            self._around.count("pairs_cut_off", circuit.tracker.cut_off(born_before))
            self.watch_age(circuit)

    def _free(self, qubits: list[QubitId], *, discard: bool) -> None:
        if qubits:
            self._around.emit(QubitsFreed(tuple(qubits), discard))

    def _deliver(self, circuit: Circuit, half: Half, tracked: Tracked) -> None:
        """An end-to-end pair, with the estimate of its state at this instant; the far half has aged until now too."""
        assert isinstance(circuit.tracker, EndTracker) and half.qubit is not None
        now = self._around.domain_now()
        memories = (circuit.asked.head_memory, circuit.tail_memory)
        ages = (now - half.created, now - tracked.created)
        if half.side is Side.ABOVE:
            ages = ages[::-1]
        estimate = partial(_aged, tracked, ages, memories=memories)
        left_ns = time_above(circuit.asked.min_fidelity, estimate, memories)
        expires_ns = Instant(0) if left_ns is None else Instant(self._around.now_ns + max(1, left_ns))
        self._around.emit(EndPairReady(
            circuit.identity, tracked.pair, half.qubit, tracked.frame, estimate(0.0), now, expires_ns,
        ))  # fmt: skip


def _aged(
    tracked: Tracked, ages: tuple[int, int], later_ns: float, *, memories: tuple[MemoryTimes, MemoryTimes]
) -> float:
    """The fidelity some time from now; in 0..1 also for an estimate that is that of no state (CIRCUIT-8)."""
    fidelity = fidelity_after(tracked.state, tracked.frame, (ages[0] + later_ns, ages[1] + later_ns), memories)
    return max(0.0, min(1.0, fidelity))
