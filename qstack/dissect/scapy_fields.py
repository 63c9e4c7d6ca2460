"""Fields that Scapy lacks, and the choice of a Scapy field for a declared one."""

from collections.abc import Callable, Iterator
from enum import IntFlag
from ipaddress import ip_address
from typing import Any

from scapy import fields as scapy_fields
from scapy.config import conf
from scapy.packet import Packet

from qstack.base.ids import format_qna, parse_qna
from qstack.base.units import FIDELITY_STEPS, fidelity_to_wire
from qstack.dissect.catalogue import Run, is_address, steps
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.value import MAXIMUM_TLVS, Record

__all__ = ["DomainTimeField", "FidelityField", "PrefixedField", "QNAField", "TextField", "TlvListField", "fields_of",
           "layer_field_name"]  # fmt: skip

LayerOf = Callable[[type[Record]], type[Packet]]


class QNAField(scapy_fields.LongField):
    """A quantum network address: an int inside, `64512.7` where it is shown, either where it is given."""

    def any2i(self, pkt: Any, x: Any) -> Any:
        return int(parse_qna(x)) if isinstance(x, str) else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return format_qna(x)


class FidelityField(scapy_fields.ShortField):
    """A fidelity: 0..65535 inside; may be given as a float of 0..1."""

    def any2i(self, pkt: Any, x: Any) -> Any:
        return fidelity_to_wire(x) if isinstance(x, float) else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return f"{x / FIDELITY_STEPS:.5f} ({x})"


class DomainTimeField(scapy_fields.LongField):
    """An instant of domain time, TAI nanoseconds."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        return f"{x // 10**9}.{x % 10**9:09d} s TAI"


class TextField(scapy_fields.StrLenField):
    """Text whose length stands in another field: a str where it is read, octets inside."""

    def i2h(self, pkt: Any, x: Any) -> str:
        return bytes(x).decode("ascii", "surrogateescape")

    def any2i(self, pkt: Any, x: Any) -> bytes:
        return x.encode("ascii", "surrogateescape") if isinstance(x, str) else bytes(x)


class OctetsField(scapy_fields.StrFixedLenField):
    """A fixed number of octets, shown in hexadecimal."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        return bytes(x).hex()


