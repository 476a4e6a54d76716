"""Content codings undone within a limit."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import errors
from aggregator.net import decode

BODY = b"<rss>" + b"news " * 1000 + b"</rss>"
LIMIT = 1 << 20


def _decoded(coding: str, data: bytes, limit: int = LIMIT, step: int = 100) -> bytes:
    decoder = decode.Decoder(coding, limit)
    for start in range(0, len(data), step):
        decoder.feed(data[start : start + step])
    return decoder.finish()


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:2000]) + gzip.compress(BODY[2000:])),
        ("gzip", gzip.compress(BODY) + b"\0\0padding"),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _raw_deflate(BODY)),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_whole_body_comes_out_however_it_arrives(coding: str, data: bytes, step: int) -> None:
    assert _decoded(coding, data, step=step) == BODY


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_stops_at_the_limit(coding: str) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000) if coding == "gzip" else zlib.compress(b"\0" * 50_000_000)

    with pytest.raises(errors.TooLargeError) as caught:
        _decoded(coding, bomb, step=1 << 16)

    assert caught.value.code == "too_large_decoded"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_cut_body_is_an_error_and_not_a_shorter_body(coding: str) -> None:
    packed = gzip.compress(BODY) if coding == "gzip" else zlib.compress(BODY)

    with pytest.raises(errors.TransportError) as caught:
        _decoded(coding, packed[:-12])

    assert caught.value.code == "encoding_cut"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(errors.TransportError) as caught:
        decode.Decoder(coding, LIMIT)

    assert caught.value.code == "encoding"


def test_a_body_that_is_not_what_it_claims_is_refused() -> None:
    with pytest.raises(errors.TransportError) as caught:
        _decoded("gzip", BODY)

    assert caught.value.code == "encoding"


def test_a_body_of_exactly_the_limit_passes() -> None:
    assert len(_decoded("gzip", gzip.compress(b"x" * LIMIT), step=1 << 16)) == LIMIT


@given(st.sampled_from(["gzip", "deflate", ""]), st.binary(max_size=500))
def test_no_bytes_break_it(coding: str, data: bytes) -> None:
    with contextlib.suppress(errors.FetchError):
        assert len(_decoded(coding, data, limit=1000)) <= 1000
