"""Scapy layers of every declared message, built from the tables when this module is imported.

    from scapy.all import *
    from qstack.dissect.scapy_layers import *

    question = QarpQuestion(nonce=bytes(16), target="64512.2")
    packet = IP(dst="127.64.0.2") / UDP() / Qstack(source="64512.1", destination="64512.2") / question
    rdpcap("demo.pcapng")[0][Qstack].show()

Names. The header is `Qstack`, the end header `QstackEnd`. A message, record or TLV is called by its protocol and its
name in the table: `LinkGen`, `HeaderEchoRequest`; a name that begins with its protocol already stays as it is
(`UnitRequest`). TLVs that no table declares are `UnknownTlv`. Fields keep the names of the tables (see
`layer_field_name` for the few that cannot). In front of a field with a length or a count stands `<field>_length` or
`<field>_count`; a message begins with `message_code`, a TLV with `tlv_type` and `tlv_length`. All of these, and the
header's `length` and `next_protocol`, are filled in when they are left alone.

A sealed datagram (`epoch` not 0) ends with `tag`, shown as the header's last field; an end header always has one. Tags
are not computed: what is built here is sealed for nobody. Encrypted payloads stay `Raw`. What does not decode becomes
`Raw` as well, as is Scapy's way. `layer_from` turns a value of the tables into a layer.

Licence. Scapy is under GPL-2.0-only, qstack under MIT. Only this module and `scapy_fields` import Scapy, nothing of the
daemon imports them, and Scapy comes with the extra `qstack[scapy]` alone. Whoever hands out a work that contains both
has Scapy's licence to keep for the whole of it.
"""

from typing import Any

from scapy.config import conf
from scapy.fields import ByteEnumField, ConditionalField, ShortField, StrField, XShortField
from scapy.layers.inet import UDP
from scapy.packet import Packet, bind_bottom_up, bind_layers, bind_top_down

from qstack.dissect import catalogue
from qstack.dissect.scapy_fields import fields_of, layer_field_name
from qstack.wire import value as declared
from qstack.wire.header import SEAL_OCTETS, EndHeader, Header, HeaderFlag
from qstack.wire.protocols import UDP_PORT, Protocol
from qstack.wire.schema import Kind
from qstack.wire.value import Message, Record, Tlv

_TLV_HEAD = 4  # octets of type and length
_LENGTH_AT = 4  # octet of the header at which its length stands


class TagField(StrField):
    """The tag behind the payload: read from the end of the datagram, written there by `post_build` of the layer."""

    def __init__(self) -> None:
        super().__init__("tag", bytes(SEAL_OCTETS))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, bytes]:
        if len(s) < SEAL_OCTETS:
            raise ValueError(f"the tag needs {SEAL_OCTETS} octets, {len(s)} are left")
        return s[:-SEAL_OCTETS], s[-SEAL_OCTETS:]

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s


class _Seal(Packet):
    """A header that may close its payload with a tag, and that says what the payload is."""

    def do_dissect(self, s: bytes) -> Any:
        left = super().do_dissect(s)
        self.raw_packet_cache = None  # the tag is not next to the other fields: always build from the fields
        return left

    def guess_payload_class(self, payload: bytes) -> Any:
        if self.flags & HeaderFlag.ENCRYPTED:
            return conf.raw_layer
        if self.next_protocol == Protocol.END and not isinstance(self, QstackEnd):
            return QstackEnd
        return _MESSAGES.get(self.next_protocol, {}).get(payload[0], conf.raw_layer)


def _header_fields(cls: type[Record]) -> list[Any]:
    return fields_of(cls, _layer_of, _tlv_layer(cls))


class _Part(Packet):
    """A record: ends where its last field ends."""

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class _TlvLayer(Packet):
    """A TLV: type and length in front of its fields."""

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        if self.tlv_length is None:
            length = len(pkt) + len(pay) - _TLV_HEAD
            pkt = pkt[:2] + length.to_bytes(2, "big") + pkt[_TLV_HEAD:]
        return pkt + pay


_LAYERS: dict[type[Record], Any] = {}
_MESSAGES: dict[int, dict[int, Any]] = {}


def _layer_of(cls: type[Record]) -> Any:
    """The layer of a declared class, made when it is first asked for."""
    if cls not in _LAYERS:
        _LAYERS[cls] = _make_layer(cls)
    return _LAYERS[cls]


