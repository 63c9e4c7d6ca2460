"""URNs (RFC 8141) and the service-unit identifiers made of them (MPA 5.3.1, 5.3.2).

`grammar` reads characters, `name` makes the value and says what is equivalent, `namespace` knows which NIDs may be
registered, `parameter` reads `key=value` q-components, `unit` joins N endpoints and one lifecycle URN. Whatever is
given to any of them comes back as a value or as a `WireError` that says where and why.
"""

from qstack.wire.urn.grammar import MAXIMUM_URN_OCTETS
from qstack.wire.urn.name import Urn, parse_endpoint, parse_urn
from qstack.wire.urn.namespace import NidClass, classify_nid
from qstack.wire.urn.parameter import q_parameters
from qstack.wire.urn.unit import (
    LIFECYCLE_NID,
    LIFECYCLE_NSS,
    MAXIMUM_ENDPOINTS,
    Lifecycle,
    UnitIdentifier,
    parse_lifecycle,
    parse_unit,
)

__all__ = [
    "LIFECYCLE_NID", "LIFECYCLE_NSS", "MAXIMUM_ENDPOINTS", "MAXIMUM_URN_OCTETS", "Lifecycle", "NidClass",
    "UnitIdentifier", "Urn", "classify_nid", "parse_endpoint", "parse_lifecycle", "parse_unit", "parse_urn",
    "q_parameters",
]  # fmt: skip
