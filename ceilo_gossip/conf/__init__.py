"""The agent's configuration: options as oslo.config knows them, and the frozen settings made from them.

Everything above and below works with `AgentSettings`, which cannot hold an impossible combination; `CONF` is not used.
"""
