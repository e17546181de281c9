"""What a Redfish session's errors mean: a sentence, and whether trying again can help.

The kinds are those of `redfish_bmc`: "HTTP" and a status, or a word. What is not known here is not final: the engine
tries again and a person reads the text.
"""

from typing import Final

from remediation.fencing.errors import Stage

_UNREACHED: Final = frozenset({"timeout", "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected"})


def explain(stage: Stage, kind: str, text: str) -> tuple[str, bool]:
    """Return (sentence, is_final) for an error of `kind` with message `text`, raised at `stage`.

    `text` must hold no secret.
    """
    said = f" ({text})" if text else ""
    match kind:
        case "HTTP 401":
            # Which of the two is wrong no BMC tells.
            remedy = "correct them in the inventory, or write auth: session if the BMC has no basic authentication"
            return f"the BMC does not accept user or password; {remedy}{said}", True
        case "HTTP 403":
            return f"the BMC does not let the user do that; give it the role Operator{said}", True
        case "HTTP 404" if stage is Stage.LOGIN:
            return f"there is no Redfish service at that address and port{said}", True
        case "certificate":
            remedy = "name in ca_file who signed it, and in address what it was signed for"
            return f"the BMC's certificate is not to be trusted: {text}; {remedy}", True
        case "which-system":
            return f"the BMC has {text}; write in the field system which one is this host", True
        case "no-such-system":
            return f"the BMC has no system of that id or UUID, but {text}; correct the field system", True
        case "no-state":
            return text, False
    if kind in _UNREACHED:
        return f"the BMC did not answer ({kind})", False
    if kind.startswith("HTTP "):
        return f"the BMC failed with {kind}{said}", False
    return f"talking to the BMC failed: {kind}: {text}", False
