# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Field programs: the layout of a declared class as an array of C operations, made once when the class is declared.

Laws
----
1. Neighbouring fields of fixed size are one run: one comparison with the end, then constant offsets.
2. Operations hold borrowed pointers; the program owns what they point to (`kept`), and classes own their program
   (attribute `PROGRAM`), so whoever holds a value or a class may run its program.
3. An attribute is a slot of the object at the offset that its member descriptor tells, so values are read by the
   interpreter's fastest path and written here without it.
4. The number of an enumeration is looked up once; what a peer can make us remember is bounded (256 entries a field).
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from enum import Flag
from types import MemberDescriptorType

from qstack._cext.octets cimport PyLong_FromUnsignedLongLong

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset
        int flags
    int READONLY
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    PyObject* PyDict_GetItem(PyObject*, object)

cdef dict PREFIXED_CODES = {"prefixed": PREFIXED, "text": TEXT, "list": LIST, "tlvs": TLVS}
cdef tuple IN_RUN = ("unsigned", "reserved", "fixed")
cdef str ATTRIBUTE = "PROGRAM"


cdef Program program_of(object cls):
    """The program of a declared class; AttributeError for any other."""
    cdef PyObject* found = PyDict_GetItem((<PyTypeObject*>cls).tp_dict, ATTRIBUTE)
    if found == NULL:
        raise AttributeError(f"{cls.__name__} is not a declared class")
    return <Program>found


cdef Py_ssize_t slot_of(object cls, str name) except -1:
    """Where an attribute lies in the objects of a class; from now on the descriptor only reads."""
    cdef PyMemberDef* member
    descriptor = getattr(cls, name)
    if type(descriptor) is not MemberDescriptorType:
        raise AssertionError(f"{cls.__name__}.{name} is no slot")
    member = (<PyMemberDescrObject*>descriptor).d_member
    member.flags |= READONLY
    return member.offset


cdef bint is_list_of_scalars(object field) except -1:
    return field.kind.value == "list" and not isinstance(field.item, type)


cdef class Names:
    """Members of an enumeration by their number."""

    def __cinit__(self, values):
        self.values = values
        self.members = {int(member): member for member in values}
        self.are_flags = issubclass(values, Flag)
        self.known_bits = 0
        if self.are_flags:
            for number in self.members:
                self.known_bits |= <uint64_t>number

    def __dealloc__(self):
        cdef int number
        for number in range(256):
            Py_XDECREF(self.table[number])

    cdef object make(self, uint64_t number):
        """Find or make the member, and remember it when it is among the first 256."""
        cdef object found
        if not self.are_flags:
            found = self.members.get(number)
            if found is None:
                found = number
        elif number & ~self.known_bits:
            found = self.flags_of_the_future(number)
        else:
            found = self.values(number)
        if number < 256 and self.table[number] == NULL:
            Py_INCREF(found)
            self.table[number] = <PyObject*>found
        return found

    def flags_of_the_future(self, number):
        """A set with bits that are not declared. The enumeration would remember each such set for ever."""
        found = int.__new__(self.values, number)
        found._value_ = number
        known = self.values(number & self.known_bits)
        found._name_ = f"{known.name}|{number - known:#x}" if known else None
        return found


