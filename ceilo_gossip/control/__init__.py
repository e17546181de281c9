"""How a running agent is asked: over a Unix socket by the operator's command, over RPC by other services.

Both ask through the port of `source`; the agent answers.
"""
