# Big-endian numbers of 1 to 8 octets, from and to memory, and from and to Python integers.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define QSTACK_BIG16(x) __builtin_bswap16(x)
    #define QSTACK_BIG32(x) __builtin_bswap32(x)
    #define QSTACK_BIG64(x) __builtin_bswap64(x)
    #else
    #define QSTACK_BIG16(x) (x)
    #define QSTACK_BIG32(x) (x)
    #define QSTACK_BIG64(x) (x)
    #endif
    """
    uint16_t big16 "QSTACK_BIG16"(uint16_t) noexcept nogil
    uint32_t big32 "QSTACK_BIG32"(uint32_t) noexcept nogil
    uint64_t big64 "QSTACK_BIG64"(uint64_t) noexcept nogil

cdef extern from "Python.h":
    PyObject* PyLong_FromLong(long) except NULL
    PyObject* PyLong_FromUnsignedLongLong(unsigned long long) except NULL


cdef inline uint64_t load(const uint8_t* octets, uint32_t count) noexcept nogil:
    """The number in `count` octets."""
    cdef uint64_t number = 0
    cdef uint32_t four
    cdef uint16_t two
    cdef uint32_t i
    if count == 1:
        return octets[0]
    if count == 2:
        memcpy(&two, octets, 2)
        return big16(two)
    if count == 4:
        memcpy(&four, octets, 4)
        return big32(four)
    if count == 8:
        memcpy(&number, octets, 8)
        return big64(number)
    for i in range(count):
        number = number << 8 | octets[i]
    return number


cdef inline void store(uint8_t* octets, uint32_t count, uint64_t number) noexcept nogil:
    """Write the low `count` octets of a number."""
    cdef uint32_t four
    cdef uint16_t two
    cdef uint32_t i
    if count == 1:
        octets[0] = <uint8_t>number
    elif count == 2:
        two = big16(<uint16_t>number)
        memcpy(octets, &two, 2)
    elif count == 4:
        four = big32(<uint32_t>number)
        memcpy(octets, &four, 4)
    elif count == 8:
        number = big64(number)
        memcpy(octets, &number, 8)
    else:
        for i in range(count):
            octets[count - 1 - i] = <uint8_t>(number >> 8 * i)


cdef inline PyObject* integer(uint64_t number) except NULL:
    """A new reference to a Python integer."""
    if number <= <uint64_t>0x7FFFFFFFFFFFFFFF and sizeof(long) == 8:
        return PyLong_FromLong(<long>number)
    return PyLong_FromUnsignedLongLong(number)
