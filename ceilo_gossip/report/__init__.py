"""Verdicts and figures leave the host: as oslo.messaging notifications, verdicts at least once.

The event loop hands over and goes on; a thread of its own keeps what must not be lost on disk and talks to the message
bus, which may be away, frozen or slow.
"""
