"""Ways to spoil a Parquet file: bytes, the footer's values and its length, page headers, types, offsets, cuts and joins."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence

from benchmarks.torture.thrift import Place, Walk, unsigned, written

MAGIC = b"PAR1"
TAIL_BYTES = 8
"""Length of the footer, and the magic word."""
ROW_GROUPS, COLUMNS, CHUNK_META = 4, 1, 3
OFFSETS = (9, 10, 11)
"""Fields of a column chunk's description: where its data pages, index and dictionary begin."""
EXTREMES = (0, 1, -1, 2, 127, 128, 2**15, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63))


class Shard:
    """A Parquet file in its parts."""

    def __init__(self, data: bytes) -> None:
        """Find the footer and its values."""
        length = int.from_bytes(data[-TAIL_BYTES:-4], "little")
        self.data = data
        self.body, self.footer = data[: -TAIL_BYTES - length], data[-TAIL_BYTES - length : -TAIL_BYTES]
        self.places = Walk(self.footer).places

    def with_footer(self, footer: bytes) -> bytes:
        """The file with another footer, whose length is right."""
        return self.body + footer + len(footer).to_bytes(4, "little") + MAGIC

    def page_headers(self) -> list[Walk]:
        """The header of the first page of each column chunk, dictionary pages included. Where one can be found."""
        starts = {written_at(self.footer, place) for place in self.places if is_offset(place) and place.path[-1] in (9, 11)}
        found = []
        for start in sorted(starts):
            try:
                found.append(Walk(self.body, start))
            except (IndexError, ValueError):
                continue
        return found


def is_offset(place: Place) -> bool:
    """Whether it is an offset of a column chunk."""
    path = place.path
    return (
        place.kind == "integer"
        and path[:1] == (ROW_GROUPS,)
        and path[4:5] == (CHUNK_META,)
        and path[5:] in [(f,) for f in OFFSETS]
    )


def written_at(data: bytes, place: Place) -> int:
    """The whole number that stands at a place."""
    value = sum((byte & 127) << 7 * at for at, byte in enumerate(data[place.start : place.end]))
    return (value >> 1) ^ -(value & 1)


def other_number(value: int, draw: random.Random) -> int:
    """A number that is not this one, extreme or near."""
    return draw.choice([*EXTREMES, value + 1, value - 1, 2 * value, value + draw.randint(-64, 64), draw.randrange(8)])


def replaced(data: bytes, place: Place, draw: random.Random, keeps_size: bool) -> bytes:
    """The bytes with another value at one place."""
    before = data[place.start : place.end]
    if place.kind == "integer":
        now = written(other_number(written_at(data, place), draw), len(before) if keeps_size else None)
    elif place.kind == "length":
        now = unsigned(abs(other_number(len(before), draw)), len(before) if keeps_size else None)
    elif place.kind == "list":
        now = bytes([draw.randrange(256)]) + before[1:]
    else:
        now = bytes([before[0] ^ draw.choice((1, 2, 4, 8, 16, 32))])
    return data[: place.start] + now + data[place.end :]


def several(footer: bytes, places: Sequence[Place], draw: random.Random) -> bytes:
    """The footer with other values at one to three of these places, the last first, so that the others stay where they are."""
    for place in sorted(draw.sample(list(places), min(len(places), draw.choice((1, 1, 2, 3)))), key=lambda one: -one.start):
        footer = replaced(footer, place, draw, keeps_size=False)
    return footer


def flipped(data: bytes, draw: random.Random) -> bytes:
    """Some bytes are others, one to eight."""
    made = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8)) if made else 0):
        made[draw.randrange(len(made))] = draw.randrange(256)
    return bytes(made)


