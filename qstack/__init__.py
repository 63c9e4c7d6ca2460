"""qstack: the protocol stack of the quantum internet, for Linux hosts."""

__version__ = "0.1.0"
