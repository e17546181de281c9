"""Where the configuration comes from: `--config-file` arguments, read by oslo.config, spelling checked."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg
from oslo_log import log

from remediation.conf import opts
from remediation.conf.errors import ConfigError


def parse(arguments: Sequence[str], *, prog: str) -> cfg.ConfigOpts:
    """Return oslo.config's view of the files named in `arguments` (or of the default file, when it exists).

    Options of remediation, oslo.log and keystoneauth are registered. Raises ConfigError when a file cannot be read
    or parsed, or when one of our groups holds an option that does not exist. Bad arguments end the process with code
    2, as with any command.
    """
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    # alembic tells at INFO that it looked at the schema, at each start of each process.
    log.set_defaults(default_log_levels=[*log.get_default_log_levels(), "alembic=WARNING"])
    opts.register(conf)
    default_files = [opts.DEFAULT_CONFIG_FILE] if Path(opts.DEFAULT_CONFIG_FILE).exists() else []
    try:
        conf(
            args=list(arguments),
            project="ceilo-gossip",
            prog=prog,
            default_config_files=default_files,
            default_config_dirs=[],
        )
    except cfg.ConfigFileParseError as error:
        raise ConfigError("DEFAULT", "config_file", _malformed(error)) from None
    except cfg.Error as error:
        raise ConfigError("DEFAULT", "config_file", _one_line(error)) from error
    for file in conf.config_file or ():
        _check_spelling(file)
    return conf


def _check_spelling(file: str) -> None:
    """Refuse unknown options in our own groups: oslo.config would pass them over in silence."""
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(file, sections).parse()
    for group, options in opts.OWN_GROUPS.items():
        known = [option.dest for option in options]
        for name in sections.get(group, {}):
            if not name.replace("-", "_").isidentifier():
                # What stands before the first = or : may be a piece of a value, and that of a password.
                problem = f"{file} has a line that is not 'option = value'; known options are {', '.join(known)}"
                raise ConfigError(group, "config_file", problem)
            if name.replace("-", "_") not in known:
                close = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise ConfigError(group, name, f"is no option (in {file}); {remedy}")


def _malformed(error: cfg.ConfigFileParseError) -> str:
    """Return where the file is malformed. The error's own text quotes the line, and with it perhaps a password."""
    line = getattr(error.__context__, "lineno", None)  # oslo.config raises it while it handles its parser's error.
    place = "" if line is None else f" in line {line}"
    return f"{error.config_file} is malformed{place}; write 'option = value' below a [group] there"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
