# Frozen values of declared classes: what `codec` may know of them. Laws: frozen.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

from qstack._cext.program cimport Op, Program


cdef enum:
    MOST_TLVS = 64          # in one list


cdef class Frozen:
    pass


cdef bint fits(Op* op, object value, dict tlvs) except -1


cdef inline PyObject** slot(object value, const Op* op) noexcept:
    """Where the object keeps the field: an owned reference, NULL before it is set."""
    return <PyObject**>(<uint8_t*><PyObject*>value + op.slot)


cdef inline bint has_value(const Op* op) noexcept:
    """Runs only gather, and reserved bits have no value."""
    return op.slot != 0


cdef inline Py_ssize_t unprintable(const uint8_t* octets, Py_ssize_t length) noexcept nogil:
    """The first octet that is not printable US-ASCII, or `length`."""
    cdef Py_ssize_t i
    for i in range(length):
        if octets[i] < 0x20 or octets[i] > 0x7E:
            return i
    return length