def _make_layer(cls: type[Record]) -> Any:
    fields = fields_of(cls, _layer_of, _tlv_layer(cls))
    base: Any = _Part
    if issubclass(cls, Message):
        names = {message.CODE: message.NAME for message in catalogue.messages(cls.PROTOCOL)}
        base, fields = Packet, [ByteEnumField("message_code", cls.CODE, names), *fields]
    elif issubclass(cls, Tlv):
        base, fields = _TlvLayer, [*_tlv_head(cls.CODE), *fields]
    taken = [field.name for field in fields]
    assert len(set(taken)) == len(taken), f"{cls.NAME} has two fields of one name: {taken}"
    body = {"name": f"{_family(cls)} {cls.NAME}", "fields_desc": fields, "__doc__": cls.__doc__, "__module__": __name__}
    return type(Packet)(_layer_name(cls), (base,), body)


def _tlv_head(code: int) -> list[Any]:
    return [XShortField("tlv_type", code), ShortField("tlv_length", None)]


def _tlv_layer(cls: type[Record]) -> Any:
    """What gives the layer of a TLV code inside `cls`."""
    return lambda code: _layer_of(cls.TLVS[code]) if code in cls.TLVS else UnknownTlv


def _family(cls: type[Record]) -> str:
    if issubclass(cls, Message):
        return cls.PROTOCOL.name
    if issubclass(cls, Tlv):
        return cls.NAMESPACE.name
    return cls.__module__.rpartition(".")[2].upper()


def _layer_name(cls: type[Record]) -> str:
    family = _family(cls).capitalize()
    return cls.NAME if cls.NAME.startswith(family) else family + cls.NAME


class UnknownTlv(_TlvLayer):
    """A TLV that no table declares: kept as it is."""

    name = "Unknown TLV"
    fields_desc = [*_tlv_head(0), StrField("value", b"")]  # noqa: RUF012  (Scapy's own way)


class Qstack(_Seal):
    """The quantum packet header; QNAs may be given as `64512.7`."""

    name = "Quantum packet"
    fields_desc = [  # noqa: RUF012
        *(ShortField("length", None) if field.name == "length" else field for field in _header_fields(Header)),
        ConditionalField(TagField(), lambda packet: packet.epoch != 0),
    ]

    def mysummary(self) -> Any:
        return self.sprintf("Qstack %Qstack.source% > %Qstack.destination%")

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        tag = bytes(self.tag) if self.epoch else b""
        if self.length is None:
            length = len(pkt) + len(pay) + len(tag)
            pkt = pkt[:_LENGTH_AT] + length.to_bytes(2, "big") + pkt[_LENGTH_AT + 2 :]
        return pkt + pay + tag


class QstackEnd(_Seal):
    """The end header, behind a `Qstack` header."""

    name = "End header"
    fields_desc = [*_header_fields(EndHeader), TagField()]  # noqa: RUF012

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        return pkt + pay + bytes(self.tag)


_LAYERS |= {Header: Qstack, EndHeader: QstackEnd, declared.UnknownTlv: UnknownTlv}


def layer_from(value: Record) -> Any:
    """A value of the tables as a layer with the same fields; of a header the payload is not part of it."""
    fields = {
        layer_field_name(field.name): _converted(getattr(value, field.name))
        for field in value.LAYOUT.fields
        if field.kind is not Kind.RESERVED
    }
    if isinstance(value, declared.UnknownTlv):
        return UnknownTlv(tlv_type=fields["code_"] if "code_" in fields else fields["code"], value=fields["value"])
    return _layer_of(type(value))(**fields)


def _converted(value: Any) -> Any:
    if isinstance(value, Record):
        return layer_from(value)
    if isinstance(value, tuple):
        return [_converted(item) for item in value]
    return int(value) if isinstance(value, int) else value


def _bind() -> None:
    """Make all layers, and tell Scapy which header and which port they stand behind."""
    for protocol in catalogue.namespaces():
        for structure in catalogue.structures(protocol):
            _layer_of(structure)
        _MESSAGES[protocol] = {message.CODE: _layer_of(message) for message in catalogue.messages(protocol)}
        for layer in _MESSAGES[protocol].values():
            bind_top_down(Qstack, layer, next_protocol=int(protocol))
            bind_top_down(QstackEnd, layer, next_protocol=int(protocol))
    bind_top_down(Qstack, QstackEnd, next_protocol=int(Protocol.END))
    bind_bottom_up(UDP, Qstack, dport=UDP_PORT)
    bind_bottom_up(UDP, Qstack, sport=UDP_PORT)
    bind_layers(UDP, Qstack, sport=UDP_PORT, dport=UDP_PORT)


_bind()
_BY_NAME = {layer.__name__: layer for layer in _LAYERS.values()}
assert len(_BY_NAME) == len(_LAYERS), "two declared classes make layers of one name"
globals().update(_BY_NAME)
__all__ = sorted(["layer_from", *_BY_NAME])  # noqa: PLE0605  (what there is, only the tables know)
