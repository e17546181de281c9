"""What can be wrong with bytes that a peer sent.

WireError
├── DecryptError   no key of the keyring opens it, or it is not encrypted though it must be
└── LabelError     it belongs to a pool with another label
"""


class WireError(ValueError):
    """The bytes, or the fields of a message, are not what the protocol allows; the reason is the message."""


class DecryptError(WireError):
    """No key of the keyring opens this envelope: another pool's traffic, a wrong key, or damage on the way."""


class LabelError(WireError):
    """The packet carries another label than ours, so it belongs to another pool."""
