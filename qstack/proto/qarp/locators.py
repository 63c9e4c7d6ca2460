"""Which locators can be meant, and how they are written in messages (rfc_notes/qarp.md section 4.8)."""

from collections.abc import Iterable
from ipaddress import IPv6Address

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator
from qstack.wire.qarp import MAXIMUM_LOCATORS, Ipv4Locator, Ipv6Locator, Whereabouts

__all__ = ["fitted", "listed_locators", "source_key", "usable", "whereabouts_of"]

_BROADCAST = b"\xff\xff\xff\xff"
_IPV4_OCTETS = 4
_IPV6_SUBNET_OCTETS = 8  # a /64, which one host commands alone


def usable(locator: Locator, source: Locator | None = None) -> bool:
    """Whether a datagram may be sent there. `source`: where the message that tells of it came from (QARP-4.8-4)."""
    if not locator.port or locator.address == _BROADCAST:
        return False
    ip = locator.ip
    if ip.is_loopback:
        return source is None or source.ip.is_loopback
    mapped = isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None
    return not (ip.is_unspecified or ip.is_multicast or ip.is_reserved or mapped)


def source_key(locator: Locator) -> bytes:
    """Whom a locator is counted for: its IPv4 address, or its IPv6 /64."""
    return locator.address if len(locator.address) == _IPV4_OCTETS else locator.address[:_IPV6_SUBNET_OCTETS]


def listed_locators(whereabouts: Whereabouts, source: Locator | None = None) -> list[Locator]:
    """The usable locators that a message lists, most preferred first."""
    locators = (Locator(item.address, item.port) for item in _by_preference(whereabouts))
    return [locator for locator in locators if usable(locator, source)]


def whereabouts_of(locators: Iterable[Locator], device_port: int, capabilities: int) -> Whereabouts:
    """The description of a node at `locators`, most preferred first. Raises `LocalMisuse` for more than fit."""
    ipv4, ipv6 = [], []
    for preference, (address, port) in enumerate(locators):
        if len(address) == _IPV4_OCTETS:
            ipv4.append(Ipv4Locator(preference=preference, port=port, address=address))
        else:
            ipv6.append(Ipv6Locator(preference=preference, port=port, address=address))
    if max(len(ipv4), len(ipv6)) > MAXIMUM_LOCATORS:
        raise LocalMisuse(f"{len(ipv4)} IPv4 and {len(ipv6)} IPv6 locators: name at most {MAXIMUM_LOCATORS} of each")
    return Whereabouts(
        capabilities=capabilities, device_port=device_port, ipv4=tuple(ipv4), ipv6=tuple(ipv6)
    )  # fmt: skip


def fitted(whereabouts: Whereabouts, room: int) -> Whereabouts | None:
    """`whereabouts` in at most `room` octets: the least preferred locators are left out. None if nothing fits."""
    listed = _by_preference(whereabouts)
    size = Whereabouts.LAYOUT.minimum_size + sum(item.LAYOUT.minimum_size for item in listed)
    while listed and size > room:
        size -= listed.pop().LAYOUT.minimum_size
    if size > room:
        return None
    return whereabouts.replace(
        ipv4=tuple(item for item in listed if isinstance(item, Ipv4Locator)),
        ipv6=tuple(item for item in listed if isinstance(item, Ipv6Locator)),
    )


def _by_preference(whereabouts: Whereabouts) -> list[Ipv4Locator | Ipv6Locator]:
    listed: list[Ipv4Locator | Ipv6Locator] = [*whereabouts.ipv4, *whereabouts.ipv6]
    return sorted(listed, key=lambda item: item.preference)
