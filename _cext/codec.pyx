# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Bytes to values and back, by running field programs.

Laws
----
1. Any octets decode or raise `WireError` with the offset and the field, and nothing else; what decodes encodes to the
   same octets.
2. No octet is read before its place has been compared with the end of what holds it. A TLV is the end of its fields.
3. Nothing is allocated for a count that a datagram claims before it is known that as many items can follow.
4. A value in the making is owned from its first moment, so an error on the way frees it and all it holds.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from qstack._cext.frozen cimport MOST_TLVS, Frozen, slot, unprintable
from qstack._cext.octets cimport integer, load, store
from qstack._cext.program cimport (
    BITS, FIXED, LIST, NUMBER, PREFIXED, RECORD, RESERVED, REST, RUN, TEXT, TLVS, Op, Program, named, program_of,
)

from qstack.base.errors import ErrorCode, LocalMisuse, WireError

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject*, Py_ssize_t)
    object PyTuple_New(Py_ssize_t)
    void PyTuple_SET_ITEM(object, Py_ssize_t, PyObject*)
    object PyUnicode_DecodeASCII(const char*, Py_ssize_t, const char*)
    unsigned long long PyLong_AsUnsignedLongLong(object) except? 0xFFFFFFFFFFFFFFFF
    object new_integer "PyLong_FromUnsignedLongLong"(unsigned long long)
    void* PyUnicode_1BYTE_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    PyObject* PyDict_GetItem(PyObject*, object)
    void PyObject_GC_UnTrack(PyObject*)

cdef enum:
    TLV_HEAD = 4                # type and length, 16 bits each
    FIRST_ROOM = 2048           # on the stack; more comes from the heap
    GREATEST_16 = 0xFFFF

MESSAGES = {}                   # protocol -> code -> class; `qstack.wire.value` registers
cdef dict messages = MESSAGES
cdef Program unknown_tlv        # program of the class of TLVs that are not declared


def set_unknown_tlv(cls):
    """Say which class stands for a TLV that is not declared: its fields are the type (16 bits) and the rest."""
    global unknown_tlv
    unknown_tlv = program_of(cls)
    unknown_tlv.unknown = True


cdef class Value(Frozen):
    """A frozen value that can be encoded and decoded."""

    def encode(self):
        """The octets of the fields, for a message behind its code. `LocalMisuse` when a list of TLVs is too long."""
        return encode_parts((self,))

    @classmethod
    def decode_untrusted(cls, data, Py_ssize_t offset=0):
        """Decode data[offset:] whole (of a message: the payload, code included), or raise `WireError`."""
        cdef Program program = program_of(cls)
        cdef bytes octets = as_bytes(data)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(octets)
        check_start(program.name, offset, end)
        if program.message_code >= 0:
            return decode_expected(program, octets, offset, end)
        return decode_whole(program, <const uint8_t*>PyBytes_AS_STRING(octets), offset, end)


def decode_record_untrusted(cls, data, Py_ssize_t offset, Py_ssize_t end):
    """Decode one record at the start of data[offset:end]; give it and the offset behind it."""
    cdef Program program = program_of(cls)
    cdef bytes octets = as_bytes(data)
    check_end(octets, end)
    check_start(program.name, offset, end)
    value = decode_value(program, <const uint8_t*>PyBytes_AS_STRING(octets), &offset, end)
    return value, offset


def decode_message_untrusted(protocol, data, Py_ssize_t offset=0, end=None):
    """Decode data[offset:end] as a message of `protocol`. Raises `WireError` for an unknown code too."""
    cdef bytes octets = as_bytes(data)
    cdef Py_ssize_t stop = PyBytes_GET_SIZE(octets) if end is None else end
    cdef const uint8_t* base = <const uint8_t*>PyBytes_AS_STRING(octets)
    check_end(octets, stop)
    check_start("code", offset, stop)
    cdef Program program = find_message(protocol, base, offset, stop)
    return decode_whole(program, base, offset + 1, stop)


cdef bytes as_bytes(data):
    return data if PyBytes_CheckExact(data) else bytes(memoryview(data))


# What only our own bug can bring about. Memory depends on it, so it is checked when assertions are off as well.

cdef int check_end(bytes octets, Py_ssize_t end) except -1:
    if end > PyBytes_GET_SIZE(octets):
        raise AssertionError("the end lies behind the data")
    return 0


