# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Swaps of pairs, many at a time. Laws: swapping.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from qstack._cext.store cimport Store


cdef void swap_many(Store* store, const uint64_t* firsts, const uint64_t* seconds, const int64_t* instants_ns,
                    const double* uniforms, uint8_t* outcomes, double* probabilities, uint8_t* statuses,
                    Py_ssize_t count) noexcept nogil
