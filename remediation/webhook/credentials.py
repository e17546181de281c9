"""Basic authentication (RFC 7617) against one user and password, compared in constant time."""

import base64
import binascii
import dataclasses
import hmac
from typing import Final

MAX_HEADER: Final = 8192  # Characters. A header of a caller of ours has some tens.


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller must show."""

    user: str
    password: str = dataclasses.field(repr=False)

    def complaint(self, header: str | None) -> str | None:
        """Return why an Authorization header does not do, or None when it does.

        Which of user and password was wrong is not said, and takes the same time to find out.
        """
        if not header:
            return "credentials are missing; the alarm's action URL must hold them, run remediation-manage matrix apply"
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic" or len(header) > MAX_HEADER:
            return "must be Basic authentication"
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return "is not valid Basic authentication (base64)"
        # One comparison of the whole: a user name cannot hold a colon, so no other pair gives the same bytes.
        if not hmac.compare_digest(given, f"{self.user}:{self.password}".encode()):
            return "wrong user or password; after a change of the password run remediation-manage matrix apply"
        return None