def bytes_anywhere(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Bytes anywhere."""
    return flipped(shard.data, draw)


def bytes_of_pages(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Bytes of pages and their headers, behind a whole footer."""
    return flipped(shard.body, draw) + shard.data[len(shard.body) :]


def bytes_of_footer(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Bytes of the footer."""
    return shard.with_footer(flipped(shard.footer, draw))


def values_of_footer(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Numbers, lengths and types of the footer, well written."""
    return shard.with_footer(several(shard.footer, shard.places, draw))


def types_of_columns(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Numbers of the schema: physical and logical types, repetition, children."""
    return shard.with_footer(several(shard.footer, [one for one in shard.places if one.path[:1] == (2,)], draw))


def offsets_of_chunks(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Where data pages and dictionaries begin: another chunk's place, or none."""
    places = [one for one in shard.places if is_offset(one)]
    place = draw.choice(places)
    value = draw.choice([written_at(shard.footer, one) for one in places] + [draw.randrange(-8, len(shard.data) + 64)])
    return shard.with_footer(shard.footer[: place.start] + written(value) + shard.footer[place.end :])


def numbers_of_chunks(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Codec, encodings, numbers of values and sizes of column chunks, and rows of row groups."""
    return shard.with_footer(several(shard.footer, [one for one in shard.places if one.path[:1] == (ROW_GROUPS,)], draw))


def headers_of_pages(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """Numbers of page headers, at the size that they had."""
    body = shard.body
    for walk in draw.sample(headers := shard.page_headers(), min(len(headers), draw.randint(1, 2))):
        body = replaced(body, draw.choice(walk.places), draw, keeps_size=True)
    return body + shard.data[len(shard.body) :]


def length_of_footer(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """What the file says of its footer's length."""
    value = other_number(len(shard.footer), draw) % 2**32
    return shard.data[:-TAIL_BYTES] + value.to_bytes(4, "little") + MAGIC


def arrow_schema(shard: Shard, draw: random.Random, other: bytes) -> bytes:
    """Bytes of the Arrow schema that writers put into the footer; where there is none, values of the footer."""
    at = shard.footer.find(b"ARROW:schema")
    begin = shard.footer.find(b"/////", at)
    if at < 0 or begin < 0:
        return values_of_footer(shard, draw, other)
    end = begin
    while end < len(shard.footer) and (shard.footer[end : end + 1].isalnum() or shard.footer[end] in b"+/="):
        end += 1
    end -= (end - begin) % 4
    schema = flipped(base64.b64decode(shard.footer[begin:end]), draw)
    return shard.with_footer(shard.footer[:begin] + base64.b64encode(schema) + shard.footer[end:])


def cut(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """The end is gone, with or without a footer behind what is left, or the beginning is."""
    at = draw.randrange(len(shard.data))
    parts = shard.data[:at], shard.data[at:], shard.data[:at] + shard.data[len(shard.body) :], shard.data[: at + 1] + MAGIC
    return draw.choice(parts)


def joined(shard: Shard, draw: random.Random, other: bytes) -> bytes:
    """Two files behind each other, or the pages of one before the footer of the other."""
    foreign = Shard(other)
    return draw.choice(
        (shard.data + other, other + shard.data, foreign.with_footer(shard.footer), shard.with_footer(foreign.footer))
    )


def blocks(shard: Shard, draw: random.Random, _other: bytes) -> bytes:
    """A block is removed, doubled, cleared, or put somewhere else."""
    start = draw.randrange(len(shard.data))
    block = shard.data[start : start + draw.choice((1, 4, 16, 64, 512))]
    before, behind = shard.data[:start], shard.data[start + len(block) :]
    return before + draw.choice((b"", 2 * block, bytes(len(block)), block[::-1])) + behind


MUTATIONS: dict[str, Callable[[Shard, random.Random, bytes], bytes]] = {
    one.__name__: one
    for one in (
        bytes_anywhere,
        bytes_of_pages,
        bytes_of_footer,
        values_of_footer,
        types_of_columns,
        offsets_of_chunks,
        numbers_of_chunks,
        headers_of_pages,
        length_of_footer,
        arrow_schema,
        cut,
        joined,
        blocks,
    )
}  # fmt: skip
"""Each gives the bytes of a spoiled file, from a shard, chance, and the bytes of another shard."""
