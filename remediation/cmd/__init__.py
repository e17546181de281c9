"""The processes and commands of remediation: each reads its configuration, assembles its parts, and runs."""
