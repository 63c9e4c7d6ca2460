# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Chance by counter: the ChaCha20 block function (RFC 8439, section 2.3), keyed by a seed and asked by event.

Laws
----
1. An event is two 64-bit numbers, a stream and a number in it. Its draw depends on key and event alone: not on what was
   drawn before, in which order, or in which batch.
2. The eight draws 8 b .. 8 b + 7 of a stream are the eight 64-bit little-endian words of one block. Its counter word is
   the low half of b, its nonce the high half of b followed by the stream, so no two blocks of a key are the same.
3. A draw is the upper 53 bits of its word, divided by 2^53: uniform in [0, 1).
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    KEY_OCTETS = 32
    NONCE_OCTETS = 12
    BLOCK_OCTETS = 64
    WORDS = 16
    DOUBLE_ROUNDS = 10


cdef inline uint32_t rotated(uint32_t word, int left) noexcept nogil:
    return word << left | word >> (32 - left)


cdef inline void quarter_round(uint32_t* a, uint32_t* b, uint32_t* c, uint32_t* d) noexcept nogil:
    a[0] += b[0]
    d[0] = rotated(d[0] ^ a[0], 16)
    c[0] += d[0]
    b[0] = rotated(b[0] ^ c[0], 12)
    a[0] += b[0]
    d[0] = rotated(d[0] ^ a[0], 8)
    c[0] += d[0]
    b[0] = rotated(b[0] ^ c[0], 7)


cdef void block(const uint32_t* key, uint32_t counter, const uint32_t* nonce, uint32_t* out) noexcept nogil:
    """RFC 8439, section 2.3, in words."""
    cdef uint32_t x[WORDS]
    cdef uint32_t start[WORDS]
    cdef int i
    start[0], start[1], start[2], start[3] = 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574
    memcpy(&start[4], key, KEY_OCTETS)
    start[12] = counter
    memcpy(&start[13], nonce, NONCE_OCTETS)
    memcpy(x, start, BLOCK_OCTETS)
    for i in range(DOUBLE_ROUNDS):
        quarter_round(&x[0], &x[4], &x[8], &x[12])
        quarter_round(&x[1], &x[5], &x[9], &x[13])
        quarter_round(&x[2], &x[6], &x[10], &x[14])
        quarter_round(&x[3], &x[7], &x[11], &x[15])
        quarter_round(&x[0], &x[5], &x[10], &x[15])
        quarter_round(&x[1], &x[6], &x[11], &x[12])
        quarter_round(&x[2], &x[7], &x[8], &x[13])
        quarter_round(&x[3], &x[4], &x[9], &x[14])
    for i in range(WORDS):
        out[i] = x[i] + start[i]


cdef void draw_many(const uint32_t* key, const uint64_t* events, double* drawn, Py_ssize_t count) noexcept nogil:
    """Draws of `count` events, each a stream and a number; neighbours in one block cost one block."""
    cdef uint32_t words[WORDS]
    cdef uint32_t nonce[3]
    cdef uint64_t stream, number, word
    cdef uint64_t last_stream = 0
    cdef uint64_t last_number = 0
    cdef Py_ssize_t n
    for n in range(count):
        stream = events[2 * n]
        number = events[2 * n + 1]
        if n == 0 or stream != last_stream or (number ^ last_number) >> 3:
            nonce[0] = <uint32_t>(number >> 35)
            nonce[1] = <uint32_t>stream
            nonce[2] = <uint32_t>(stream >> 32)
            block(key, <uint32_t>(number >> 3), nonce, words)
        last_stream = stream
        last_number = number
        word = <uint64_t>words[2 * (number & 7) + 1] << 32 | words[2 * (number & 7)]
        drawn[n] = <double>(word >> 11) * (1.0 / 9007199254740992.0)


cdef class ChaCha20:
    """Draws of one key. Batch calls take and fill one-dimensional contiguous buffers, without the GIL."""

    def __cinit__(self, bytes key):
        if len(key) != KEY_OCTETS:
            raise ValueError("a key has 32 octets")
        read_words(key, self.key, 8)

    def block(self, counter: int, bytes nonce) -> bytes:
        """The 64 octets of a block, as RFC 8439 numbers it. Raises ValueError for a nonce that has not 12 octets."""
        cdef uint32_t words[WORDS]
        cdef uint32_t nonce_words[3]
        cdef uint8_t out[BLOCK_OCTETS]
        cdef uint32_t number = counter
        cdef int i
        if len(nonce) != NONCE_OCTETS:
            raise ValueError("a nonce has 12 octets")
        read_words(nonce, nonce_words, 3)
        block(self.key, number, nonce_words, words)
        for i in range(BLOCK_OCTETS):
            out[i] = <uint8_t>(words[i >> 2] >> 8 * (i & 3))
        return (<char*>out)[:BLOCK_OCTETS]

    def uniforms(self, const uint64_t[::1] events, double[::1] drawn) -> None:
        """Draw for n events. events: 2 n, stream and number of each. drawn: n, filled with doubles in [0, 1)."""
        cdef Py_ssize_t count = drawn.shape[0]
        if events.shape[0] != 2 * count:
            raise ValueError(f"{events.shape[0]} words of events for {count} draws")
        if count:
            with nogil:
                draw_many(self.key, &events[0], &drawn[0], count)


cdef void read_words(const uint8_t* octets, uint32_t* words, int count) noexcept nogil:
    """Little-endian words."""
    cdef int i
    for i in range(count):
        words[i] = (<uint32_t>octets[4 * i] | <uint32_t>octets[4 * i + 1] << 8 | <uint32_t>octets[4 * i + 2] << 16
                    | <uint32_t>octets[4 * i + 3] << 24)
