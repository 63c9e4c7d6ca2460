"""Stub of the field programs. Laws: program.pyx."""

class Names:
    """Members of an enumeration by their number."""

    def __init__(self, values: type) -> None: ...

class Program:
    """The operations of one class, made from its `LAYOUT`, `TLVS`, `CODE` and `CODE_OCTETS`."""

    def __init__(self, owner: type) -> None: ...
