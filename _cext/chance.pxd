# What another module of _cext may know of the source of chance. Laws: chance.pyx.

from libc.stdint cimport uint32_t, uint64_t


cdef class ChaCha20:
    cdef uint32_t key[8]


cdef void draw_many(const uint32_t* key, const uint64_t* events, double* drawn, Py_ssize_t count) noexcept nogil
