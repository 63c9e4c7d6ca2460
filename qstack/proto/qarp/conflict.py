"""Holding the own address: probe, announce, and what to do about a rival (rfc_notes/qarp.md section 6)."""

from qstack.base.effects import Log, Severity
from qstack.base.ids import format_qna
from qstack.base.locator import Locator
from qstack.proto.qarp.questions import Purpose
from qstack.proto.qarp.states import OWN_ADDRESS, AddressEvent, AddressState
from qstack.proto.qarp.surroundings import Surroundings, Timer

__all__ = ["OwnAddress"]


@OWN_ADDRESS.drives
class OwnAddress:
    """This node's claim to its QNA. Events bring `now_ns`, and a conflict the rival's locator."""

    def __init__(self, around: Surroundings) -> None:
        self.state = AddressState.PROBING
        self.conflicts = 0  # since the address was held for RATE_LIMIT_INTERVAL without one
        self.rival: Locator | None = None  # the last one
        self._around = around
        self._sent = 0  # probes, or announcements, of the present state
        self._conflict_ns: int | None = None

    @property
    def answers(self) -> bool:
        """Whether this node speaks for its address."""
        return self.state is not AddressState.CEASED

    def start(self, now_ns: int) -> None:
        """Begin to probe."""
        self._act_start_over(now_ns)

    def handle_deadline(self, now_ns: int) -> None:
        """The timer of the own address went off."""
        OWN_ADDRESS.fire(self, AddressEvent.EXPIRED, now_ns, None)

    def on_rival(self, rival: Locator, now_ns: int) -> None:
        """A node at `rival` has proved our QNA."""
        OWN_ADDRESS.fire(self, AddressEvent.CONFLICT, now_ns, rival)

    def _may_probe_again(self, now_ns: int, rival: Locator | None) -> bool:
        return self._sent < self._around.parameters.probe_number

    def _may_announce_again(self, now_ns: int, rival: Locator | None) -> bool:
        return self._sent < self._around.parameters.announce_number

    def _may_defend(self, now_ns: int, rival: Locator | None) -> bool:
        """RFC 5227 section 2.4 (b): this is the first conflict within DEFEND_INTERVAL."""
        return self._conflict_ns is None or now_ns >= self._conflict_ns + self._around.parameters.defend_interval_ns

    def _act_start_over(self, now_ns: int, rival: Locator | None = None) -> None:
        self._sent = 0
        self._wait(now_ns, self._around.draws.between(0, self._around.parameters.probe_wait_ns))

    def _act_probe(self, now_ns: int, rival: Locator | None) -> None:
        self._around.questions.probe()
        self._sent += 1
        numbers = self._around.parameters
        pause_ns = self._around.draws.between(numbers.probe_min_ns, numbers.probe_max_ns)
        self._wait(now_ns, pause_ns if self._sent < numbers.probe_number else numbers.announce_wait_ns)

    def _act_announce(self, now_ns: int, rival: Locator | None) -> None:
        self._sent = 1 if self.state is AddressState.PROBING else self._sent + 1
        self._around.questions.announce()
        self._wait(now_ns, self._around.parameters.announce_interval_ns)

    def _act_settle(self, now_ns: int, rival: Locator | None) -> None:
        """What answers an announcement from now on comes too late."""
        self._around.questions.close(self._around.own, Purpose.CLAIM)

    def _act_count_conflict(self, now_ns: int, rival: Locator | None) -> None:
        quiet_since, interval_ns = self._conflict_ns, self._around.parameters.rate_limit_interval_ns
        if self.state is AddressState.HELD and quiet_since is not None and now_ns >= quiet_since + interval_ns:
            self.conflicts = 0
        self.conflicts += 1
        self.rival = rival
        self._conflict_ns = now_ns
        self._around.count("conflicts")
        self._log("qarp.conflict", rival)

    def _act_defend(self, now_ns: int, rival: Locator | None) -> None:
        self._around.questions.announce()
        self._wait(now_ns, self._around.parameters.announce_interval_ns)

    def _act_cease(self, now_ns: int, rival: Locator | None) -> None:
        numbers = self._around.parameters
        often = self.conflicts >= numbers.maximum_conflicts
        self._wait(now_ns, numbers.rate_limit_interval_ns if often else numbers.defend_interval_ns)
        self._around.questions.close(self._around.own)
        self._around.count("ceased")
        self._log("qarp.ceased", rival)

    def _wait(self, now_ns: int, wait_ns: int) -> None:
        self._around.timers.set((Timer.OWN_ADDRESS, self._around.own), now_ns + wait_ns)

    def _log(self, event: str, rival: Locator | None) -> None:
        fields = (("address", format_qna(self._around.own)), ("rival", str(rival)), ("conflicts", self.conflicts))
        self._around.effects.append(Log(Severity.LOCAL, event, fields))
