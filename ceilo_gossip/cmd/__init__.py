"""The commands: each parses its arguments, calls one function below, and ends with an exit code."""
