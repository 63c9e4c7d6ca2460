"""TLS octets in fragments: what one end has to say, and what it has heard (SESSION-5.4).

Flights alternate: even numbers come from the initiator. A flight is handed to the handshake when it is whole; what the
handshake has to say then is the next flight, and the proof for the other end that its own has arrived.
"""

from enum import Enum, unique

from qstack.base.errors import PeerViolation, ResourceLimit
from qstack.base.handshake import Handshake
from qstack.machine.segmentation import Fragment, Reassembly, split
from qstack.proto.session.params import MAXIMUM_FLIGHT_OCTETS

__all__ = ["Flights", "Progress"]


@unique
class Progress(Enum):
    """What a fragment has brought."""

    NOTHING = "nothing"  # of a flight that is not expected, or contradicting
    AGAIN = "again"  # of the flight before: the answer to it did not arrive
    PART = "part"  # in order, more is to come
    GAP = "gap"  # something before it is missing, or it came twice
    WHOLE = "whole"  # the handshake has got the flight


class Flights:
    """Both directions of one handshake at one end. `room`: octets of a flight that fit into one message."""

    def __init__(self, handshake: Handshake, room: int, *, initiator: bool) -> None:
        self._handshake: Handshake | None = handshake
        self._room = room
        self._assembly: Reassembly | None = None
        self.received = 0  # octets of the expected flight without a gap
        self.expected = 1 if initiator else 0  # number of the flight that comes next from the peer
        self.outgoing = self.expected - 1  # number of our present flight, -1 for none
        self._fragments: list[Fragment] = self._cut(handshake.take()) if initiator else []

    @property
    def fragments(self) -> list[Fragment]:
        """Our present flight."""
        return self._fragments

    @property
    def part_has_come(self) -> bool:
        """Whether something of the expected flight is here."""
        return self._assembly is not None

    def fragments_from(self, offset: int) -> list[Fragment]:
        """What of our flight reaches beyond `offset`."""
        return [fragment for fragment in self._fragments if fragment.offset + len(fragment.data) > offset]

    def begin_anew(self) -> None:
        """Forget what is here of the expected flight: another responder's handshake answers."""
        self._assembly = None
        self.received = 0

    def finish(self) -> None:
        """Let go of everything: the epoch is live, or nothing will come of it."""
        self._handshake = self._assembly = None
        self._fragments = []

    def take_fragment(self, number: int, fragment: Fragment) -> Progress:
        """Take in a fragment of flight `number`."""
        if number == self.expected - 2:
            return Progress.AGAIN
        if self._handshake is None or number != self.expected or not 0 < fragment.total <= MAXIMUM_FLIGHT_OCTETS:
            return Progress.NOTHING
        in_order = fragment.offset == self.received
        assembly = self._assembly or Reassembly(fragment.total)
        try:
            whole = assembly.add(fragment)
        except (PeerViolation, ResourceLimit):
            return Progress.NOTHING
        self._assembly = assembly
        if whole:
            self._turn(assembly.message())
            return Progress.WHOLE
        if not in_order:
            return Progress.GAP
        self.received = fragment.offset + len(fragment.data)
        return Progress.PART

    def _turn(self, flight: bytes) -> None:
        self.begin_anew()
        assert self._handshake is not None
        self._handshake.feed(flight)
        answer = self._handshake.take()
        self.outgoing, self.expected = self.expected + 1, self.expected + 2
        self._fragments = self._cut(answer) if answer else []

    def _cut(self, flight: bytes) -> list[Fragment]:
        """As few fragments as there is room for, as equal as can be (SESSION-5.4-4)."""
        count = -(-len(flight) // self._room) or 1
        return split(flight, -(-len(flight) // count) or 1)
