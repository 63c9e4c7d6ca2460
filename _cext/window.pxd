# What another module of _cext may know of the replay window. Laws: window.pyx.

from libc.stdint cimport uint64_t


cdef class ReplayWindow:
    cdef uint64_t* words    # a ring of bits: number n is bit n % 64 of word (n / 64) % (mask + 1)
    cdef uint64_t mask      # number of words - 1, which is a power of two
    cdef uint64_t width     # how far behind the highest a number may lie
    cdef uint64_t top       # highest committed number, when there is one
    cdef bint begun

    cdef bint admits(self, uint64_t number) noexcept nogil
    cdef bint mark(self, uint64_t number) noexcept nogil
