"""The words that both packages share.

`remediation` may import this package and nothing else of `ceilo_gossip`. It holds data and names only: no clock,
no state, no input or output. Whoever changes a field here changes `verdict.SCHEMA_VERSION` and writes a release note.
"""
