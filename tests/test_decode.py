"""Content codings are undone within a limit; what is cut or not what it says is an error."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator import errors
from aggregator.net import decode

TEXT = b"The glacier lost ninety metres in a single summer. " * 40


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def decoded(coding: str, *chunks: bytes, limit: int = 1 << 20) -> bytes:
    decoder = decode.Decoder(coding, limit)
    body = b"".join(piece for chunk in chunks for piece in decoder.feed(chunk))
    decoder.finish()
    return body


def in_bytes(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


@pytest.mark.parametrize(
    ("coding", "wire"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("GZip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("identity, gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("gzip", gzip.compress(TEXT[:700], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(TEXT[700:], mtime=0)),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"\0" * 512),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"\x1f"),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"<!-- served by cache 7 -->"),
        ("deflate", zlib.compress(TEXT) + b"\r\n"),
        ("br", brotli.compress(TEXT)),
        ("BR", brotli.compress(TEXT)),
        ("zstd", zstd(TEXT)),
        ("zstd", zstd(TEXT[:700]) + zstd(TEXT[700:])),
        ("zstd", zstd(TEXT) + b"\r\n"),
    ],
)
def test_a_body_is_read_however_its_bytes_arrive(coding: str, wire: bytes) -> None:
    assert decoded(coding, wire) == TEXT
    assert decoded(coding, *in_bytes(wire)) == TEXT


@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "br", "zstd"])
def test_no_bytes_are_an_empty_body(coding: str) -> None:
    assert decoded(coding) == b""
    assert decoded(coding, b"") == b""


@pytest.mark.parametrize("coding", ["compress", "zstd, zstd", "gzip, gzip", "gzip, br", "deflate,gzip", "utf-8"])
def test_codings_that_were_not_asked_for_and_layers_are_refused(coding: str) -> None:
    with pytest.raises(errors.TransportError) as caught:
        decode.Decoder(coding, 100)

    assert caught.value.code == "encoding"


@pytest.mark.parametrize(
    ("coding", "wire"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", brotli.compress(TEXT)),
        ("zstd", zstd(TEXT)),
    ],
)
def test_a_stream_that_was_cut_anywhere_is_an_error(coding: str, wire: bytes) -> None:
    for length in (1, 2, 5, len(wire) // 2, len(wire) - 1):
        with pytest.raises(errors.TransportError) as caught:
            decoded(coding, wire[:length])

        assert caught.value.code == "encoding_cut", length


def test_a_second_member_that_was_cut_is_an_error() -> None:
    with pytest.raises(errors.TransportError) as caught:
        decoded("gzip", gzip.compress(TEXT, mtime=0) + gzip.compress(TEXT, mtime=0)[:-3])

    assert caught.value.code == "encoding_cut"


@pytest.mark.parametrize("wire", [TEXT, gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8])
def test_a_body_that_is_not_what_it_claims_or_has_a_wrong_checksum_is_an_error(wire: bytes) -> None:
    for coding in ("gzip", "br", "zstd"):
        with pytest.raises(errors.TransportError) as caught:
            decoded(coding, wire)

        assert caught.value.code == "encoding", coding


def test_a_zstd_frame_that_asks_for_more_memory_than_a_decoder_must_have_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=27)
    wire = zstandard.ZstdCompressor(compression_params=wide).compress(bytes(32 << 20))

    with pytest.raises(errors.TransportError) as caught:
        decoded("zstd", wire, limit=64 << 20)

    assert caught.value.code == "encoding"


def test_the_limit_itself_is_allowed_and_one_byte_more_is_not() -> None:
    wires = (("", TEXT), ("gzip", gzip.compress(TEXT, mtime=0)), ("br", brotli.compress(TEXT)), ("zstd", zstd(TEXT)))
    for coding, wire in wires:
        assert decoded(coding, wire, limit=len(TEXT)) == TEXT
        with pytest.raises(errors.TooLargeError) as caught:
            decoded(coding, wire, limit=len(TEXT) - 1)
        assert caught.value.code == "too_large_decoded"


@pytest.mark.parametrize(
    ("coding", "pack", "most"), [("gzip", gzip.compress, 1), ("br", brotli.compress, 2), ("zstd", zstd, 5)]
)
def test_a_bomb_comes_out_in_small_pieces_and_goes_off_at_the_limit(
    coding: str, pack: Callable[[bytes], bytes], most: int
) -> None:
    bomb = pack(bytes(64 << 20))
    decoder, pieces = decode.Decoder(coding, 8 << 20), list[int]()

    with pytest.raises(errors.TooLargeError):
        pieces.extend(len(piece) for piece in decoder.feed(bomb))

    assert sum(pieces) <= 8 << 20
    assert max(pieces) <= most * decode.PIECE


PACKERS = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstd),
]


@given(st.binary(max_size=3000), st.sampled_from(PACKERS), st.integers(1, 50))
def test_whatever_was_packed_comes_out_again(
    data: bytes, packer: tuple[str, Callable[[bytes], bytes]], step: int
) -> None:
    coding, pack = packer
    wire = pack(data)

    assert decoded(coding, *(wire[at : at + step] for at in range(0, len(wire), step))) == data


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_any_bytes_are_a_body_or_a_known_error(wire: bytes, coding: str) -> None:
    try:
        size, code = len(decoded(coding, wire, limit=10_000)), None
    except errors.FetchError as exc:
        size, code = 0, exc.code

    assert size <= 10_000
    assert code in {None, "encoding", "encoding_cut", "too_large_decoded"}


@pytest.mark.parametrize(("count", "words"), [(16 << 20, "16 MiB"), (1536, "1.5 KiB"), (200, "200 bytes")])
def test_sizes_are_said_as_people_say_them(count: int, words: str) -> None:
    assert decode.size(count) == words