cdef int check_start(str name, Py_ssize_t offset, Py_ssize_t end) except -1:
    if offset < 0:
        raise AssertionError("a negative offset")
    if offset > end:
        raise WireError(offset, name, f"starts {offset - end} octets behind the end")
    return 0


cdef Program find_message(protocol, const uint8_t* base, Py_ssize_t offset, Py_ssize_t end):
    if offset >= end:
        raise short("code", offset, 1, end)
    cdef PyObject* found = PyDict_GetItem(<PyObject*>messages, protocol)
    if found != NULL:
        found = PyDict_GetItem(found, base[offset])
    if found == NULL:
        raise WireError(offset, "code", f"message {base[offset]} of protocol {int(protocol)} is not declared")
    return program_of(<object>found)


cdef object decode_expected(Program program, bytes octets, Py_ssize_t offset, Py_ssize_t end):
    """Decode a message of one class."""
    cdef const uint8_t* base = <const uint8_t*>PyBytes_AS_STRING(octets)
    if offset == end:
        raise short("code", offset, 1, end)
    if base[offset] != program.message_code:
        raise WireError(offset, "code", f"is {base[offset]}, {program.name} has {program.message_code}")
    return decode_whole(program, base, offset + 1, end)


cdef object decode_whole(Program program, const uint8_t* base, Py_ssize_t offset, Py_ssize_t end):
    value = decode_value(program, base, &offset, end)
    if offset != end:
        raise trailing(program.name, offset, end)
    return value


cdef object short(object field, Py_ssize_t offset, Py_ssize_t needed, Py_ssize_t end):
    return WireError(offset, field, f"needs {needed} octets, {end - offset} are left")


cdef object trailing(str name, Py_ssize_t offset, Py_ssize_t end):
    return WireError(offset, name, f"{end - offset} octets after the last field")


