"""What a repository is called, in whatever way a client writes its address.

https://user@github.com/Owner/Name.git   git@github.com:Owner/Name   ssh://git@github.com:22/Owner/Name/
are all github.com/Owner/Name, as the source `git` names what a model is trained on; anything else is its own name.
"""

from __future__ import annotations

import re

_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/]*@)?(?P<host>[^/:?#]+)(?::\d+)?/(?P<path>[^?#]*)", re.IGNORECASE)
_SCP = re.compile(r"[^@/:\s]+@(?P<host>[^@/:\s]+):(?P<path>[^?#]+)")


def repository_name(address: str) -> str:
    """The name: no password, no protocol, no `.git`."""
    address = address.strip()
    found = _URL.fullmatch(address) or _SCP.fullmatch(address)
    if found is None:
        return address
    host = found["host"].lower().removeprefix("www.")
    path = found["path"].strip("/").removesuffix(".git").strip("/")
    return f"{host}/{path}" if path else host
