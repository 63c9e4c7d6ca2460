"""The operating system's randomness, read in one place."""

import secrets

__all__ = ["system_seed"]


def system_seed() -> bytes:
    """256 bits fit for keys. Never logged."""
    return secrets.token_bytes(32)
