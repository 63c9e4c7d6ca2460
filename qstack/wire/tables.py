"""Every table of the wire. Importing this module fills the registries of messages and TLVs.

Whoever must know all that is declared (dissectors, generators, tests) imports it; a new table is added here.
"""

from qstack.wire import broker, circuit, control, epr, header, link, qarp, session, twin, unit

__all__ = ["TABLES"]

TABLES = (header, session, qarp, link, circuit, unit, epr, twin, control, broker)
"""The table modules, in the order of their protocol numbers."""
