# What another module of _cext may know of the state engine. Laws and theory: engine.pyx.

from libc.stdint cimport uint64_t

from qstack._cext.store cimport Qubit, Store


cdef class PairEngine:
    cdef Store store
    cdef bint busy

    cdef Qubit* known(self, uint64_t handle) except? NULL
    cdef int enter(self) except -1