class AddressField(scapy_fields.StrFixedLenField):
    """The octets of an IP address, shown as people write them."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        return str(ip_address(bytes(x)))


class PrefixedField(scapy_fields.Field):
    """Octets or text behind their own length: an item of a list."""

    __slots__ = ["is_text", "prefix"]

    def __init__(self, name: str, default: Any, prefix: int, *, is_text: bool) -> None:
        self.prefix = prefix
        self.is_text = is_text
        super().__init__(name, default, "0s")

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x.encode("ascii") if isinstance(x, str) and not self.is_text else x

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        octets = val.encode("ascii", "surrogateescape") if isinstance(val, str) else bytes(val)
        return s + len(octets).to_bytes(self.prefix, "big") + octets

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        end = self.prefix + int.from_bytes(s[: self.prefix], "big")
        if len(s) < end or len(s) < self.prefix:
            raise ValueError(f"{self.name} needs {end} octets, {len(s)} are left")
        octets = s[self.prefix : end]
        return s[end:], octets.decode("ascii", "surrogateescape") if self.is_text else octets


class TlvListField(scapy_fields.PacketListField):
    """TLVs up to a length, or to the end. What is not declared is kept as `UnknownTlv`."""

    __slots__ = ["layer_for"]

    def __init__(
        self, name: str, layer_for: Callable[[int], type[Packet]], length_from: Callable[[Any], int] | None
    ) -> None:
        super().__init__(name, [], None, length_from=length_from)
        self.layer_for = layer_for

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, list[Any]]:
        length = len(s) if self.length_from is None else self.length_from(pkt)
        return s[length:], list(self._split(pkt, s[:length]))

    def _split(self, pkt: Any, s: bytes) -> Iterator[Any]:
        for _ in range(MAXIMUM_TLVS):
            if not s:
                return
            end = 4 + int.from_bytes(s[2:4], "big")
            if len(s) < max(end, 4):
                break
            yield self.layer_for(int.from_bytes(s[:2], "big"))(s[:end], _parent=pkt)
            s = s[end:]
        if s:
            yield conf.raw_layer(s, _parent=pkt)


def layer_field_name(name: str) -> str:
    """The name of a field in its layer: as declared, but `spare` for `_spare`, and `time_` for `time`, since Scapy's
    packets have an attribute of that name."""
    bare = name.lstrip("_")
    return f"{bare}_" if hasattr(Packet, bare) else bare


def fields_of(cls: type[Record], layer_of: LayerOf, tlv_layer: Callable[[int], type[Packet]]) -> list[Any]:
    """The Scapy fields of a declared class, in order. `layer_of` gives the layer of a record, `tlv_layer` of a code."""
    found: list[Any] = []
    for step in steps(cls.LAYOUT):
        if isinstance(step, Run):
            found += [_bits(member.field) for member in step.members]
        else:
            found += _octets(step, layer_of, tlv_layer)
    return found


def _bits(field: Field) -> Any:
    """A field that does not stand alone in its octets."""
    name, default = layer_field_name(field.name), int(field.default or 0)
    if field.values is not None and issubclass(field.values, IntFlag):
        return scapy_fields.FlagsField(name, default, field.bits, _flag_names(field.values))
    if field.values is not None:
        return scapy_fields.BitEnumField(name, default, field.bits, _code_names(field.values))
    kind = scapy_fields.XBitField if field.form is Form.HEX else scapy_fields.BitField
    return kind(name, default, field.bits)


_PLAIN = {
    8: scapy_fields.ByteField,
    16: scapy_fields.ShortField,
    24: scapy_fields.ThreeBytesField,
    32: scapy_fields.IntField,
    64: scapy_fields.LongField,
}
_HEX = {
    8: scapy_fields.XByteField,
    16: scapy_fields.XShortField,
    24: scapy_fields.X3BytesField,
    32: scapy_fields.XIntField,
    64: scapy_fields.XLongField,
}
_ENUM = {8: scapy_fields.ByteEnumField, 16: scapy_fields.ShortEnumField, 32: scapy_fields.IntEnumField}
_FORMS = {Form.QNA: QNAField, Form.FIDELITY: FidelityField, Form.DOMAIN_TIME: DomainTimeField}


def _number(field: Field, name: str) -> Any:
    """A number of whole octets."""
    default = int(field.default or 0)
    if field.values is not None:
        if field.bits in _ENUM and not issubclass(field.values, IntFlag):
            return _ENUM[field.bits](name, default, _code_names(field.values))
    elif field.form in _FORMS:
        return _FORMS[field.form](name, default)
    elif field.bits in _PLAIN:
        return (_HEX if field.form is Form.HEX else _PLAIN)[field.bits](name, default)
    return _bits(field)


def _octets(field: Field, layer_of: LayerOf, tlv_layer: Callable[[int], type[Packet]]) -> list[Any]:
    """A field of whole octets, behind the field of its length or count where it has one."""
    name = layer_field_name(field.name)
    match field.kind:
        case Kind.UNSIGNED:
            return [_number(field, name)]
        case Kind.FIXED:
            kind = AddressField if is_address(field) else OctetsField
            return [kind(name, field.default or bytes(field.size), field.size)]
        case Kind.PREFIXED | Kind.TEXT:
            kind = TextField if field.kind is Kind.TEXT else scapy_fields.StrLenField
            value = kind(name, field.default or b"", length_from=_reader(f"{name}_length"))
            return [scapy_fields.BitFieldLenField(f"{name}_length", None, field.bits, length_of=name), value]
        case Kind.RECORD:
            layer = layer_of(field.item)
            return [scapy_fields.PacketField(name, layer(), layer)]
        case Kind.LIST:
            count = scapy_fields.BitFieldLenField(f"{name}_count", None, field.bits, count_of=name)
            return [count, _list(field, name, layer_of)]
        case Kind.TLVS if field.bits:
            length = scapy_fields.BitFieldLenField(f"{name}_length", None, field.bits, length_of=name)
            return [length, TlvListField(name, tlv_layer, _reader(f"{name}_length"))]
        case Kind.TLVS:
            return [TlvListField(name, tlv_layer, None)]
        case _:
            return [scapy_fields.StrField(name, field.default or b"")]


def _list(field: Field, name: str, layer_of: LayerOf) -> Any:
    bounds: dict[str, Any] = {"count_from": _reader(f"{name}_count"), "max_count": field.maximum + 1}
    if not isinstance(field.item, Field):
        return scapy_fields.PacketListField(name, [], layer_of(field.item), **bounds)
    item = field.item
    if item.kind in (Kind.PREFIXED, Kind.TEXT):
        inner = PrefixedField(name, b"", item.bits // 8, is_text=item.kind is Kind.TEXT)
    elif item.kind is Kind.FIXED:
        inner = OctetsField(name, bytes(item.size), item.size)
    else:
        inner = _number(item, name)
    return scapy_fields.FieldListField(name, [], inner, **bounds)


def _reader(name: str) -> Callable[[Any], int]:
    return lambda packet: int(getattr(packet, name))


def _code_names(values: Any) -> dict[int, str]:
    return {int(member): member.name for member in values}


def _flag_names(values: Any) -> dict[int, str]:
    return {int(member): member.name.lower() for member in values}
