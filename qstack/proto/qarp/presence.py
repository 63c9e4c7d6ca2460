"""What this node says of itself, and how much of it fits (QARP-4.2-2) (QARP-4.7)."""

from collections.abc import Mapping
from typing import TypeVar

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.proto.qarp.locators import fitted, whereabouts_of
from qstack.wire.qarp import (
    PADDED_OCTETS,
    Announcement,
    Answer,
    Conflict,
    Description,
    PaddingTlv,
    Probe,
    Question,
    Whereabouts,
)

__all__ = ["Presence", "padded"]

M = TypeVar("M", Question, Probe, Announcement)
_TLV_OCTETS = 4


def padded(message: M) -> M:
    """`message`, at least as long as the largest answer to it."""
    missing = PADDED_OCTETS - len(message.encode())
    if missing <= 0:
        return message
    return message.replace(options=(*message.options, PaddingTlv(zeros=bytes(max(0, missing - _TLV_OCTETS)))))


class Presence:
    """This node as others are told of it. `locators`: per segment, most preferred first; none says "where this came
    from". Raises `LocalMisuse` for more locators than a message holds."""

    def __init__(
        self, own: Qna, locators: Mapping[str, tuple[Locator, ...]], device_port: int = 0, capabilities: int = 0
    ) -> None:
        self.own = own
        self._configured = (dict(locators), device_port, capabilities)
        self._locators = frozenset(locator for listed in locators.values() for locator in listed)
        self._on_segment = {
            segment: whereabouts_of(listed, device_port, capabilities) for segment, listed in locators.items()
        }
        self._elsewhere = whereabouts_of((), device_port, capabilities)
        everywhere = dict.fromkeys(locator for listed in locators.values() for locator in listed)
        self._whole = whereabouts_of(everywhere, device_port, capabilities)

    def changed(
        self, locators: Mapping[str, tuple[Locator, ...]] | None, device_port: int | None, capabilities: int | None
    ) -> "Presence":
        """The same node with what is not None changed."""
        old_locators, old_port, old_capabilities = self._configured
        return Presence(
            self.own, old_locators if locators is None else locators, old_port if device_port is None else device_port,
            old_capabilities if capabilities is None else capabilities,
        )  # fmt: skip

    def owns(self, locator: Locator) -> bool:
        """Whether this node is at `locator`."""
        return locator in self._locators

    def on(self, segment: str) -> Whereabouts:
        """What is told on a segment."""
        return self._on_segment.get(segment, self._elsewhere)

    def answer(self, question: Question, segment: str) -> Answer | None:
        """The answer to `question`, never larger than it; None when it leaves no room for one."""
        bare = Answer(nonce=question.nonce, target=self.own, whereabouts=self._elsewhere)
        told = self._told(len(question.encode()), len(bare.encode()), segment)
        return None if told is None else bare.replace(whereabouts=told)

    def conflict(self, claim: Probe | Announcement, segment: str) -> Conflict | None:
        """The defence against `claim`, never larger than it; None when it leaves no room for one."""
        bare = Conflict(nonce=claim.nonce, target=self.own, whereabouts=self._elsewhere)
        told = self._told(len(claim.encode()), len(bare.encode()), segment)
        return None if told is None else bare.replace(whereabouts=told)

    def announcement(self, nonce: bytes, segment: str) -> Announcement:
        """Here we are."""
        return padded(Announcement(nonce=nonce, target=self.own, whereabouts=self.on(segment)))

    def description(self) -> Description:
        """What a connected neighbour is told, on whatever segment."""
        return Description(whereabouts=self._whole)

    def _told(self, room: int, bare: int, segment: str) -> Whereabouts | None:
        return fitted(self.on(segment), room - bare + Whereabouts.LAYOUT.minimum_size)
