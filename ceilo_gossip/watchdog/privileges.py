"""What keeps a small process running on a host that is short of everything: memory lock, real time, no OOM killer.

Each may be refused (a container, a missing capability); what was refused is returned, to be said once and aloud.
"""

import ctypes
import gc
import os
from pathlib import Path
from typing import Final

PRIORITY: Final = 1  # The lowest of the real-time priorities is above every ordinary process, and below sbd's 99.
_MCL_CURRENT, _MCL_FUTURE = 1, 2  # asm-generic/mman.h
_NEVER: Final = "-1000"  # proc(5): exempt from the OOM killer


def take_privileges() -> list[str]:
    """Take them; return a sentence for each that was refused."""
    gc.collect()
    gc.freeze()
    gc.disable()  # Nothing here makes cycles; a collection would be a pause.
    refused = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        refused.append(f"memory is not locked ({os.strerror(ctypes.get_errno())}): CAP_IPC_LOCK is needed")
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as error:
        refused.append(f"no real-time scheduling ({error.strerror}): CAP_SYS_NICE is needed")
    try:
        Path("/proc/self/oom_score_adj").write_text(_NEVER, encoding="ascii")
    except OSError as error:
        refused.append(f"the OOM killer may choose this process ({error.strerror}): CAP_SYS_RESOURCE is needed")
    return refused
