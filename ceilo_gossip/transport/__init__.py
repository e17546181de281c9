"""asyncio sockets for the gossip core; decides nothing."""
