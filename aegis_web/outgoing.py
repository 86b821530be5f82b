"""Connections of jobs to other servers: where they may go, settled before the first byte.

A name is resolved once, and the connection goes to the address that was judged, so that a name
server cannot change its mind in between. Addresses that only this machine or its network can reach
are refused unless AEGIS_PRIVATE_TARGETS names them; link-local ones, where clouds hand out a
machine's credentials, are refused always. Source: OWASP SSRF Prevention Cheat Sheet; ASVS 1.3.6.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aegis_web.config import settings
from aegis_web.errors import AegisError

Address = IPv4Address | IPv6Address
SPECIAL = (  # never of the public internet, whatever this Python says
    ip_network("192.0.0.0/24"),  # RFC 6890
    ip_network("64:ff9b:1::/48"),  # RFC 8215: a translator of this network
    ip_network("::/96"),  # RFC 4291: IPv4 addresses, deprecated
)
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class Refused(AegisError):
    """A job may not go there."""


def connect(
    target: tuple[str, int], timeout_seconds: Any = None, source: Any = None
) -> socket.socket:
    """A connection to the host and port; takes what `socket.create_connection` takes.

    Raises: Refused where one of the host's addresses may not be asked; OSError.
    """
    host, port = target
    addresses = resolved(host, port)
    require_allowed(host, addresses)
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout_seconds, source)
        except OSError as error:
            failure = error
    raise failure or OSError("the name has no address")


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, each once. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def require_allowed(host: str, addresses: Sequence[str]) -> None:
    """Raises: Refused unless every one of the addresses may be asked."""
    targets = settings().private_targets
    for text in addresses:
        address = plain(ip_address(text))
        if address.is_link_local:
            raise Refused(f"{host} is the link-local address {address}, which is never asked")
        if is_outside(address) or is_named(host, address, targets):
            continue
        raise Refused(
            f"{host} is {address}, an address inside the network: to let jobs ask it, add "
            f"{host} to AEGIS_PRIVATE_TARGETS and start again"
        )


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only wraps, else the address, without its zone."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return IPv6Address(int(address))


def is_outside(address: Address) -> bool:
    """Whether the address is one of the public internet."""
    special = any(address in network for network in SPECIAL)
    return address.is_global and not address.is_multicast and not special


def is_named(host: str, address: Address, targets: Sequence[str]) -> bool:
    """Whether the settings name the host, its address, or a network around it."""
    for target in targets:
        if target == host.lower().rstrip("."):
            return True
        try:
            network = ip_network(target)
        except ValueError:
            continue  # another host's name
        if address.version == network.version and address in network:
            return True
    return False
