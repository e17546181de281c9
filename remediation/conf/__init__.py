"""The configuration of every remediation process: declared to oslo.config, handed on as settings that cannot be wrong.

`opts` declares the options, `source` reads them from files, `settings` holds the frozen results and refuses impossible
combinations, `load` maps one to the other, `keystone` opens authenticated sessions. Nothing below this layer sees
oslo.config: processes in `remediation.cmd` pass the settings down.
"""
