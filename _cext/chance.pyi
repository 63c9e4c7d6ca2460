"""Stub of chance by counter. Laws and the meaning of every argument stand in chance.pyx."""

from typing_extensions import Buffer

class ChaCha20:
    """Draws of one key. Batch calls take and fill one-dimensional contiguous buffers."""

    def __init__(self, key: bytes) -> None: ...
    def block(self, counter: int, nonce: bytes) -> bytes: ...
    def uniforms(self, events: Buffer, drawn: Buffer) -> None: ...
