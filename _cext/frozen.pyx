# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Frozen values: the base class from which the declared records, TLVs and messages inherit their behaviour.

Laws
----
1. A value cannot exist with a field out of range: the constructor checks each field, and decoding makes the same checks.
   So encoding need check no field.
2. A value never changes, and equal fields in the same class make equal values.
3. Whatever a value holds is itself unable to change, so values make no cycles and leave the garbage collector alone.
"""

from cpython.bytes cimport PyBytes_Check, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from qstack._cext.program cimport (
    BITS, FIXED, LIST, NUMBER, PREFIXED, RECORD, REST, TEXT, TLVS, Op, Program, program_of,
)

from qstack.base.errors import LocalMisuse

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject*, Py_ssize_t)
    bint PyLong_Check(object)
    unsigned long long PyLong_AsUnsignedLongLong(object) noexcept
    PyObject* PyErr_Occurred() noexcept
    void PyErr_Clear() noexcept
    bint PyUnicode_IS_ASCII(object)
    void* PyUnicode_1BYTE_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    PyObject* PyDict_GetItem(object, PyObject*)
    void PyObject_GC_UnTrack(PyObject*)
    PyTypeObject* Py_TYPE(object)
    void Py_CLEAR(PyObject*)
    int PyUnicode_Compare(object, object) noexcept
    Py_ssize_t PyVectorcall_NARGS(size_t)

cdef extern from *:
    """
    static void qstack_call_by(PyTypeObject* cls, void* construct) {
        cls->tp_vectorcall = (vectorcallfunc)construct;
        Py_TYPE(cls)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    }
    """
    void call_by "qstack_call_by"(PyTypeObject*, void*) noexcept

MAXIMUM_TLVS = MOST_TLVS


cdef str PROGRAM = "PROGRAM"
cdef PyObject* ATTRIBUTE = <PyObject*>PROGRAM


cdef class Frozen:
    """A value of a declared class. Made by keywords; `LocalMisuse` for what does not fit."""

    def __cinit__(self, **values):
        cdef Given given
        given.named, given.count = <PyObject*>values, len(values)
        fill(self, program_of(type(self)), &given, NULL)

    def __dealloc__(self):
        # The interpreter clears only slots that may be written, and those of a value may not (law 2).
        cdef PyObject* found = PyDict_GetItem(<object>Py_TYPE(self).tp_dict, ATTRIBUTE)
        cdef Program program
        cdef uint32_t i
        if found != NULL:  # else the interpreter is coming down
            program = <Program>found
            for i in range(program.count):
                if has_value(&program.ops[i]):
                    Py_CLEAR(slot(self, &program.ops[i])[0])

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} is frozen: make a new one with replace({name}=...)")

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be taken away")

    def __eq__(self, other):
        cdef Program program
        cdef uint32_t i
        if self is other:
            return True
        if type(self) is not type(other):
            return False
        program = program_of(type(self))
        for i in range(program.count):
            if has_value(&program.ops[i]) and \
                    <object>slot(self, &program.ops[i])[0] != <object>slot(other, &program.ops[i])[0]:
                return False
        return True

    def __hash__(self):
        return hash((type(self), *(value for _, value in items_of(self))))

    def __repr__(self):
        shown = ", ".join(f"{name}={value!r}" for name, value in items_of(self))
        return f"{type(self).__name__}({shown})"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return rebuild, (type(self), dict(items_of(self)))

    def replace(self, **changes):
        """A copy with some fields changed."""
        cdef Program program = program_of(type(self))
        cdef Given given
        given.named, given.count = <PyObject*>changes, len(changes)
        value = PyType_GenericAlloc(<PyTypeObject*>program.owner, 0)
        fill(value, program, &given, <PyObject*>self)
        return value


def rebuild(cls, values):
    """What pickle calls."""
    return cls(**values)


def declare(cls):
    """Give a class its field program and its constructor; assert that each default that its declaration gives fits."""
    cdef Program program = Program(cls)
    cdef uint32_t i
    for i in range(program.count):
        if program.ops[i].default != NULL:
            default = <object>program.ops[i].default
            assert fits(&program.ops[i], default, program.tlvs), str(misfit(program, &program.ops[i], default))
    cls.PROGRAM = program
    call_by(<PyTypeObject*>cls, <void*>construct)


cdef list items_of(object value):
    """Names and values of the fields, in order."""
    cdef Program program = program_of(type(value))
    cdef uint32_t i
    return [
        (<object>program.ops[i].field, <object>slot(value, &program.ops[i])[0])
        for i in range(program.count)
        if has_value(&program.ops[i])
    ]


cdef struct Given:          # arguments by name: in a dictionary, or, when that is NULL, as the interpreter hands them over
    PyObject* named
    PyObject* names         # tuple of str
    PyObject** values
    Py_ssize_t count


cdef PyObject* construct(PyObject* cls, PyObject** arguments, size_t counted, PyObject* names) except NULL:
    """What the interpreter calls for `Class(name=value, ...)`: the constructor without a dictionary (PEP 590)."""
    cdef Program program = program_of(<object>cls)
    cdef Given given
    if PyVectorcall_NARGS(counted):
        raise TypeError(f"{program.name} takes its fields by name")
    given.named, given.names, given.values = NULL, names, arguments
    given.count = 0 if names == NULL else PyTuple_GET_SIZE(<object>names)
    value = PyType_GenericAlloc(<PyTypeObject*>cls, 0)
    fill(value, program, &given, NULL)
    Py_INCREF(value)
    return <PyObject*>value


cdef PyObject* find(Given* given, PyObject* name, Py_ssize_t* likely) noexcept:
    """An argument by its name, or NULL. Most callers keep the order of the fields, so one place is `likely`."""
    cdef Py_ssize_t i
    cdef PyObject* candidate
    if given.named != NULL:
        return PyDict_GetItem(<object>given.named, name)
    if likely[0] < given.count and PyTuple_GET_ITEM(<object>given.names, likely[0]) == name:
        likely[0] += 1
        return given.values[likely[0] - 1]
    for i in range(given.count):
        candidate = <PyObject*>PyTuple_GET_ITEM(<object>given.names, i)
        if candidate == name or PyUnicode_Compare(<object>candidate, <object>name) == 0:
            likely[0] = i + 1
            return given.values[i]
    return NULL


cdef int fill(object value, Program program, Given* given, PyObject* model) except -1:
    """Set all fields of a new value: as given, else as in the model if there is one, else by default."""
    cdef Py_ssize_t used = 0
    cdef Py_ssize_t likely = 0
    cdef PyObject* found
    cdef Op* op = program.ops
    cdef Op* behind = op + program.count
    while op < behind:
        if has_value(op):
            found = find(given, op.field, &likely) if used < given.count else NULL
            if found != NULL:
                used += 1
                if not fits(op, <object>found, program.tlvs):
                    raise misfit(program, op, <object>found)
            else:
                found = op.default if model == NULL else slot(<object>model, op)[0]
                if found == NULL:
                    raise LocalMisuse(f"{program.name}.{<object>op.field} must be given")
            Py_INCREF(<object>found)
            slot(value, op)[0] = found
        op += 1
    if used != given.count:
        raise LocalMisuse(f"{program.name} has no field {', '.join(sorted(unknown_names(program, given)))}")
    PyObject_GC_UnTrack(<PyObject*>value)
    return 0


cdef set unknown_names(Program program, Given* given):
    names = <object>given.names if given.named == NULL else <object>given.named
    return set(names) - {field.name for field in program.owner.LAYOUT.fields}


cdef bint fits(Op* op, object value, dict tlvs) except -1:
    """Whether a value may stand in a field; False says no more than that."""
    if op.code == NUMBER or op.code == BITS:
        return PyLong_Check(value) and fits_number(value, op.mask)
    if op.code == FIXED:
        return PyBytes_Check(value) and PyBytes_GET_SIZE(value) == op.size
    if op.code == PREFIXED:
        return PyBytes_Check(value) and op.minimum <= PyBytes_GET_SIZE(value) <= op.maximum
    if op.code == TEXT:
        return PyUnicode_Check(value) and fits_text(op, value)
    if op.code == RECORD:
        return type(value) is (<Program>op.program).owner
    if op.code == LIST:
        return PyTuple_Check(value) and fits_list(op, value, tlvs)
    if op.code == TLVS:
        return PyTuple_Check(value) and fits_tlvs(value, tlvs)
    return op.code == REST and PyBytes_Check(value)


cdef bint fits_number(object value, uint64_t greatest) noexcept:
    cdef unsigned long long number = PyLong_AsUnsignedLongLong(value)
    if number == <unsigned long long>-1 and PyErr_Occurred() != NULL:  # negative, or of more than 64 bits
        PyErr_Clear()
        return False
    return number <= greatest


cdef bint fits_text(Op* op, object value) except -1:
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(value)
    return op.minimum <= length <= op.maximum and PyUnicode_IS_ASCII(value) \
        and unprintable(<const uint8_t*>PyUnicode_1BYTE_DATA(value), length) == length


cdef bint fits_list(Op* op, object value, dict tlvs) except -1:
    cdef Py_ssize_t i
    if not op.minimum <= PyTuple_GET_SIZE(value) <= op.maximum:
        return False
    for i in range(PyTuple_GET_SIZE(value)):
        item = <object>PyTuple_GET_ITEM(value, i)
        if op.item != NULL and not fits(op.item, item, tlvs):
            return False
        if op.program != NULL and type(item) is not (<Program>op.program).owner:
            return False
    return True


cdef bint fits_tlvs(object value, dict tlvs) except -1:
    """At most 64, of this namespace: a TLV of another one would be read back as something else."""
    cdef Py_ssize_t i
    if PyTuple_GET_SIZE(value) > MOST_TLVS:
        return False
    for i in range(PyTuple_GET_SIZE(value)):
        tlv = <object>PyTuple_GET_ITEM(value, i)
        if not isinstance(tlv, Frozen) or not belongs(tlv, program_of(type(tlv)), tlvs):
            return False
    return True


cdef bint belongs(object tlv, Program program, dict tlvs) except -1:
    if program.tlv_code >= 0:
        return tlvs.get(program.tlv_code) is program.owner
    return program.unknown and <object>slot(tlv, program.ops + 1)[0] not in tlvs


cdef object misfit(Program program, Op* op, object value):
    """The error for a field that does not fit. Octets and texts may be secret, so they are not shown."""
    shown = f"{value!r}" if isinstance(value, int) else type(value).__name__
    if isinstance(value, (bytes, str, tuple)):
        shown += f" of length {len(value)}"
    return LocalMisuse(f"{program.name}.{<object>op.field}: {shown} does not fit {described(op)}")


cdef str described(Op* op):
    if op.code == NUMBER or op.code == BITS:
        return f"a number of 0..{op.mask}"
    if op.code == FIXED:
        return f"{op.size} octets"
    if op.code == PREFIXED:
        return f"{op.minimum}..{op.maximum} octets"
    if op.code == TEXT:
        return f"{op.minimum}..{op.maximum} printable US-ASCII characters"
    if op.code == RECORD:
        return f"a {(<Program>op.program).name}"
    if op.code == LIST:
        return f"a tuple of {op.minimum}..{op.maximum} items, each in its limits"
    if op.code == TLVS:
        return f"a tuple of at most {MOST_TLVS} TLVs of its namespace"
    return "octets"
