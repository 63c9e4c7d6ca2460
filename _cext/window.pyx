# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Replay window over 64-bit packet numbers, after RFC 6479.

Laws
----
1. No number is committed twice.
2. A number is committed only after its packet was authenticated: `check` asks, and changes nothing; `commit` marks.
   Otherwise one forged packet with a high number would push the window over all honest ones.
3. Within `size` of the highest committed number, every number not yet committed is admitted.

The ring has one word more than the window needs. Moving on clears whole words and never shifts, so a commit costs
the same however far it moves, up to one pass over the ring.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from qstack.base.errors import LocalMisuse

cdef enum:
    LARGEST_WINDOW = 1 << 20


cdef class ReplayWindow:
    """Which packet numbers came already. Contract: window.pyi."""

    def __cinit__(self, size=8128):
        cdef uint64_t words = 2
        if not 1 <= size <= LARGEST_WINDOW:
            raise LocalMisuse(f"a replay window of {size} numbers: choose 1..{LARGEST_WINDOW}")
        while (words - 1) * 64 < <uint64_t> size:
            words *= 2
        self.words = <uint64_t*> calloc(words, sizeof(uint64_t))
        if self.words == NULL:
            raise MemoryError
        self.mask = words - 1
        self.width = self.mask * 64

    def __dealloc__(self):
        free(self.words)

    @property
    def size(self):
        return self.width

    @property
    def highest(self):
        return self.top if self.begun else None

    def check(self, uint64_t number):
        return self.admits(number)

    def commit(self, uint64_t number):
        return self.mark(number)

    cdef bint admits(self, uint64_t number) noexcept nogil:
        if not self.begun or number > self.top:
            return True
        if self.top - number >= self.width:
            return False
        return not (self.words[(number >> 6) & self.mask] >> (number & 63)) & 1

    cdef bint mark(self, uint64_t number) noexcept nogil:
        cdef uint64_t word, steps
        if not self.admits(number):
            return False
        if not self.begun or number > self.top:
            steps = (number >> 6) - (self.top >> 6)
            for word in range(min(steps, self.mask + 1)):
                self.words[((self.top >> 6) + 1 + word) & self.mask] = 0
            self.top = number
            self.begun = True
        self.words[(number >> 6) & self.mask] |= <uint64_t> 1 << (number & 63)
        return True
