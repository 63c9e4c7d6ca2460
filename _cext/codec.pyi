"""Stub of the codec. Laws: codec.pyx."""

from typing import Any, Self, TypeVar

from qstack._cext.frozen import Frozen
from typing_extensions import Buffer

V = TypeVar("V", bound="Value")

MESSAGES: dict[int, dict[int, Any]]

class Value(Frozen):
    """A frozen value that can be encoded and decoded."""

    def encode(self) -> bytes:
        """The octets of the fields, for a message behind its code. `LocalMisuse` when a list of TLVs is too long."""
    @classmethod
    def decode_untrusted(cls, data: Buffer, offset: int = 0) -> Self:
        """Decode data[offset:] whole (of a message: the payload, code included), or raise `WireError`."""

def set_unknown_tlv(cls: type) -> None:
    """Say which class stands for a TLV that is not declared: its fields are the type (16 bits) and the rest."""

def decode_record_untrusted(cls: type[V], data: Buffer, offset: int, end: int) -> tuple[V, int]:
    """Decode one record at the start of data[offset:end]; give it and the offset behind it."""

def decode_message_untrusted(protocol: int, data: Buffer, offset: int = 0, end: int | None = None) -> Any:
    """Decode data[offset:end] as a message of `protocol`. Raises `WireError` for an unknown code too."""

def encode_parts(parts: tuple[Value | Buffer, ...], length_at: int = ..., more: int = ...) -> bytes:
    """Encode values, and octets as they are, one behind the other.

    Where `length_at` >= 0 the 16 bits there become the length of it all, plus `more` octets that will follow.
    """
