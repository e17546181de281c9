"""From oslo.config's values to settings: one function for each thing that a process can be told."""

import os
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log

from remediation.conf.errors import ConfigError
from remediation.conf.secretfile import read_password
from remediation.conf.settings import (
    LAB_VARIABLE,
    ApiConfiguration,
    CallerSettings,
    ConfirmSettings,
    DatabaseSettings,
    EngineConfiguration,
    EngineSettings,
    FencingSettings,
    GuardSettings,
    MatrixSettings,
    WebhookSettings,
)

LOG = log.getLogger(__name__)


def api_configuration(conf: cfg.ConfigOpts) -> ApiConfiguration:
    """Return what remediation-api is told. Raises ConfigError."""
    return ApiConfiguration(
        database=database_settings(conf), matrix=matrix_settings(conf), webhook=webhook_settings(conf)
    )


def engine_configuration(conf: cfg.ConfigOpts, *, environment: Mapping[str, str] = os.environ) -> EngineConfiguration:
    """Return what remediation-engine is told. Raises ConfigError."""
    return EngineConfiguration(
        database=database_settings(conf),
        matrix=matrix_settings(conf),
        confirm=confirm_settings(conf),
        fencing=fencing_settings(conf),
        engine=engine_settings(conf, environment=environment),
        guards=guard_settings(conf),
    )


def database_settings(conf: cfg.ConfigOpts) -> DatabaseSettings:
    """Return the settings of group database. Raises ConfigError."""
    return DatabaseSettings(connection=_value(conf, "database", "connection"))


def matrix_settings(conf: cfg.ConfigOpts) -> MatrixSettings:
    """Return the settings of group matrix. Raises ConfigError."""
    return MatrixSettings(file=_value(conf, "matrix", "file"))


def caller_settings(conf: cfg.ConfigOpts) -> CallerSettings:
    """Return how Aodh reaches the webhook, reading the password file. Raises ConfigError."""
    public_url = _value(conf, "webhook", "public_url")
    if not public_url:
        remedy = "write where Aodh reaches the webhook, as in https://controller.example.org:8780"
        raise ConfigError("webhook", "public_url", f"is missing; {remedy}")
    password_file = _value(conf, "webhook", "password_file")
    if not password_file:
        raise ConfigError("webhook", "password_file", "is missing; name a file, mode 0600, that holds the password")
    return CallerSettings(
        public_url=public_url.rstrip("/"),
        user=_value(conf, "webhook", "user"),
        password=read_password(password_file, group="webhook", option="password_file"),
    )


def webhook_settings(conf: cfg.ConfigOpts) -> WebhookSettings:
    """Return the settings of group webhook. Raises ConfigError."""
    return WebhookSettings(
        bind=_value(conf, "webhook", "bind"),
        port=_value(conf, "webhook", "port"),
        certificate=_value(conf, "webhook", "certificate") or None,
        key=_value(conf, "webhook", "key") or None,
        allow_plaintext=_value(conf, "webhook", "allow_plaintext"),
        threads=_value(conf, "webhook", "threads"),
        caller=caller_settings(conf),
    )


def confirm_settings(conf: cfg.ConfigOpts) -> ConfirmSettings:
    """Return the settings of group confirm. Raises ConfigError."""
    return ConfirmSettings(
        witnesses=tuple(_value(conf, "confirm", "witnesses")), timeout=_value(conf, "confirm", "timeout")
    )


def fencing_settings(conf: cfg.ConfigOpts) -> FencingSettings:
    """Return the settings of group fencing. Raises ConfigError."""
    return FencingSettings(
        inventory_file=_value(conf, "fencing", "inventory_file") or "",
        operation_deadline=_value(conf, "fencing", "operation_deadline"),
        ladder=tuple(_value(conf, "fencing", "ladder")),
    )


def engine_settings(conf: cfg.ConfigOpts, *, environment: Mapping[str, str] = os.environ) -> EngineSettings:
    """Return the settings of group engine. Raises ConfigError.

    `lab_skip_fencing` is refused unless `environment` says that this is the lab: no configuration file alone may take
    fencing away. In the lab it is announced, here and not by the caller, so that no process can forget to.
    """
    lab_skip_fencing = _value(conf, "engine", "lab_skip_fencing")
    if lab_skip_fencing and environment.get(LAB_VARIABLE) != "1":
        problem = f"is for the lab only and would run instances twice; remove it (the lab sets {LAB_VARIABLE}=1)"
        raise ConfigError("engine", "lab_skip_fencing", problem)
    if lab_skip_fencing:
        LOG.warning(
            "LAB: FENCING IS LEFT OUT ([engine] lab_skip_fencing). INSTANCES WILL RUN TWICE. Never on a real cloud."
        )
    return EngineSettings(
        host=_value(conf, "engine", "host"),
        poll_interval=_value(conf, "engine", "poll_interval"),
        lease=_value(conf, "engine", "lease"),
        parallel_incidents=_value(conf, "engine", "parallel_incidents"),
        parallel_evacuations=_value(conf, "engine", "parallel_evacuations"),
        evacuation_attempts=_value(conf, "engine", "evacuation_attempts"),
        evacuation_timeout=_value(conf, "engine", "evacuation_timeout"),
        lab_skip_fencing=lab_skip_fencing,
    )


def guard_settings(conf: cfg.ConfigOpts) -> GuardSettings:
    """Return the settings of group guards. Raises ConfigError."""
    return GuardSettings(
        storm_hosts=_value(conf, "guards", "storm_hosts"), storm_window=_value(conf, "guards", "storm_window")
    )


def _value(conf: cfg.ConfigOpts, group: str, option: str) -> Any:
    """Return one value; oslo.config checks its type only now, and its complaint becomes ours."""
    try:
        return conf[group][option]
    except (cfg.Error, ValueError) as error:
        raise ConfigError(group, option, " ".join(str(error).split())) from error