cdef class Program:
    """The operations of one class, made from its `LAYOUT`, `TLVS`, `CODE` and `CODE_OCTETS`."""

    def __cinit__(self, owner):
        cdef tuple fields = owner.LAYOUT.fields
        self.owner = owner
        self.name = owner.__name__
        self.message_code = owner.CODE if owner.CODE_OCTETS == 1 else -1
        self.tlv_code = owner.CODE if owner.CODE_OCTETS == 2 else -1
        self.tlvs = owner.TLVS
        self.kept = []
        self.room = 3 * len(fields) + 1  # a run, itself, the scalar of a list
        self.ops = <Op*>calloc(self.room, sizeof(Op))
        if self.ops == NULL:
            raise MemoryError
        run = []
        for field in fields:
            if field.kind.value in IN_RUN:
                run.append(field)
            else:
                self.add_run(run)
                self.add_part(field)
                run = []
        self.add_run(run)
        self.add_scalars([field.item for field in fields if is_list_of_scalars(field)])

    def __dealloc__(self):
        free(self.ops)

    cdef PyObject* keep(self, object thing) except NULL:
        self.kept.append(thing)
        return <PyObject*>thing

    cdef Op* new_op(self, int code, object field) except NULL:
        cdef Op* op = &self.ops[self.count]
        if self.count >= self.room:
            raise AssertionError("more operations than there is room for")
        self.count += 1
        op.code = code
        if field is None:
            return op
        op.field = self.keep(field.name)
        if code != RESERVED:
            op.slot = slot_of(self.owner, field.name)
        if field.default is not None:
            op.default = self.keep(field.default)
        return op

    cdef int add_run(self, list run) except -1:
        cdef Op* op
        cdef Op* start
        cdef uint32_t at_bits = 0
        if not run:
            return 0
        start = self.new_op(RUN, None)
        start.count = len(run)
        for field in run:
            if field.kind.value == "fixed":
                op = self.new_op(FIXED, field)
                op.at = at_bits // 8
                op.size = field.size
                at_bits += 8 * op.size
            else:
                self.add_number(field, at_bits)
                at_bits += field.bits
        start.size = at_bits // 8
        return 0

    cdef int add_number(self, object field, uint32_t at_bits) except -1:
        cdef uint32_t bits = field.bits
        cdef uint32_t end_bits = at_bits + bits
        cdef Op* op
        if field.kind.value == "reserved":
            op = self.new_op(RESERVED, field)
        elif at_bits % 8 == 0 and bits % 8 == 0:
            op = self.new_op(NUMBER, field)
        else:
            op = self.new_op(BITS, field)
        op.at = at_bits // 8
        op.octets = (end_bits + 7) // 8 - op.at
        op.shift = 8 * (op.at + op.octets) - end_bits
        op.mask = <uint64_t>0xFFFFFFFFFFFFFFFF >> (64 - bits)
        if field.values is not None:
            op.names = self.keep(Names(field.values))
        return 0

    cdef int add_part(self, object field) except -1:
        cdef Op* op
        cdef str kind = field.kind.value
        if kind == "rest":
            self.new_op(REST, field)
            return 0
        if kind == "record":
            op = self.new_op(RECORD, field)
            op.program = self.keep(program_of(field.item))
            return 0
        op = self.new_op(PREFIXED_CODES[kind], field)
        op.octets = field.bits // 8
        op.minimum = field.minimum
        op.maximum = field.maximum
        if kind == "list" and not is_list_of_scalars(field):
            op.program = self.keep(program_of(field.item))
            op.item_octets = field.item.LAYOUT.minimum_size
        return 0

    cdef int add_scalars(self, list items) except -1:
        """Behind the operations that are run: one for the items of each list that holds no records."""
        cdef Op* scalar = &self.ops[self.count]
        cdef uint32_t i
        waiting = iter(items)
        for i in range(self.count):
            if self.ops[i].code == LIST and self.ops[i].program == NULL:
                self.fill_scalar(scalar, next(waiting))
                scalar.field = self.ops[i].field
                self.ops[i].item = scalar
                self.ops[i].item_octets = scalar.size + scalar.octets + scalar.minimum
                scalar += 1
        return 0

    cdef int fill_scalar(self, Op* op, object field) except -1:
        cdef str kind = field.kind.value
        if kind == "unsigned":
            op.code = NUMBER
            op.octets = field.bits // 8
            op.mask = <uint64_t>0xFFFFFFFFFFFFFFFF >> (64 - <uint32_t>field.bits)
            if field.values is not None:
                op.names = self.keep(Names(field.values))
        elif kind == "fixed":
            op.code = FIXED
            op.size = field.size
        else:
            op.code = PREFIXED_CODES[kind]
            op.octets = field.bits // 8
            op.minimum = field.minimum
            op.maximum = field.maximum
        return 0
