"""Which of this machine's addresses the other machines of a job can reach."""

from __future__ import annotations

import os
import socket


def address_towards(endpoint: str) -> tuple[str, bool]:
    """This machine's address on the way to HOST:PORT, and whether it is HOST itself; nothing is sent.

    Raises:
        OSError: there is no way to it.
    """
    host, _, port = endpoint.rpartition(":")
    family, kind, protocol, _, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(where)
        address = str(probe.getsockname()[0])
    return address, address == where[0]


def use_interface(address: str) -> None:
    """Let gloo and NCCL talk over the interface of an address, unless the environment says which."""
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.split("%")[0] == address for one in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", name)
            return
