"""Serf on top of SWIM, sans-IO: tags, Lamport clocks, announced joins and leaves, and the healing of partitions."""
