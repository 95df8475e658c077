"""Which addresses a process and its descendants listen on, by /proc."""

from __future__ import annotations

import ipaddress
import os
import struct
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"
"""TCP state in /proc/net/tcp (include/net/tcp_states.h)."""


def of(pid: int) -> set[tuple[str, int]] | None:
    """Host and TCP port of each listening socket; None where /proc does not tell."""
    if not Path("/proc/net/tcp").exists():
        return None
    inodes = {inode for each in descendants(pid) for inode in _sockets(each)}
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                found.add(_address(fields[1]))
    return found


def loopback(host: str) -> bool:
    """`127.0.0.0/8`, `::1`, or the former inside IPv6."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def descendants(pid: int) -> list[int]:
    """`pid` and all below it."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            below.setdefault(int(fields[1]), []).append(int(path.name))
    found = [pid]
    for each in found:
        found += below.get(each, ())
    return found


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):  # ended, or another user's
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                target = Path(entry.path).readlink().name
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    # Words of four bytes, each in the machine's order.
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))), int(port, 16)
