"""A coverage-guided fuzzer of everything that reads what peers send; `tests/fuzz/README.rst` says how to run it."""
