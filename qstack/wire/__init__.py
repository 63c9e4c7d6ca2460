"""Bytes to checked values and back.

The contract of the whole room: a decoder given any bytes returns a value or raises `qstack.base.errors.WireError` with
the offset and the field, and nothing else; `encode(decode(x)) == x`; what is not known is kept and written again.
Formats are declared once, as classes in one table file per protocol, in the language of `schema`.
"""
