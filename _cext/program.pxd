# The packed field program of one declared class, as `codec` runs it. Laws: program.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum Code:
    RUN         # the next `count` operations have fixed places in the next `size` octets
    NUMBER      # in a run: `octets` octets at `at`
    BITS        # in a run: bits inside `octets` octets at `at`
    RESERVED    # in a run: as BITS, all zero, no value
    FIXED       # in a run: `size` octets at `at`
    PREFIXED    # a length of `octets` octets, then the octets
    TEXT        # as PREFIXED, printable US-ASCII
    RECORD      # another program
    LIST        # a count of `octets` octets, then items
    TLVS        # TLVs behind a length of `octets` octets, or (0) to the end
    REST        # octets to the end


cdef struct Op:
    uint8_t code
    uint8_t octets          # width of a number, of the octets that bits lie in, or of a prefix
    uint8_t shift           # BITS, RESERVED: from the right end of those octets
    uint32_t at             # offset of the field in its run
    uint32_t size           # RUN, FIXED: octets
    uint32_t count          # RUN: operations that follow
    uint32_t minimum        # shortest length, smallest count
    uint32_t maximum        # greatest length, largest count
    uint32_t item_octets    # LIST: least size of an item
    Py_ssize_t slot         # offset of the attribute in the object
    uint64_t mask           # NUMBER, BITS, RESERVED: greatest value
    Op* item                # LIST: of scalars, else NULL
    PyObject* program       # RECORD, LIST: of records, else NULL. This and what follows is borrowed from `kept`
    PyObject* names         # NUMBER, BITS: `Names`, or NULL
    PyObject* field         # name of the field
    PyObject* default       # NULL: must be given


cdef class Names:
    cdef object values        # the enumeration
    cdef dict members
    cdef bint are_flags
    cdef uint64_t known_bits
    cdef PyObject* table[256]   # owned; NULL: not made yet

    cdef object make(self, uint64_t number)


cdef class Program:
    cdef object owner         # the class
    cdef str name
    cdef Op* ops
    cdef uint32_t count         # operations that are run; the scalars of lists stand behind them
    cdef uint32_t room
    cdef int message_code       # -1: not a message
    cdef int tlv_code           # -1: not a TLV of a known type
    cdef bint unknown           # a TLV of a type that is not declared: its type, then its octets
    cdef dict tlvs              # what its lists of TLVs may hold: code -> class
    cdef list kept              # keeps alive what operations point to

    cdef PyObject* keep(self, object thing) except NULL
    cdef Op* new_op(self, int code, object field) except NULL
    cdef int add_run(self, list run) except -1
    cdef int add_number(self, object field, uint32_t at_bits) except -1
    cdef int add_part(self, object field) except -1
    cdef int add_scalars(self, list items) except -1
    cdef int fill_scalar(self, Op* op, object field) except -1


cdef Program program_of(object cls)


cdef inline object named(PyObject* names, uint64_t number):
    """The member of an enumeration, or the plain number where it has none."""
    cdef PyObject* found
    if number < 256:
        found = (<Names>names).table[number]
        if found != NULL:
            return <object>found
    return (<Names>names).make(number)
