"""The keys of one epoch: from the exporter, through the generations, to erasure (SESSION-7).

Laws
----
1. A packet number is used once in an epoch and direction, so a nonce is used once with a key.
2. One end leads: the initiator of the epoch. It enters generation g + 1 only when it has seen the other end in g; the
   other end enters g only on seeing the leader there. So whoever seals in g + 1 knows that the receiver has opened, or
   is sealing, in g: a receiver is never more than one generation behind, and the key phase, one bit, is enough. (If
   both could begin, an end that was followed could go on before its own datagrams of g had arrived anywhere.)
3. What does not open changes nothing. Only a datagram that opens under the next key makes that key the present one.
4. The next key is made beforehand: a forged key phase costs one failed opening, as every forgery does.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from qstack.proto.session.params import (
    FIRST_PACKET_NUMBER,
    IV_INFO,
    KEY_INFO,
    NEXT_INFO,
    SECRET_OCTETS,
    SessionParameters,
)

__all__ = ["Direction", "Generation", "KeyLog", "TrafficKeys", "expand", "wipe"]

_NONCE_OCTETS = 12

KeyLog = Callable[[int, str, str], None]
"""Gets generation, key and iv, both in hexadecimal digits."""


def expand(secret: bytes | bytearray, info: bytes, length: int) -> bytearray:
    """HKDF-Expand with SHA-256 (RFC 5869 section 2.3), into a buffer that can be wiped."""
    out = bytearray(length)
    HKDFExpand(SHA256(), length, info).derive_into(secret, out)
    return out


def wipe(secret: bytearray) -> None:
    """Overwrite a secret with zeros."""
    secret[:] = bytes(len(secret))


class Generation:
    """One key of one direction. `number` from 0; its lowest bit is the key phase."""

    __slots__ = ("_aead", "_iv", "number")

    def __init__(self, number: int, key: bytearray, iv: bytearray) -> None:
        self.number = number
        self._aead = ChaCha20Poly1305(key)
        self._iv = int.from_bytes(iv, "big")

    @property
    def phase(self) -> int:
        """The key phase that a datagram of this generation shows."""
        return self.number & 1

    def seal(self, number: int, aad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext and tag for packet `number`."""
        return self._aead.encrypt((self._iv ^ number).to_bytes(_NONCE_OCTETS, "big"), plaintext, aad)

    def open(self, number: int, aad: bytes, sealed: bytes) -> bytes | None:
        """The plaintext; None when the tag is not right."""
        try:
            return self._aead.decrypt((self._iv ^ number).to_bytes(_NONCE_OCTETS, "big"), sealed, aad)
        except InvalidTag:
            return None


class Direction:
    """The ratchet of one direction: makes one generation after the other and forgets how.

    `log`, when given, is told of each generation when it is made.
    """

    __slots__ = ("_log", "_made", "_secret")

    def __init__(self, secret: bytes | bytearray, log: KeyLog | None = None) -> None:
        self._secret = bytearray(secret)
        self._made = 0
        self._log = log

    def make(self) -> Generation:
        """The next generation, from 0; the secret that it came from is overwritten."""
        key, iv = expand(self._secret, KEY_INFO, SECRET_OCTETS), expand(self._secret, IV_INFO, _NONCE_OCTETS)
        following = expand(self._secret, NEXT_INFO, SECRET_OCTETS)
        wipe(self._secret)
        self._secret = following
        made = Generation(self._made, key, iv)
        self._made += 1
        if self._log is not None:
            self._log(made.number, key.hex(), iv.hex())
        wipe(key)
        wipe(iv)
        return made

    def wipe(self) -> None:
        """Overwrite the secret."""
        wipe(self._secret)


class TrafficKeys:
    """Both directions of one epoch. Instants are local monotonic nanoseconds.

    `leads`: this end begins new generations.
    """

    __slots__ = ("_began_ns", "_forget_ns", "_leads", "_lowest", "_next", "_next_number", "_opened", "_parameters",
                 "_previous", "_receiving", "_sealed", "_sending", "incoming", "outgoing")  # fmt: skip

    def __init__(
        self, outgoing: Direction, incoming: Direction, parameters: SessionParameters, *, leads: bool, now_ns: int
    ) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self._parameters = parameters
        self._leads = leads
        self._sending = outgoing.make()
        self._sealed = self._opened = 0  # in the present generation
        self._began_ns = now_ns
        self._next_number = FIRST_PACKET_NUMBER
        self._receiving = incoming.make()
        self._next = incoming.make()
        self._previous: Generation | None = None
        self._lowest: int | None = None  # lowest number that opened in the present generation
        self._forget_ns = 0

    @property
    def generation(self) -> int:
        """Of what this end seals."""
        return self._sending.number

    @property
    def unfollowed(self) -> bool:
        """Whether this end leads and the other has not been seen in the present generation."""
        return self._leads and self._receiving.number != self._sending.number

    @property
    def sent(self) -> int:
        """How many packet numbers were used."""
        return self._next_number - FIRST_PACKET_NUMBER

    def reserve(self, now_ns: int) -> tuple[int, int]:
        """A packet number that was never used, and the key phase to show with it."""
        if self.rekey_due(now_ns):
            self._advance_sending(now_ns)
        number = self._next_number
        self._next_number += 1
        self._sealed += 1
        return number, self._sending.phase

    def seal(self, number: int, aad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext and tag for a number that was just reserved."""
        return self._sending.seal(number, aad, plaintext)

    def open(self, number: int, phase: int, aad: bytes, sealed: bytes, now_ns: int) -> bytes | None:
        """The plaintext; None, and nothing has changed, when it does not open."""
        if phase == self._receiving.phase:
            plaintext = self._receiving.open(number, aad, sealed)
            if plaintext is not None:
                self._opened += 1
                self._lowest = number if self._lowest is None else min(number, self._lowest)
            return plaintext
        if self._lowest is not None and number < self._lowest:
            self.forget_previous(now_ns)
            return self._previous.open(number, aad, sealed) if self._previous is not None else None
        plaintext = self._next.open(number, aad, sealed)
        if plaintext is not None:
            self._follow(number, now_ns)
        return plaintext

    def rekey_due(self, now_ns: int) -> bool:
        """Whether the next datagram that this end seals will begin a new generation."""
        if not self._leads or self._lowest is None or self._receiving.number != self._sending.number:
            return False
        parameters, age_ns = self._parameters, now_ns - self._began_ns
        used = max(self._sealed, self._opened)
        return age_ns >= parameters.generation_minimum_ns and (
            used >= parameters.rekey_datagrams or age_ns >= parameters.rekey_after_ns
        )

    def forget_previous(self, now_ns: int) -> None:
        """Let go of the previous key when its time is over."""
        if self._previous is not None and now_ns >= self._forget_ns:
            self._previous = None

    def wipe(self) -> None:
        """Overwrite what can be overwritten; nothing can be sealed or opened with the later generations any more."""
        self.outgoing.wipe()
        self.incoming.wipe()
        self._previous = None

    def _advance_sending(self, now_ns: int) -> None:
        self._sending = self.outgoing.make()
        self._sealed = 0
        self._began_ns = now_ns

    def _follow(self, number: int, now_ns: int) -> None:
        self._previous = self._receiving
        self._forget_ns = now_ns + self._parameters.previous_key_ns
        self._receiving = self._next
        self._next = self.incoming.make()
        self._lowest = number
        self._opened = 1
        if self._sending.number < self._receiving.number:
            self._advance_sending(now_ns)
