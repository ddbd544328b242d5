"""A local server with GEO's layout, and faults on demand. Nothing here touches the internet."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest

from cartscope.geo import series_dir

if TYPE_CHECKING:
    from pathlib import Path

HTML = b"<!DOCTYPE html>\n<html><head><title>Error: try later</title></head><body>no</body></html>"


class FaultyServer:
    """Serves a folder; ``faults[path]`` is a list of faults, one for each request in turn."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, list[dict]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str], float]] = []
        self.etags = True
        self.listings = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args) -> None:
                pass

            def do_GET(self) -> None:
                outer.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def asked(self, end: str) -> list[dict[str, str]]:
        return [headers for path, headers, _ in self.requests if path.endswith(end)]

    def times(self, end: str) -> list[float]:
        return [when for path, _, when in self.requests if path.endswith(end)]

    def answer(self, h: BaseHTTPRequestHandler) -> None:
        path = unquote(h.path)
        self.requests.append((path, dict(h.headers), time.monotonic()))
        queue = next((self.faults[key] for key in self.faults if path.endswith(key)), [])
        fault = queue.pop(0) if queue else {}
        if "status" in fault:
            return self.reply(
                h, fault["status"], fault.get("body", b"no"), fault.get("headers", {})
            )
        if "body" in fault:
            return self.reply(h, 200, fault["body"], fault.get("headers", {}))
        target = self.root / path.lstrip("/")
        if target.is_dir() and self.listings:
            names = sorted(p.name + ("/" if p.is_dir() else "") for p in target.iterdir())
            page = "<html><body><a href='../'>..</a><a href='?C=M;O=A'>by date</a>"
            page += "".join(f'<a href="{n}">{n}</a>' for n in names) + "</body></html>"
            return self.reply(h, 200, page.encode(), {"Content-Type": "text/html"})
        if not target.is_file():
            return self.reply(h, 404, HTML, {})
        return self.send_file(h, target.read_bytes(), fault)

    def send_file(self, h: BaseHTTPRequestHandler, data: bytes, fault: dict) -> None:
        etag = fault.get("etag", f'"{hashlib.sha256(data).hexdigest()[:16]}"')
        headers = {"ETag": etag} if self.etags else {}
        start, status = 0, 200
        wanted = h.headers.get("Range", "")
        if wanted and not fault.get("ignore_range"):
            same = h.headers.get("If-Range") in {None, etag} or fault.get("ignore_if_range")
            if same:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    return self.reply(h, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        return self.reply(h, status, body, headers, fault=fault)

    def reply(self, h, status, body, headers, *, fault=None) -> None:
        kill_after = (fault or {}).get("kill_after")
        h.send_response(status)
        for key, value in headers.items():
            h.send_header(key, value)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        if kill_after is not None:
            h.wfile.write(body[:kill_after])
            h.wfile.flush()
            time.sleep(fault.get("silent", 0))
            h.close_connection = True
            return
        piece = 16_384 if fault and "pace" in fault else max(1, len(body))
        for start in range(0, len(body), piece):
            try:
                h.wfile.write(body[start : start + piece])
            except OSError:  # the client was killed
                h.close_connection = True
                return
            if len(body) > piece:
                time.sleep(fault["pace"])


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def triplet(folder: str, *, prefix: str = "") -> dict[str, bytes]:
    """Two genes in two cells, as Cell Ranger writes them."""
    matrix = "%%MatrixMarket matrix coordinate integer general\n%\n2 2 2\n1 1 3\n2 2 1\n"
    features = "ENSG1\tA\tGene Expression\nENSG2\tYescarta\tGene Expression\n"
    stem = f"{folder}/{prefix}" if folder else prefix
    return {
        f"{stem}barcodes.tsv.gz": gzipped(b"AAAC-1\nAAAG-1\n"),
        f"{stem}features.tsv.gz": gzipped(features.encode()),
        f"{stem}matrix.mtx.gz": gzipped(matrix.encode()),
    }


def nested(stem: str) -> bytes:
    return gzipped(tarred(triplet(stem)))


def soft_text(accession: str, samples: dict[str, dict]) -> str:
    lines = ["^DATABASE = GeoMiame", "!Database_name = Gene Expression Omnibus (GEO)"]
    lines += [f"^SERIES = {accession}", f"!Series_geo_accession = {accession}"]
    for gsm, facts in samples.items():
        lines += [f"^SAMPLE = {gsm}", f"!Sample_title = {facts['title']}"]
        lines += [f"!Sample_geo_accession = {gsm}"]
        for key, value in facts.get("characteristics", {}).items():
            lines.append(f"!Sample_characteristics_ch1 = {key}: {value}")
        for n, file in enumerate(facts.get("files", []), start=1):
            stub = gsm[:-3] + "nnn"
            address = f"ftp://ftp.ncbi.nlm.nih.gov/geo/samples/{stub}/{gsm}/suppl/{file}"
            lines.append(f"!Sample_supplementary_file_{n} = {address}")
    return "\n".join(lines) + "\n"


def write_series(
    root: Path,
    accession: str,
    samples: dict[str, dict],
    members: dict[str, bytes],
    *,
    single_files: bool = False,
) -> Path:
    folder = series_dir(accession, root)
    for sub in ("suppl", "soft", "matrix"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    raw = tarred(members)
    (folder / "suppl" / f"{accession}_RAW.tar").write_bytes(raw)
    rows = ["#Archive/File\tName\tTime\tSize\tType"]
    rows += [f"Archive\t{accession}_RAW.tar\t01/01/2025 00:00:00\t{len(raw)}\tTAR"]
    rows += [f"File\t{n}\t01/01/2025 00:00:00\t{len(b)}\tGZ" for n, b in members.items()]
    (folder / "suppl" / "filelist.txt").write_text("\n".join(rows) + "\n")
    soft = gzipped(soft_text(accession, samples).encode())
    (folder / "soft" / f"{accession}_family.soft.gz").write_bytes(soft)
    (folder / "matrix" / f"{accession}_series_matrix.txt.gz").write_bytes(gzipped(b"!Series\n"))
    if single_files:
        for gsm, facts in samples.items():
            for file in facts.get("files", []):
                own = root / "geo" / "samples" / (gsm[:-3] + "nnn") / gsm / "suppl"
                own.mkdir(parents=True, exist_ok=True)
                (own / file).write_bytes(members[file])
    return folder


@pytest.fixture
def build():
    """The builders above, for tests that write their own series."""

    class Build:
        html = HTML
        gzipped = staticmethod(gzipped)
        tarred = staticmethod(tarred)
        triplet = staticmethod(triplet)
        nested = staticmethod(nested)
        soft_text = staticmethod(soft_text)
        write_series = staticmethod(write_series)

    return Build


@pytest.fixture
def remote(tmp_path, rng) -> Path:
    """A tree as GEO has it, with a small comparator series and an archive of about 300 kB."""
    samples, members = {}, {}
    for gsm, title in (
        ("GSM5911990", "Patient6-D7"),
        ("GSM5911992", "Patient6-D7-CART"),
        ("GSM5911991", "Patient6-Baseline"),
        ("GSM5912042", "Patient20-D7"),
    ):
        file = f"{gsm}_{title}.tar.gz"
        samples[gsm] = {"title": title, "files": [file]}
        content = triplet(title)
        # bytes that do not shrink, so that a transfer takes several blocks
        content[f"{title}/notes.bin"] = rng.integers(0, 256, 80_000, dtype=np.uint8).tobytes()
        members[file] = gzipped(tarred(content))
    root = tmp_path / "remote"
    write_series(root, "GSE197268", samples, members, single_files=True)
    return root


@pytest.fixture
def server(remote, monkeypatch):
    monkeypatch.setattr("cartscope.geo._http._FIRST_WAIT", 0.01)
    monkeypatch.setattr("cartscope.geo._http._BLOCK", 16_384)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = FaultyServer(remote)
    yield running
    running.close()
