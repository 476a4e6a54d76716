"""Kept pages into WARC/1.1 (ISO 28500:2017) response records, through warcio, for whatever reads web archives."""

import hashlib
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from aggregator import errors, model

_ABOUT = (
    "Pages of news articles as the aggregator fetched them. Bodies are stored without their content-encoding and transfer-encoding, "
    "and of the headers of an answer only those that identify and date the document: digests are of what stands here."
)


class Writer:
    """Writes to `out`, each record compressed by itself with `compress`, as is usual."""

    def __init__(self, out: BinaryIO, *, name: str, software: str, compress: bool) -> None:
        self._writer = WARCWriter(out, gzip=compress, warc_version="1.1")
        about = {"software": software, "format": "WARC File Format 1.1", "description": _ABOUT}
        self._writer.write_record(self._writer.create_warcinfo_record(name, about))

    def add(self, page: model.PageCopy, more: Mapping[str, str]) -> None:
        """One page as a response record; `more` are WARC headers of its own. Raises ExtractError if the copy is not what it was."""
        body = _body(page)
        headers = StatusAndHeaders(_status(page.status), _headers(page, len(body)), protocol="HTTP/1.1")
        headers.compute_headers_buffer()
        block = hashlib.sha256(headers.headers_buff + body).hexdigest()
        told = {
            "WARC-Date": f"{page.at:%Y-%m-%dT%H:%M:%SZ}",
            "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{page.url} {page.at.isoformat()} {page.sha256}')}>",
            "WARC-Payload-Digest": f"sha256:{page.sha256}",
            "WARC-Block-Digest": f"sha256:{block}",
            **more,
        }
        record = self._writer.create_warc_record(
            page.url, "response", payload=BytesIO(body), length=len(body), http_headers=headers, warc_headers_dict=told
        )
        self._writer.write_record(record)


def _body(page: model.PageCopy) -> bytes:
    try:
        body = zstandard.ZstdDecompressor().decompress(page.body)
    except zstandard.ZstdError as exc:
        raise errors.ExtractError(f"the copy cannot be read: {exc}") from exc
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise errors.ExtractError("the copy is not what was fetched: its SHA-256 differs")
    return body


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _headers(page: model.PageCopy, size: int) -> list[tuple[str, str]]:
    kept = [(name.title(), " ".join(value.split())) for name, value in page.headers.items()]
    return [*kept, ("Content-Length", str(size))]
