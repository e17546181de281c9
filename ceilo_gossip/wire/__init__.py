"""Bytes to messages and back, in the dialect of memberlist and Serf; no clock, no state, no I/O.

Whatever a peer sends becomes messages or a `WireError`, in bounded time and memory. What we emit is the strict subset
that the oldest peers in the field (memberlist 0.2.2) survive.
"""
