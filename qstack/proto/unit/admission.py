"""Who may open which unit: endpoint claims, user ids, quotas.

A URN is claimed by a user id that the configuration allows for one of its prefixes. One endpoint is served by one
application at a time; a claim without q-component serves every unit that names the endpoint, one with a q-component
only units that name the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from qstack.base.errors import ErrorCode, LocalMisuse, ResourceLimit, WireError
from qstack.wire.urn import Urn, parse_endpoint

__all__ = ["Admission", "Claim", "ClaimRule"]

_CLAIMS_A_CLIENT = 64


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """Users allowed to speak for the endpoints below `prefix`; None allows every local user."""

    prefix: Urn
    users: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """An endpoint that an application serves."""

    urn: Urn
    client: int
    user: int


class Admission:
    """The claims of one node and its rules."""

    def __init__(self, rules: tuple[ClaimRule, ...]) -> None:
        self.rules = rules
        self._claims: dict[str, Claim] = {}

    @property
    def claims(self) -> Mapping[str, Claim]:
        """Claims by canonical URN with q-component."""
        return self._claims

    def claim(self, text: str, client: int, user: int) -> None:
        """Let `client` serve an endpoint. Raises `LocalMisuse` or `ResourceLimit`."""
        urn = read_endpoint(text)
        self.check_user(urn, user)
        holder = self._claims.get(urn.canonical_with_q)
        if holder is not None and holder.client != client:
            raise LocalMisuse(f"{urn} is already served by another application of this node; close that one first")
        if sum(1 for claim in self._claims.values() if claim.client == client) >= _CLAIMS_A_CLIENT:
            raise ResourceLimit(f"this application serves {_CLAIMS_A_CLIENT} endpoints already, which is the limit")
        self._claims[urn.canonical_with_q] = Claim(urn, client, user)

    def check_user(self, urn: Urn, user: int) -> None:
        """Raise `LocalMisuse` unless `user` may speak for `urn`."""
        for rule in self.rules:
            if rule.prefix.is_prefix_of(urn) and (rule.users is None or user in rule.users):
                return
        raise LocalMisuse(
            f"user id {user} may not speak for {urn.canonical}: add an [[endpoint]] with this prefix and user to the "
            f"node's configuration", ErrorCode.POLICY)  # fmt: skip

    def claim_for(self, urn: Urn) -> Claim | None:
        """Who serves `urn`: the claim that names its q-component, else the one that names none."""
        return self._claims.get(urn.canonical_with_q) or self._claims.get(urn.canonical)

    def drop_client(self, client: int) -> None:
        """Forget the claims of an application that went away."""
        self._claims = {key: claim for key, claim in self._claims.items() if claim.client != client}


def read_endpoint(text: str) -> Urn:
    """Parse an endpoint that a local application named."""
    try:
        return parse_endpoint(text)
    except WireError as error:
        raise LocalMisuse(f"endpoint {text!r}: {error}", ErrorCode.MALFORMED) from error
