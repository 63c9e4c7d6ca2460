# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What is done to one qubit or two; each gives a status. Laws: operations.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from qstack._cext.gates cimport Action
from qstack._cext.store cimport Qubit, Store


cdef uint8_t touch(Store* store, uint64_t handle, int64_t instant_ns, Qubit** qubit) noexcept nogil
cdef uint8_t scatter_one(Store* store, uint64_t handle, const double* factors, int64_t instant_ns) noexcept nogil
cdef uint8_t bell_one(Store* store, uint64_t first, uint64_t second, int64_t instant_ns, double uniform,
                      uint8_t* outcome, double* probability) noexcept nogil
cdef uint8_t measure_one(Store* store, uint64_t handle, const double* axis, int64_t instant_ns, double uniform,
                         uint8_t* outcome, double* probability) noexcept nogil
cdef uint8_t act_one(Store* store, uint64_t first, uint64_t second, int64_t instant_ns,
                     const Action* action) noexcept nogil
cdef uint8_t erase_one(Store* store, uint64_t handle, int64_t instant_ns) noexcept nogil
cdef uint8_t release_one(Store* store, uint64_t handle) noexcept nogil
cdef uint8_t inspect_one(Store* store, uint64_t handle, int64_t instant_ns, double* r) noexcept nogil
