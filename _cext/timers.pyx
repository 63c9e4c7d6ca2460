# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Deadlines by key, in a binary heap of C structs.

Laws
----
1. A key has at most one deadline. Setting it again moves it, and counts as a new insertion.
2. What is due comes out in the order of deadlines, and among equals in the order of insertion: a run is reproducible.
3. Nothing dead is kept. Each entry knows its place in the heap, so a cancelled timer leaves at once, in O(log n),
   and room is proportional to the largest number of timers that were ever alive together.
4. No clock: instants are int64 nanoseconds and come in as arguments (OverflowError beyond).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from types import GenericAlias

cdef enum:
    FIRST_CAPACITY = 16


cdef inline bint earlier(Entry a, Entry b) noexcept:
    return a.deadline_ns < b.deadline_ns or (a.deadline_ns == b.deadline_ns and a.order < b.order)


cdef class Timers:
    """Deadlines by key. Contract: timers.pyi."""

    __class_getitem__ = classmethod(GenericAlias)

    def __cinit__(self):
        self.slots = {}
        self.keys = []

    def __dealloc__(self):
        free(self.heap)
        free(self.place)

    def __len__(self):
        return self.count

    def __contains__(self, key):
        return key in self.slots

    def __iter__(self):
        return iter(list(self.slots))

    def set(self, key, int64_t deadline_ns):
        cdef object known = self.slots.get(key)
        cdef Entry entry
        cdef uint32_t index
        if known is None:
            if self.count == self.capacity:
                self.grow()
            index = self.count
            entry.slot = self.heap[index].slot
            self.slots[key] = entry.slot
            self.keys[entry.slot] = key
            self.count += 1
        else:
            entry.slot = known
            index = self.place[entry.slot]
        entry.deadline_ns = deadline_ns
        entry.order = self.sets
        self.sets += 1
        self.settle(index, entry)

    def cancel(self, key):
        cdef object known = self.slots.get(key)
        cdef uint32_t slot
        if known is None:
            return False
        slot = known
        self.remove(self.place[slot])
        return True

    def clear(self):
        while self.count:
            self.remove(self.count - 1)

    def deadline(self, key):
        cdef object known = self.slots.get(key)
        cdef uint32_t slot
        if known is None:
            return None
        slot = known
        return self.heap[self.place[slot]].deadline_ns

    def next_deadline(self):
        return self.heap[0].deadline_ns if self.count else None

    def pop_due(self, int64_t now_ns):
        cdef list due = []
        while self.count and self.heap[0].deadline_ns <= now_ns:
            due.append(self.remove(0))
        return due

    cdef int grow(self) except -1:
        """Double the room; the new slots are free, hence stand behind the heap."""
        cdef uint32_t capacity = 2 * self.capacity if self.capacity else FIRST_CAPACITY
        cdef uint32_t slot
        cdef void* heap = realloc(self.heap, capacity * sizeof(Entry))
        cdef void* place
        if heap == NULL:
            raise MemoryError
        self.heap = <Entry*> heap
        place = realloc(self.place, capacity * sizeof(uint32_t))
        if place == NULL:
            raise MemoryError
        self.place = <uint32_t*> place
        self.keys.extend([None] * (capacity - self.capacity))
        for slot in range(self.capacity, capacity):
            self.heap[slot].slot = slot
        self.capacity = capacity
        return 0

    cdef object remove(self, uint32_t index):
        """Take the entry at `index` out; the last one fills the gap, its slot joins the free ones. Return its key."""
        cdef Entry gone = self.heap[index]
        cdef Entry last
        cdef object key = self.keys[gone.slot]
        self.keys[gone.slot] = None
        del self.slots[key]
        self.count -= 1
        last = self.heap[self.count]
        self.heap[self.count].slot = gone.slot
        if index != self.count:
            self.settle(index, last)
        return key

    cdef void settle(self, uint32_t index, Entry entry) noexcept:
        """Put `entry` where it belongs, the gap being at `index`."""
        if index and earlier(entry, self.heap[(index - 1) // 2]):
            self.rise(index, entry)
        else:
            self.sink(index, entry)

    cdef void rise(self, uint32_t index, Entry entry) noexcept:
        cdef uint32_t parent
        while index:
            parent = (index - 1) // 2
            if not earlier(entry, self.heap[parent]):
                break
            self.put(index, self.heap[parent])
            index = parent
        self.put(index, entry)

    cdef void sink(self, uint32_t index, Entry entry) noexcept:
        cdef uint32_t child = 2 * index + 1
        while child < self.count:
            if child + 1 < self.count and earlier(self.heap[child + 1], self.heap[child]):
                child += 1
            if not earlier(self.heap[child], entry):
                break
            self.put(index, self.heap[child])
            index = child
            child = 2 * index + 1
        self.put(index, entry)

    cdef void put(self, uint32_t index, Entry entry) noexcept:
        self.heap[index] = entry
        self.place[entry.slot] = index
