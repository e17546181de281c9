"""The hardware watchdog, fed only while the host holds its lease: a small process, and the agent's way to it.

The process knows nothing of gossip. It is told "you may feed until t" and does no more than that; when it is told
nothing, the host is reset. It outlives the agent, so an agent that is restarted or upgraded costs nothing.
"""
