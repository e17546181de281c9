"""The agent: one gossip pool per network, the judge, the reporter and the ways to ask, put together under asyncio.

Nothing here decides about a host; it carries facts from one part to the next.
"""
