"""Where an alarm calls: the webhook's URL with its credentials, which nobody is shown."""

import dataclasses
import re
import urllib.parse
from typing import Final

CALL_PATH: Final = "/v1/alarm"
ROW_PARAMETER: Final = "row"
HIDDEN: Final = "***"
# Up to the *last* "@" before the path: a password that was not percent-encoded may itself hold one.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*(?=@)")


@dataclasses.dataclass(frozen=True, slots=True)
class Destination:
    """The webhook at `public_url` (scheme, host, port), called by `user` with `password`."""

    public_url: str
    user: str
    password: str = dataclasses.field(repr=False)

    def action_url(self, row: str) -> str:
        """Return the URL that the alarm of `row` calls. Holds the password: never print it, see `redact`.

        Aodh's notifier takes user and password out of the URL and sends them as Basic authentication.
        """
        scheme, _, host = self.public_url.rstrip("/").partition("://")
        credentials = f"{urllib.parse.quote(self.user, safe='')}:{urllib.parse.quote(self.password, safe='')}"
        return f"{scheme}://{credentials}@{host}{CALL_PATH}?{urllib.parse.urlencode({ROW_PARAMETER: row})}"


def redact(text: str) -> str:
    """Return `text` with the credentials of every URL in it hidden."""
    return _CREDENTIALS.sub(HIDDEN, text)
