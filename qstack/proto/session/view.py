"""What an operator sees of key establishment."""

from dataclasses import dataclass

from qstack.base.ids import Epoch, Qna
from qstack.base.locator import Locator
from qstack.proto.session.session import Session

__all__ = ["SessionView", "view_of"]


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session. Instants are local monotonic nanoseconds; `sent` counts sealed datagrams of this epoch."""

    peer: Qna
    state: str
    role: str
    locator: Locator | None
    local_epoch: Epoch
    remote_epoch: Epoch
    fingerprint: str
    urn_prefixes: tuple[str, ...]
    certificate_until_unix: int
    established_ns: int
    last_heard_ns: int
    generation: int
    sent: int


def view_of(session: Session) -> SessionView:
    """A session as it is now."""
    identity, keys = session.identity, None if session.sealed is None else session.sealed.keys
    return SessionView(
        peer=session.peer,
        state=session.state.value,
        role=session.role.value,
        locator=session.locator,
        local_epoch=session.local_epoch,
        remote_epoch=session.remote_epoch,
        fingerprint="" if identity is None else identity.fingerprint.hex(),
        urn_prefixes=() if identity is None else identity.urn_prefixes,
        certificate_until_unix=0 if identity is None else identity.not_after_unix,
        established_ns=session.established_ns,
        last_heard_ns=session.last_heard_ns,
        generation=0 if keys is None else keys.generation,
        sent=0 if keys is None else keys.sent,
    )
