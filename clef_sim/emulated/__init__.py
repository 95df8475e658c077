"""The `emulated` world: virtual time, and real SDK calls to services that run on this machine.

Each SDK call is over at one virtual instant: it is made where a model would apply it (see `network`). Whatever a
service does by the wall clock (visibility, delays, expiry) is set long there, and ended by the world.
"""
