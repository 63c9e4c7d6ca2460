"""Bytes to checked values and back.

The contract of the whole room: a decoder given any bytes returns a value or raises `qstack.base.errors.WireError` with
the offset and the field, and nothing else; `encode(decode(x)) == x`; what is not known is kept and written again.

Formats are declared once, as classes in one table file per protocol: `header`, `session`, `qarp`, `link`, `circuit`,
`unit`, `epr`, `twin`, `control`, `broker`; `tables` is all of them, `protocols` their numbers. `schema` is the language
of the declarations, `layout` checks them, `value` makes classes of them, `reference` is the codec in plain Python that
the compiled one must equal. `urn` reads names and the identifiers made of them.
"""
