"""Files that hold one password: read once, refused when other users could read them too."""

import stat
from pathlib import Path
from typing import Final

from remediation.conf.errors import ConfigError

MAX_BYTES: Final = 4096  # A password of a line; whoever names a larger file has named the wrong one.


def read_password(path: str, *, group: str, option: str) -> str:
    """Return the first line of the file at `path`.

    Raises ConfigError, naming `group` and `option` and never the content, when the file cannot be read, is readable
    by all users, is empty, too large, or no text.
    """
    file = Path(path)
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(group, option, f"{path} is not a regular file")
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            raise ConfigError(group, option, f"{path} is open to all users; run: chmod o-rwx {path}")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(group, option, f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(group, option, f"{path} is larger than {MAX_BYTES} bytes; it must hold one password")
    try:
        line = content.decode().split("\n", 1)[0].strip()
    except UnicodeDecodeError:
        # The decoder's own message would quote a byte of the secret: it is not chained.
        raise ConfigError(group, option, f"{path} is not UTF-8 text") from None
    if not line:
        raise ConfigError(group, option, f"the first line of {path} is empty; write the password there")
    return line
