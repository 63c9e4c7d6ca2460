"""Compiled modules: the quantum state engine and the hot loops of `wire`, `machine` and `io`.

The sources stand in `_cext/` at the top of the tree and are installed as `qstack._cext`. Each module has a `.pyi`
beside it, and is reached through the room it serves, never directly.
"""
