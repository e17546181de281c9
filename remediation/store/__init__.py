"""The database of incidents: what a call opens, what an engine claims, what people read.

Start reading at `store`; `schema` has the tables, `migrate` brings a database to them.
"""
