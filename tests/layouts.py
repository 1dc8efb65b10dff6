"""Places of panels as Qt keeps them, byte by byte: right ones, and those that would end it."""

import base64
import functools
import json
import struct
import zlib

from app.ui.docks import SHARES

SIZES = {name: [0.3, 0.5] for name in SHARES}


VERSION = zlib.crc32(" ".join(SHARES).encode()) >> 1


def integers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def panel(name: str, flags: int = 1, places: tuple[int, ...] = (0, 300, 100, 2**24 - 1)) -> bytes:
    """As Qt writes one."""
    text = name.encode("utf-16-be")
    return b"\xfb" + integers(len(text)) + text + bytes([flags]) + integers(*places)


def group(*items: bytes, tabs: bool = False, direction: int = 1, count: int | None = None) -> bytes:
    """Side by side, one under another (direction 2), or as tabs."""
    mark = b"\xfa" + integers(0) if tabs else b"\xfc"
    return mark + bytes([direction]) + integers(len(items) if count is None else count) + b"".join(items)


def inside(whole: bytes) -> bytes:
    """A group in another one."""
    return b"\xfc" + integers(0, 300, 100, 2**24 - 1) + whole


def state(*areas: tuple[int, bytes], version: int = VERSION, rest: bytes = b"\xfc" + integers(0)) -> bytes:
    """Of a main window, with these areas by number."""
    each = b"".join(integers(number, 800, 600) + whole for number, whole in areas)
    corners = integers(420, 623, 4, 4, 1, 2)
    return integers(0xFF, version) + b"\xfd" + integers(len(areas)) + each + corners + rest


ALL = [panel(name) for name in SHARES]


PLAIN = state((1, group(*ALL)))


def packed(text: bytes) -> bytes:
    return zlib.crc32(text).to_bytes(4) + text


def layout(whole: bytes, shares: object = SIZES, name: str = "panels") -> str:
    """As it is kept."""
    plain = {name: [base64.b64encode(whole).decode(), shares]}
    return base64.b64encode(packed(json.dumps(plain).encode())).decode()


DEEP = functools.reduce(lambda whole, _: group(inside(whole)), range(100), group(*ALL))


CRAFTED = {
    "too deep": state((1, DEEP)),
    "an area that is none": state((127, group(*ALL))),
    "an area below none": state((-65536, group(*ALL))),
    "an area twice": state((1, group(*ALL[:2])), (1, group(*ALL[2:]))),
    "no areas": state(),
    "more panels than there are": state((1, group(*ALL, count=2**31 - 1))),
    "a panel again and again": state((1, group(*ALL, *ALL[:1] * 100))),
    "a panel too few": state((1, group(*ALL[1:]))),
    "another panel": state((1, group(*ALL, panel("other")))),
    "an empty group": state((1, group(*ALL, inside(group())))),
    "no direction": state((1, group(*ALL, direction=7))),
    "a tab that is none": state((1, group(*ALL, tabs=True).replace(integers(0), integers(9), 1))),
    "a huge panel": state((1, group(panel("race", places=(0, 2**31 - 1, 0, 0)), *ALL[1:]))),
    "far from any screen": state((1, group(panel("race", flags=3, places=(2**30, 0, 9, 9)), *ALL[1:]))),
    "toolbars": state((1, group(*ALL)), rest=b"\xfc" + integers(3)),
    "more at the end": PLAIN + b"\xf9",
    "another version": state((1, group(*ALL)), version=7),
}
