"""What pyghmi's errors mean: a sentence, and whether trying again can help.

pyghmi 1.6 gives every failure the code 0, so that only the stage and the text tell them apart. The texts are those of
pyghmi/ipmi/private/session.py and constants.py (rmcp_codes). What is not known here is not final: the engine tries
again and a person reads the text.
"""

from typing import Final

from remediation.fencing.errors import Stage

# Texts of RMCP+ and IPMI refusals that only another user, password or BMC setting changes.
_FINAL: Final = (
    ("Incorrect password provided", "the BMC refused the password; correct user or password in the inventory"),
    ("Unauthorized name", "the BMC does not know the user; correct user in the inventory"),
    ("Unauthorized role", "the BMC does not let the user open an operator session; raise the user's privilege"),
    ("Invalid role", "the BMC does not let the user open an operator session; raise the user's privilege"),
    ("Insufficient privilege level", "the BMC does not let the user switch power; give it the privilege OPERATOR"),
    ("requesting privelege level", "the BMC refused the privilege level OPERATOR; raise the user's privilege"),
    ("Invalid username length", "the BMC refused the length of the user's name; correct user in the inventory"),
    ("wrong Kg", "the BMC answered with a wrong integrity code; it may have a Kg set, which is not supported"),
    ("No Cipher suite match", "the BMC accepts none of our cipher suites; enable cipher suite 3 or 17 on it"),
    (
        "Invalid authentication algorithm",
        "the BMC accepts none of our cipher suites; enable cipher suite 3 or 17 on it",
    ),
)


def explain(stage: Stage, kind: str, text: str) -> tuple[str, bool]:
    """Return (sentence, is_final) for an exception of class `kind` with message `text`, raised at `stage`.

    `text` must hold no secret.
    """
    if kind == "IpmiException":
        for mark, sentence in _FINAL:
            if mark in text:
                return sentence, True
        if text in ("None", "") or "timeout" in text or "no longer connected" in text:
            return "the BMC did not answer", False
        return f"the BMC failed: {text}", False
    return f"talking to the BMC failed: {kind}: {text}", False
