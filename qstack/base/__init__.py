"""The words all rooms share: errors, identifiers, units, time, chance, locators and services.

Nothing here touches a clock, a socket or the operating system's randomness, and nothing here imports another room.
"""