cdef object decode_value(Program program, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    """Decode the fields of one class at base[offset:end] and move the offset behind them."""
    cdef object value = PyType_GenericAlloc(<PyTypeObject*>program.owner, 0)
    cdef Op* op = program.ops
    cdef Op* behind = op + program.count
    cdef Py_ssize_t start = offset[0]
    cdef Py_ssize_t at = start
    cdef uint64_t number
    cdef object part
    PyObject_GC_UnTrack(<PyObject*>value)
    while op < behind:
        if op.code == RUN:
            if end - at < <Py_ssize_t>op.size:
                raise short_run(op, base, at, end)
            start = at
            at += op.size
        elif op.code == NUMBER or op.code == BITS:
            number = load(base + start + op.at, op.octets) >> op.shift & op.mask
            if op.names == NULL:
                slot(value, op)[0] = integer(number)
            else:
                part = named(op.names, number)
                Py_INCREF(part)
                slot(value, op)[0] = <PyObject*>part
        elif op.code == RESERVED:
            if load(base + start + op.at, op.octets) >> op.shift & op.mask:
                raise not_zero(op, start)
        else:
            if op.code == FIXED:
                part = PyBytes_FromStringAndSize(<const char*>base + start + op.at, op.size)
            else:
                part = decode_part(program, op, base, &at, end)
            Py_INCREF(part)
            slot(value, op)[0] = <PyObject*>part
        op += 1
    offset[0] = at
    return value


cdef object not_zero(Op* op, Py_ssize_t start):
    return WireError(start + op.at, <object>op.field, "reserved bits are not zero")


cdef object short_run(Op* run, const uint8_t* base, Py_ssize_t start, Py_ssize_t end):
    """The error for a run that does not fit: of its first field that is wrong."""
    cdef Op* op = run + 1
    cdef uint32_t octets
    while True:
        octets = op.size if op.code == FIXED else op.octets
        if start + op.at + octets > end:
            return short(<object>op.field, start + op.at, octets, end)
        if op.code == RESERVED and load(base + start + op.at, op.octets) >> op.shift & op.mask:
            return not_zero(op, start)
        op += 1


cdef object decode_part(Program program, Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    """Decode a field that is not of fixed size, or an item of a list."""
    cdef Py_ssize_t at = offset[0]
    cdef object part
    if op.code == PREFIXED or op.code == TEXT:
        return decode_prefixed(op, base, offset, end)
    if op.code == LIST:
        return decode_list(op, base, offset, end)
    if op.code == TLVS:
        return decode_tlvs(program, op, base, offset, end)
    if op.code == RECORD:
        return decode_value(<Program>op.program, base, offset, end)
    offset[0] = end
    return PyBytes_FromStringAndSize(<const char*>base + at, end - at)


cdef Py_ssize_t take_prefix(Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end) except -1:
    """Read a length or count and compare it with its limits."""
    cdef Py_ssize_t at = offset[0]
    cdef uint64_t found
    if end - at < op.octets:
        raise short(<object>op.field, at, op.octets, end)
    found = load(base + at, op.octets)
    if not op.minimum <= found <= op.maximum:
        what = "items" if op.code == LIST else "octets"
        raise WireError(at, <object>op.field, f"{found} {what}, allowed are {op.minimum}..{op.maximum}")
    offset[0] = at + op.octets
    return <Py_ssize_t>found


cdef object decode_prefixed(Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    cdef Py_ssize_t length = take_prefix(op, base, offset, end)
    cdef Py_ssize_t at = offset[0]
    cdef Py_ssize_t bad
    if end - at < length:
        raise short(<object>op.field, at, length, end)
    offset[0] = at + length
    if op.code == PREFIXED:
        return PyBytes_FromStringAndSize(<const char*>base + at, length)
    bad = unprintable(base + at, length)
    if bad != length:
        raise WireError(at + bad, <object>op.field, f"octet 0x{base[at + bad]:02x} is not printable US-ASCII")
    return PyUnicode_DecodeASCII(<const char*>base + at, length, NULL)


cdef object decode_list(Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    cdef Py_ssize_t count = take_prefix(op, base, offset, end)
    cdef Py_ssize_t least = count * op.item_octets
    cdef Py_ssize_t i
    cdef object item
    if end - offset[0] < least:
        raise short(<object>op.field, offset[0], least, end)
    cdef object found = PyTuple_New(count)
    for i in range(count):
        if op.item == NULL:
            item = decode_value(<Program>op.program, base, offset, end)
        elif op.item.code == NUMBER or op.item.code == FIXED:
            item = decode_scalar(op.item, base, offset, end)
        else:
            item = decode_prefixed(op.item, base, offset, end)
        Py_INCREF(item)
        PyTuple_SET_ITEM(found, i, <PyObject*>item)
    return found


cdef object decode_scalar(Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    """An item of fixed size. Its octets are there: the list has counted them."""
    cdef Py_ssize_t at = offset[0]
    if op.code == FIXED:
        offset[0] = at + op.size
        return PyBytes_FromStringAndSize(<const char*>base + at, op.size)
    offset[0] = at + op.octets
    if op.names != NULL:
        return named(op.names, load(base + at, op.octets))
    return new_integer(load(base + at, op.octets))


cdef object decode_tlvs(Program program, Op* op, const uint8_t* base, Py_ssize_t* offset, Py_ssize_t end):
    """Decode TLVs up to the length in front of them, or to the end.

    They are counted first, so that the tuple is made once. Where counting finds a flaw, what stands before it is decoded
    all the same: the first error is the one that counts.
    """
    cdef Py_ssize_t at = offset[0]
    cdef Py_ssize_t length, i, count
    cdef object tlv
    if op.octets:
        if end - at < op.octets:
            raise short(<object>op.field, at, op.octets, end)
        length = <Py_ssize_t>load(base + at, op.octets)
        at += op.octets
        if end - at < length:
            raise short(<object>op.field, at, length, end)
        end = at + length
    offset[0] = end
    count = count_tlvs(base, at, end)
    cdef object found = PyTuple_New(count)
    for i in range(count):
        tlv = decode_tlv(program.tlvs, base, at)
        at += TLV_HEAD + <Py_ssize_t>load(base + at + 2, 2)
        Py_INCREF(tlv)
        PyTuple_SET_ITEM(found, i, <PyObject*>tlv)
    if at < end:
        raise bad_tlv(op, base, at, end, count)
    return found


cdef Py_ssize_t count_tlvs(const uint8_t* base, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """How many whole TLVs there are, but no more than are allowed."""
    cdef Py_ssize_t count = 0
    while end - at >= TLV_HEAD and count < MOST_TLVS:
        at += TLV_HEAD + <Py_ssize_t>load(base + at + 2, 2)
        if at > end:
            break
        count += 1
    return count


cdef object bad_tlv(Op* op, const uint8_t* base, Py_ssize_t at, Py_ssize_t end, Py_ssize_t count):
    """The error for what follows the last whole TLV."""
    if count == MOST_TLVS:
        return WireError(at, <object>op.field, f"more than {MOST_TLVS} TLVs")
    if end - at < 2:
        return short(<object>op.field, at, 2, end)
    if end - at < TLV_HEAD:
        return short(<object>op.field, at + 2, 2, end)
    return short(<object>op.field, at + TLV_HEAD, <Py_ssize_t>load(base + at + 2, 2), end)


cdef object decode_tlv(dict tlvs, const uint8_t* base, Py_ssize_t at):
    """Decode one whole TLV."""
    cdef Py_ssize_t end = at + TLV_HEAD + <Py_ssize_t>load(base + at + 2, 2)
    cdef uint64_t code = load(base + at, 2)
    cdef PyObject* known = PyDict_GetItem(<PyObject*>tlvs, code)
    at += TLV_HEAD
    if known != NULL:
        return decode_whole(program_of(<object>known), base, at, end)
    cdef object value = PyType_GenericAlloc(<PyTypeObject*>unknown_tlv.owner, 0)
    PyObject_GC_UnTrack(<PyObject*>value)
    slot(value, unknown_tlv.ops + 1)[0] = integer(code)
    octets = PyBytes_FromStringAndSize(<const char*>base + at, end - at)
    Py_INCREF(octets)
    slot(value, unknown_tlv.ops + 2)[0] = <PyObject*>octets
    return value


# Encoding


cdef struct Sink:
    uint8_t* octets
    Py_ssize_t used
    Py_ssize_t room
    bint on_heap


def encode_parts(tuple parts, Py_ssize_t length_at=-1, Py_ssize_t more=0):
    """Encode values, and octets as they are, one behind the other.

    Where `length_at` >= 0 the 16 bits there become the length of it all, plus `more` octets that will follow.
    """
    cdef uint8_t first[FIRST_ROOM]
    cdef Sink sink
    sink.octets, sink.used, sink.room, sink.on_heap = first, 0, FIRST_ROOM, False
    try:
        for part in parts:
            put_part(&sink, part)
        if length_at >= 0:
            if length_at + 2 > sink.used:
                raise AssertionError("the length lies behind the end")
            if sink.used + more > GREATEST_16:
                raise LocalMisuse(f"a datagram of {sink.used + more} octets", ErrorCode.TOO_BIG)
            store(sink.octets + length_at, 2, sink.used + more)
        return PyBytes_FromStringAndSize(<const char*>sink.octets, sink.used)
    finally:
        if sink.on_heap:
            free(sink.octets)


cdef int put_part(Sink* sink, part) except -1:
    cdef Program program
    cdef bytes octets
    if isinstance(part, Value):
        program = program_of(type(part))
        if program.message_code >= 0:
            store(take(sink, 1), 1, program.message_code)
        return put_value(sink, program, part)
    octets = as_bytes(part)
    return put_octets(sink, <const uint8_t*>PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))


cdef uint8_t* take(Sink* sink, Py_ssize_t count) except NULL:
    """Room for that many octets; what the sink held may have moved."""
    cdef Py_ssize_t start = sink.used
    if sink.room - start < count:
        enlarge(sink, start + count)
    sink.used = start + count
    return sink.octets + start


cdef int enlarge(Sink* sink, Py_ssize_t least) except -1:
    cdef Py_ssize_t room = 2 * least
    cdef uint8_t* octets = <uint8_t*>(realloc(sink.octets, room) if sink.on_heap else malloc(room))
    if octets == NULL:
        raise MemoryError
    if not sink.on_heap:
        memcpy(octets, sink.octets, sink.used)
    sink.octets, sink.room, sink.on_heap = octets, room, True
    return 0


cdef int put_octets(Sink* sink, const uint8_t* octets, Py_ssize_t count) except -1:
    memcpy(take(sink, count), octets, count)
    return 0


cdef int put_bytes(Sink* sink, PyObject* octets) except -1:
    return put_octets(sink, <const uint8_t*>PyBytes_AS_STRING(<bytes>octets), PyBytes_GET_SIZE(<bytes>octets))


cdef int put_value(Sink* sink, Program program, object value) except -1:
    """Append the fields of a value, which is known to be whole and in range."""
    cdef Op* op = program.ops
    cdef Op* behind = op + program.count
    cdef uint8_t* run = NULL
    while op < behind:
        if op.code == RUN:
            run = take(sink, op.size)
            memset(run, 0, op.size)
        elif op.code == NUMBER:
            store(run + op.at, op.octets, PyLong_AsUnsignedLongLong(<object>slot(value, op)[0]))
        elif op.code == BITS:
            put_bits(run + op.at, op, PyLong_AsUnsignedLongLong(<object>slot(value, op)[0]))
        elif op.code == FIXED:
            memcpy(run + op.at, PyBytes_AS_STRING(<bytes>slot(value, op)[0]), op.size)
        elif op.code != RESERVED:
            put_field(sink, op, slot(value, op)[0])
        op += 1
    return 0


cdef inline void put_bits(uint8_t* octets, const Op* op, uint64_t number) noexcept:
    store(octets, op.octets, load(octets, op.octets) | number << op.shift)


cdef int put_field(Sink* sink, Op* op, PyObject* value) except -1:
    """Append a field that is not of fixed size, or an item of a list."""
    if op.code == PREFIXED:
        store(take(sink, op.octets), op.octets, PyBytes_GET_SIZE(<bytes>value))
        return put_bytes(sink, value)
    if op.code == TEXT:
        store(take(sink, op.octets), op.octets, PyUnicode_GET_LENGTH(<object>value))
        return put_octets(sink, <const uint8_t*>PyUnicode_1BYTE_DATA(<object>value), PyUnicode_GET_LENGTH(<object>value))
    if op.code == LIST:
        return put_list(sink, op, <object>value)
    if op.code == TLVS:
        return put_tlvs(sink, op, <object>value)
    if op.code == RECORD:
        return put_value(sink, <Program>op.program, <object>value)
    return put_bytes(sink, value)


cdef int put_list(Sink* sink, Op* op, object values) except -1:
    cdef Py_ssize_t count = PyTuple_GET_SIZE(values)
    cdef Py_ssize_t i
    store(take(sink, op.octets), op.octets, count)
    for i in range(count):
        if op.item == NULL:
            put_value(sink, <Program>op.program, <object>PyTuple_GET_ITEM(values, i))
        elif op.item.code == NUMBER:
            put_number(sink, op.item.octets, <object>PyTuple_GET_ITEM(values, i))
        elif op.item.code == FIXED:
            put_bytes(sink, <PyObject*>PyTuple_GET_ITEM(values, i))
        else:
            put_field(sink, op.item, <PyObject*>PyTuple_GET_ITEM(values, i))
    return 0


cdef int put_number(Sink* sink, uint32_t octets, object number) except -1:
    store(take(sink, octets), octets, PyLong_AsUnsignedLongLong(number))
    return 0


cdef int put_tlvs(Sink* sink, Op* op, object tlvs) except -1:
    cdef Py_ssize_t start = sink.used
    cdef Py_ssize_t i
    take(sink, op.octets)
    for i in range(PyTuple_GET_SIZE(tlvs)):
        put_tlv(sink, <object>PyTuple_GET_ITEM(tlvs, i))
    if op.octets:
        put_length(sink, start, op.octets, op.field)
    return 0


cdef int put_tlv(Sink* sink, object tlv) except -1:
    cdef Program program = program_of(type(tlv))
    cdef Py_ssize_t start = sink.used
    cdef uint8_t* head = take(sink, TLV_HEAD)
    if program.unknown:
        store(head, 2, PyLong_AsUnsignedLongLong(<object>slot(tlv, program.ops + 1)[0]))
        put_bytes(sink, slot(tlv, program.ops + 2)[0])
    else:
        store(head, 2, program.tlv_code)
        put_value(sink, program, tlv)
    return put_length(sink, start + 2, 2, <PyObject*>program.name)


cdef int put_length(Sink* sink, Py_ssize_t at, uint32_t octets, PyObject* what) except -1:
    """Write how many octets follow the length at `at`."""
    cdef Py_ssize_t length = sink.used - at - octets
    if length > GREATEST_16:
        raise LocalMisuse(f"{<object>what} is {length} octets long, {GREATEST_16} fit", ErrorCode.TOO_BIG)
    store(sink.octets + at, octets, length)
    return 0
