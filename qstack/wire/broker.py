"""What an MQTT message of a host or of its device holds: rfc_notes/twin.md, section 9.

The primitives inside are those of `qstack.wire.twin`, as they stand on a Unix socket.
"""

from qstack.wire.protocols import Protocol
from qstack.wire.schema import Form, boolean, reserved, rest, u32, u64
from qstack.wire.value import Message

__all__ = ["Envelope", "Presence"]


class Envelope(Message, protocol=Protocol.BROKER, code=1, trailing_tlvs=False):
    """A primitive on its way between a host and its device, or an acknowledgement alone."""

    epoch: int = u64("attachment, of the host's choice", req="TWIN-9.2-1", form=Form.HEX)
    number: int = u32("of the primitive in its direction, from 1; 0 for none", req="TWIN-9.2-2")
    acknowledged: int = u32("last number that came in order, 0 for none", req="TWIN-9.2-3")
    primitive: bytes = rest("message of the device primitives, or nothing", req="TWIN-9.2-2", default=b"")


class Presence(Message, protocol=Protocol.BROKER, code=2):
    """Whether a party is there."""

    identity: int = u64("epoch of the host, or identity of the device", req="TWIN-9.3-1", form=Form.HEX)
    here: int = boolean("it is there; else it has gone", req="TWIN-9.3-1")
    _spare: int = reserved(7)
