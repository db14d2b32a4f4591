"""Where facts may be sent: over TLS to public addresses in production, anywhere in a sample."""

import asyncio
import socket
from ipaddress import ip_address, ip_network

import httpx

from server.errors import Problem

LONGEST_URL = 500


class WebhookUrlRefused(Problem):
    slug = "webhook-url-refused"
    status = 422
    title_id = "Alamat webhook ini tidak dapat dipakai"
    title_en = "This webhook address cannot be used"


class AddressRefused(Exception):
    """The name leads to an address inside some network, where nobody outside may send us."""


def checked(url: str, *, production: bool) -> str:
    """The address as it will be called; raises WebhookUrlRefused."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise WebhookUrlRefused(str(exc)) from exc
    if parsed.scheme != "https" and (production or parsed.scheme != "http"):
        raise WebhookUrlRefused("the address must begin with https://")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise WebhookUrlRefused("there is no such port")
    if not parsed.host or parsed.userinfo or parsed.fragment or len(url) > LONGEST_URL:
        raise WebhookUrlRefused("give a host, without user name, password or fragment")
    return str(parsed)


async def public_address(url: httpx.URL) -> str:
    """The numeric address to connect to. Who connects to the name again may be led elsewhere."""
    port = url.port or 443
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(info[4][0]) for info in found]
    if not all(_is_public(address) for address in addresses):
        raise AddressRefused
    return addresses[0]


LEADING_INSIDE = tuple(
    ip_network(network) for network in ("::/96", "64:ff9b::/96", "2002::/16", "fec0::/10")
)
"""IPv6 that a translator or tunnel turns into any IPv4 address, and what is site-local."""


def _is_public(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])
    within = any(parsed in network for network in LEADING_INSIDE)
    return parsed.is_global and not parsed.is_multicast and not within
