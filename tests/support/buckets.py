"""A small server that speaks S3 on loopback, and can fail as the real ones do.

It checks each request's signature and the SHA-256 of what it is sent, by the rules of
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET, REGION = "copies", "eu-central-1"
KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "the-secret-of-the-tests"
PAGE_KEYS = 3  # so few that a list has pages
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class Bucket(ThreadingHTTPServer):
    """One bucket, held in memory, and what is to go wrong with it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.numbers = count(1)
        self.requests: list[str] = []  # method and key
        self.exists = True
        self.spoils = ""  # what the names of objects end in that get one wrong bit
        self.dies_at: int | None = None  # the part at which it hangs up, from then on for good
        self.goes_on = Event()  # cleared: it takes a part and does not answer
        self.goes_on.set()

    @property
    def url(self) -> str:
        """What AEGIS_BACKUP_OFF_SITE is set to."""
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        return f"s3://{BUCKET}/nightly/shop?region={REGION}&endpoint={endpoint}"

    @property
    def keys(self) -> dict[str, str]:
        """The variables with what it accepts."""
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    @property
    def names(self) -> set[str]:
        """The objects that are there, below the prefix of `url`."""
        return {key.removeprefix("nightly/shop/") for key in self.objects}

    def keep(self, key: str, data: bytes) -> None:
        """Store an object."""
        if self.spoils and key.endswith(self.spoils):
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.objects[key] = data


@contextmanager
def serving() -> Iterator[Bucket]:
    """A bucket that answers until the end."""
    with Bucket() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    server: Bucket

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""

    def handle_one_request(self) -> None:
        """A request; a client that hangs up is no error."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self.answer_checked()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def answer_checked(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {key}")
        if problem := self.refused(parts.path, query, body):
            self.fail(*problem)
        elif bucket != BUCKET or not self.server.exists:
            self.fail(404, "NoSuchBucket")
        elif self.command == "GET" and "list-type" in query:
            self.list(query)
        else:
            getattr(self, f"{self.command.lower()}_object")(key, query, body)

    def refused(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, str] | None:
        """Why a request is not accepted."""
        given = AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        if given is None:
            return 403, "AccessDenied"
        if given["key"] != KEY_ID:
            return 403, "InvalidAccessKeyId"
        sha256 = self.headers["x-amz-content-sha256"]
        names = given["names"].split(";")
        canonical = "\n".join(
            (
                self.command,
                path,
                "&".join(
                    f"{quote(name, safe='~')}={quote(value, safe='~')}"
                    for name, value in sorted(query.items())
                ),
                *(f"{name}:{(self.headers[name] or '').strip()}" for name in names),
                "",
                given["names"],
                sha256,
            )
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = "\n".join(
            ("AWS4-HMAC-SHA256", self.headers["x-amz-date"], given["scope"], digest)
        )
        key = f"AWS4{SECRET}".encode()
        for part in (*given["scope"].split("/"), to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        if key.hex() != given["signature"]:
            return 403, "SignatureDoesNotMatch"
        if sha256 != hashlib.sha256(body).hexdigest():
            return 400, "XAmzContentSHA256Mismatch"
        return None

    def list(self, query: dict[str, str]) -> None:
        """A page of keys, without those in folders below."""
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = [
            key
            for key in sorted(self.server.objects)
            if key.startswith(prefix) and "/" not in key[len(prefix) :] and key > after
        ]
        more, keys = len(keys) > PAGE_KEYS, keys[:PAGE_KEYS]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[key])}</Size>"
            "<LastModified>2026-03-10T02:00:00.000Z</LastModified></Contents>"
            for key in keys
        )
        token = f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>" if more else ""
        self.send_xml(
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{contents}</ListBucketResult>"
        )

    def get_object(self, key: str, query: dict[str, str], body: bytes) -> None:
        found = self.server.objects.get(key)
        if found is None:
            return self.fail(404, "NoSuchKey")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None:
            return self.send(200, found)
        first, last = int(wanted[1]), min(int(wanted[2]), len(found) - 1)
        if first > last:
            return self.fail(416, "InvalidRange")
        place = f"bytes {first}-{last}/{len(found)}"
        return self.send(206, found[first : last + 1], {"Content-Range": place})

    head_object = get_object

    def put_object(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "partNumber" not in query:
            self.server.keep(key, body)
            return self.send(200, b"")
        part = int(query["partNumber"])
        dies_at = self.server.dies_at
        if dies_at is not None and part >= dies_at:
            self.close_connection = True  # without a word
            return None
        self.server.goes_on.wait(60)
        upload = self.server.uploads.get(query["uploadId"])
        if upload is None:
            return self.fail(404, "NoSuchUpload")
        upload[part] = body
        return self.send(200, b"")

    def post_object(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            upload = str(next(self.server.numbers))
            self.server.uploads[upload] = {}
            return self.send_xml(
                f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        if "delete" in query:
            names = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in names:
                self.server.objects.pop(unescape(name), None)
            gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return self.send_xml(f"<DeleteResult>{gone}</DeleteResult>")
        parts = self.server.uploads.pop(query["uploadId"])
        self.server.keep(key, b"".join(parts[number] for number in sorted(parts)))
        return self.send_xml(
            f"<CompleteMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
            '<ETag>"whole"</ETag></CompleteMultipartUploadResult>'
        )

    def delete_object(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.server.uploads.pop(query["uploadId"], None)
        else:
            self.server.objects.pop(key, None)
        self.send(204, b"")

    def fail(self, status: int, code: str) -> None:
        self.send_xml(f"<Error><Code>{code}</Code><Message>no</Message></Error>", status)

    def send_xml(self, text: str, status: int = 200) -> None:
        self.send(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode())

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.send_header("Last-Modified", "Tue, 10 Mar 2026 02:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
