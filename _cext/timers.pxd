# What another module of _cext may know of the timers. Laws: timers.pyx.

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef struct Entry:
    int64_t deadline_ns
    uint64_t order          # number of the `set` that made it: breaks ties
    uint32_t slot           # index of its key


cdef class Timers:
    cdef Entry* heap        # [0, count) a binary heap; [count, capacity) keeps the free slots
    cdef uint32_t* place    # slot -> index in heap, for the slots in use
    cdef uint32_t count
    cdef uint32_t capacity
    cdef uint64_t sets
    cdef dict slots         # key -> slot
    cdef list keys          # slot -> key, None when free

    cdef int grow(self) except -1
    cdef void put(self, uint32_t index, Entry entry) noexcept
    cdef void rise(self, uint32_t index, Entry entry) noexcept
    cdef void sink(self, uint32_t index, Entry entry) noexcept
    cdef void settle(self, uint32_t index, Entry entry) noexcept
    cdef object remove(self, uint32_t index)
