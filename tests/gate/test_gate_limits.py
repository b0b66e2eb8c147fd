"""Limits of what a contributor may take: images that are not decoded, and rows that are not read once it is decided."""

import io

import pyarrow as pa
import pytest
from PIL import Image

from mixval.config.gate import GateConfig
from mixval.contracts.pixels import EncodedImage
from mixval.gate import extent
from mixval.gate.check import check_contributor
from mixval.gate.images import Most, image_facts
from mixval.gate.profile import profile_target


def progressive(side, scans):
    """A JPEG whose last scan is repeated, with a marker of a scan in a comment."""
    sink = io.BytesIO()
    Image.new("L", (side, side), 128).save(sink, "JPEG", progressive=True, comment=b"\xff\xda" * 20)
    data = sink.getvalue()
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    n = data.count(b"\xff\xda") - 20
    return data[:last] + data[last:end] * (scans - n + 1) + data[end:]


def png_of(height, width):
    sink = io.BytesIO()
    Image.new("L", (width, height)).save(sink, "PNG")
    return sink.getvalue()


def counted(batches):
    """The batches, and how many of them were taken."""
    taken = []

    def run():
        for batch in batches:
            taken.append(batch)
            yield batch

    return run(), taken


@pytest.fixture
def check(batches, shard, target):
    def run(table, size, n_rows=None, **limits):
        stream, taken = counted(batches(table, size))
        listed = shard(n_rows=table.num_rows if n_rows is None else n_rows)
        return check_contributor("news", [listed], stream, "text-classification", GateConfig(**limits), target), len(taken)

    return run


def test_scans_are_those_that_a_decoder_meets():
    assert EncodedImage(progressive(16, 40)).n_scans == 40
    assert EncodedImage(png_of(8, 8)).n_scans == 1


def test_images_of_many_pixels_or_scans_are_sized_but_not_decoded():
    most = Most(200, 1000, 12)
    wide, tall, good, scans = image_facts([png_of(10, 101), png_of(101, 10), png_of(10, 100), progressive(16, 13)], most)
    assert [one.decodes for one in (wide, tall, good, scans)] == [None, None, True, None]
    assert (wide.n_pixels, tall.n_pixels, good.n_pixels, scans.n_scans) == (1010, 1010, 1000, 13)
    assert scans.shown == "JPEG 16x16 in 13 scans"
    assert (wide.n_bytes, good.n_bytes) == (0, 3000)


def test_images_are_decoded_up_to_the_bytes_that_are_left():
    facts = image_facts([png_of(10, 10)] * 5, Most(10, 100, 1), most_bytes=500)
    assert [one.decodes for one in facts] == [True, True, None, None, None]


def test_one_bomb_among_good_images_is_one_dropped_row(batches, shard, png):
    cells = [png(at) for at in range(30)]
    cells[3] = png_of(40, 40)
    rows = pa.table({"image": cells, "label": [at % 2 for at in range(30)], "origin": ["real"] * 30})
    limits = GateConfig(max_image_pixels=1000, max_bad_row_share=0.2, min_rows=7)
    target = profile_target(batches(rows.slice(8)), "image-classification", limits, is_resized=True)
    found = check_contributor("news", [shard(n_rows=8)], batches(rows.slice(0, 8)), "image-classification", limits, target)
    assert (found.outcome.verdict, found.bad_rows["row"].to_pylist()) == ("trimmed", [3])
    (finding,) = found.outcome.findings
    assert "an image must have at most 1,000 pixels (gate.max_image_pixels), found 'PNG 40x40'" in finding.message


def test_reading_stops_when_too_many_rows_are_bad(check, text_rows):
    found, n_taken = check(text_rows(200, label=dict.fromkeys(range(30), 9)), 20)
    assert (found.outcome.verdict, found.outcome.n_rows, n_taken) == ("rejected", 200, 3)
    assert "found 0.15 at least (30 of the first 40 of 200 rows; the others were not read)" in found.outcome.reason


def test_what_is_not_read_is_not_judged(check, text_rows):
    found, n_taken = check(text_rows(200, label=dict.fromkeys(range(25), 9)), 30, min_rows=190)
    assert n_taken == 2
    (reject,) = (one for one in found.outcome.findings if one.severity == "reject")
    assert "found 0.125 at least (25 of the first 30 of 200 rows; the others were not read)" in reject.message


def test_a_share_that_the_rest_may_still_lower_does_not_stop(check, text_rows):
    found, n_taken = check(text_rows(200, label=dict.fromkeys(range(19), 9)), 20)
    assert (found.outcome.verdict, found.outcome.n_dropped, n_taken) == ("trimmed", 19, 10)


def test_repeats_stop_the_reading_too(check, text_rows):
    found, n_taken = check(text_rows(200, text=dict.fromkeys(range(100), "c says the same")), 20)
    assert n_taken == 3
    assert "may repeat an earlier row" in found.outcome.reason


def test_more_rows_than_the_limit_are_not_read(check, text_rows):
    found, n_taken = check(text_rows(100), 20, max_rows=99)
    assert (found.outcome.verdict, n_taken) == ("rejected", 1)
    assert "a contributor must have at most 99 rows (gate.max_rows), found 100 rows in 1 shard" in found.outcome.reason
    said_fewer, n_taken = check(text_rows(100), 20, n_rows=30, max_rows=50)
    assert (said_fewer.outcome.verdict, n_taken) == ("rejected", 4)


def test_rows_that_unfold_are_not_read(check, text_rows, monkeypatch):
    monkeypatch.setattr(extent, "FREE_BYTES", 1000)
    found, n_taken = check(text_rows(400), 20, max_unfolding=1)  # of a file of one byte
    assert found.outcome.verdict == "rejected"
    assert 2 <= n_taken < 10
    assert "per byte of its files beyond the first GiB" in found.outcome.reason
    assert check(text_rows(400), 20, max_unfolding=10**6)[0].outcome.is_in
