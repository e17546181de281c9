"""The operator's decision matrix: which combination of lost networks calls for which action. Pure.

`model` holds the table, `loader` builds it from YAML, `lint` judges whether it is wise. A `Matrix` that exists has
exactly one row for each combination.
"""
