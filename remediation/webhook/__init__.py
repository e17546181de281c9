"""Where Aodh calls us: authenticate, parse, store, answer; nothing is decided here.

`body` turns a request's bytes into a call, `credentials` compares passwords, `port` says what is needed of the store,
`memory` is the fake beside it, `current` holds the matrix and reads it again when told, `app` answers over WSGI and
`server` serves that with threads and TLS.
"""
