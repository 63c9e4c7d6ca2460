# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""States that change their holder: joined, shrunk, left. Laws: registers.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from qstack._cext.store cimport Store


cdef bint may_hold(Store* store, int count) noexcept nogil
cdef void settle(Store* store, double* r, int count, const uint32_t* members) noexcept nogil
cdef uint8_t entangle(Store* store, uint32_t first, uint32_t second) noexcept nogil
cdef void leave(Store* store, uint32_t leaving, const double* bloch, double weight) noexcept nogil
cdef uint8_t bell_room(Store* store, uint32_t first, uint32_t second, double** joined) noexcept nogil
cdef void bell(Store* store, uint32_t first, uint32_t second, double uniform, double* joined, uint8_t* outcome,
               double* probability) noexcept nogil
cdef uint8_t reduced(Store* store, const uint64_t* handles, int count, int64_t instant_ns, double* state) noexcept nogil
