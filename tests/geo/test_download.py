from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cartscope import geo
from cartscope._errors import DownloadError, InputError, IntegrityError
from cartscope.geo import series_dir

RAW = "GSE197268_RAW.tar"
LOCK = ".cartscope-lock.json"


def get(server, dest, **options):
    return geo.download("GSE197268", dest, base_url=server.url, retry_seconds=3, **options)


def raw_of(root):
    return series_dir("GSE197268", root) / "suppl" / RAW


def statuses(table):
    return dict(zip(table["file"], table["status"], strict=True))


def test_a_series_arrives_whole_with_its_lock(server, remote, tmp_path):
    table = get(server, tmp_path / "here")
    assert statuses(table) == {
        "soft/GSE197268_family.soft.gz": "fetched",
        "suppl/filelist.txt": "fetched",
        f"suppl/{RAW}": "fetched",
        "matrix/GSE197268_series_matrix.txt.gz": "fetched",
    }
    folder = series_dir("GSE197268", tmp_path / "here")
    lock = json.loads((folder / LOCK).read_text())["files"]
    for row in table.to_dict("records"):
        data = (series_dir("GSE197268", remote) / row["file"]).read_bytes()
        assert (folder / row["file"]).read_bytes() == data
        digest = hashlib.sha256(data).hexdigest()
        assert row["sha256"] == lock[row["file"]]["sha256"] == digest
        assert row["size"] == lock[row["file"]]["size"] == len(data)
    assert not list(folder.rglob("*.part*"))


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    get(server, tmp_path)
    before = len(server.asked(RAW))
    again = get(server, tmp_path)
    assert set(again["status"]) == {"already there"}
    assert len(server.asked(RAW)) == before == 1


def test_a_broken_transfer_resumes_by_range(server, remote, tmp_path):
    server.faults[RAW] = [{"kill_after": 100_000}, {"kill_after": 50_000}]
    get(server, tmp_path)
    asked = server.asked(RAW)
    assert [h.get("Range") for h in asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert asked[1]["If-Range"].startswith('"')
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()


def test_a_killed_download_is_resumed_by_the_next_one(server, remote, tmp_path):
    class Killed(BaseException):
        pass

    def kill(name, done, total):
        if name == RAW and done > 100_000:
            raise Killed

    with pytest.raises(Killed):
        get(server, tmp_path, progress=kill)
    part = raw_of(tmp_path).with_name(RAW + ".part")
    assert not raw_of(tmp_path).exists()
    kept = part.stat().st_size
    assert kept > 0
    table = get(server, tmp_path)
    assert statuses(table)[f"suppl/{RAW}"] == "resumed"
    assert server.asked(RAW)[-1]["Range"] == f"bytes={kept}-"
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()
    assert not part.exists()


def test_a_server_that_ignores_range_gives_the_file_from_its_start(server, remote, tmp_path):
    server.faults[RAW] = [{"kill_after": 100_000}, {"ignore_range": True}]
    get(server, tmp_path)
    assert server.asked(RAW)[1]["Range"] == "bytes=100000-"
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()


def test_a_server_that_ignores_range_and_always_breaks_is_given_up(server, tmp_path):
    server.faults[RAW] = [{"kill_after": 100_000, "ignore_range": True}] * 10_000
    start = time.monotonic()
    with pytest.raises(
        DownloadError, match=r"100,000 of .* bytes arrived; gave up after \d+ tries"
    ):
        geo.download("GSE197268", tmp_path, base_url=server.url, retry_seconds=0.5)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_never_joined_to_the_old_part(
    server, remote, tmp_path, build, etags, if_range
):
    server.etags = etags
    server.faults[RAW] = [{"kill_after": 100_000}] + [{"status": 404}] * 2
    with pytest.raises(DownloadError, match="404"):
        get(server, tmp_path)
    members = {"GSM5911990_Patient6-D7.tar.gz": build.nested("other" * 20) * 1}
    members["GSM5911990_filler.bin"] = bytes(range(256)) * 900
    (raw_of(remote)).write_bytes(build.tarred(members))
    (raw_of(remote).parent / "filelist.txt").unlink()
    for path in (tmp_path / "geo").rglob("filelist.txt"):
        path.unlink()
    lock = series_dir("GSE197268", tmp_path) / LOCK
    lock.unlink()
    server.faults[RAW] = [{"ignore_if_range": not if_range}] * 10
    get(server, tmp_path)
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()


def test_a_part_that_is_already_whole_is_taken(server, remote, tmp_path, monkeypatch):
    # killed between the last byte and the rename
    def die(target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cartscope.geo._download.settle", die)
        with pytest.raises(KeyboardInterrupt):
            get(server, tmp_path)
    soft = "GSE197268_family.soft.gz"
    assert list((tmp_path / "geo").rglob(soft + ".part"))
    table = get(server, tmp_path)
    assert statuses(table)[f"soft/{soft}"] == "resumed"
    assert len(server.asked(soft)) == 2


def test_html_with_status_200_is_recognised_and_not_kept(server, tmp_path, build):
    server.faults[RAW] = [{"body": build.html, "headers": {"Content-Type": "text/html"}}]
    with pytest.raises(DownloadError, match=r"200 with an HTML page \('Error: try later'\)"):
        get(server, tmp_path)
    assert not list((tmp_path / "geo").rglob(RAW + "*"))
    # the other files stay, and the next run mends it
    assert statuses(get(server, tmp_path))[f"suppl/{RAW}"] == "fetched"


def test_html_in_answer_to_a_resume_leaves_the_part_as_it_was(server, remote, tmp_path, build):
    server.faults[RAW] = [{"kill_after": 100_000}, {"body": build.html}]
    with pytest.raises(DownloadError, match="HTML page"):
        get(server, tmp_path)
    get(server, tmp_path)
    assert server.asked(RAW)[-1]["Range"] == "bytes=100000-"
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()


def test_html_in_place_of_a_text_file_is_recognised(server, tmp_path, build):
    server.faults["filelist.txt"] = [{"body": b"\n  " + build.html}]
    with pytest.raises(DownloadError, match="HTML page"):
        get(server, tmp_path)


def test_a_page_is_told_by_its_content_type_too(server, tmp_path):
    page = {
        "body": b"<!-- x --><p>sign in",
        "headers": {"Content-Type": "text/html; charset=utf-8"},
    }
    server.faults["filelist.txt"] = [page]
    with pytest.raises(DownloadError, match=r"HTML page \('no title'\)"):
        get(server, tmp_path)


def test_retry_after_is_honoured(server, tmp_path):
    server.faults[RAW] = [{"status": 429, "headers": {"Retry-After": "1"}}]
    get(server, tmp_path)
    first, second = server.times(RAW)
    assert 1.0 <= second - first < 2.5


def test_retry_after_as_a_date_is_honoured(server, tmp_path):
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)
    server.faults[RAW] = [{"status": 503, "headers": {"Retry-After": when}}]
    get(server, tmp_path)
    first, second = server.times(RAW)
    assert second - first > 0.5


def test_a_retry_after_beyond_the_limit_is_said_at_once(server, tmp_path):
    server.faults[RAW] = [{"status": 429, "headers": {"Retry-After": "600"}}] * 5
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"429 .*asks to wait 600 s; gave up after 1 tries"):
        get(server, tmp_path)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_tried_again(server, tmp_path, status):
    server.faults["filelist.txt"] = [{"status": status}] * 2
    get(server, tmp_path)
    assert len(server.asked("filelist.txt")) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_not_tried_again(server, tmp_path, status):
    server.faults[RAW] = [{"status": status}] * 2
    with pytest.raises(DownloadError, match=f"answered {status}.*base-url"):
        get(server, tmp_path)
    assert len(server.asked(RAW)) == 1


def test_connection_refused_is_bounded(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"cannot connect .*gave up after \d+ tries.*base-url"):
        geo.download("GSE197268", tmp_path, base_url=f"http://127.0.0.1:{port}", retry_seconds=1.2)
    assert time.monotonic() - start < 4


def test_a_server_that_goes_silent_is_left_and_resumed(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr("cartscope.geo._request.TIMEOUT", 0.3)
    server.faults[RAW] = [{"kill_after": 100_000, "silent": 1.0}]
    get(server, tmp_path)
    assert server.asked(RAW)[1]["Range"].startswith("bytes=")
    assert raw_of(tmp_path).read_bytes() == raw_of(remote).read_bytes()


def test_an_untrusted_certificate_is_not_tried_again(tmp_path, monkeypatch):
    import ssl
    import urllib.error

    tries = []

    def refuse(*args, **kwargs):
        tries.append(1)
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed"))

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DownloadError, match=r"certificate is not trusted .*check the proxy"):
        geo.download("GSE197268", tmp_path)
    assert len(tries) == 1


def test_the_default_time_limit_is_about_a_minute():
    import inspect

    assert inspect.signature(geo.download).parameters["retry_seconds"].default == 60


def test_a_series_that_is_not_there_says_so(server, tmp_path):
    with pytest.raises(DownloadError, match=r"GSE999999_family.soft.gz \(404\).*not be public"):
        geo.download("GSE999999", tmp_path, base_url=server.url, retry_seconds=1)


@pytest.mark.parametrize(
    "bad", ["GSM123", "GSE", "GSE12x", "../GSE1", "GSE1/../../x", "", "GSE１２３", "GSE1 GSE2"]
)
def test_a_malformed_accession_is_refused_before_a_socket_opens(bad, tmp_path, monkeypatch):
    def no_socket(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "create_connection", no_socket)
    with pytest.raises(InputError, match="not a GEO series; expected GSE and a number"):
        geo.download(bad, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad",
    ["ftp://x", "file:///etc", "localhost:80", "http://", "http://x?y", "http://a b", "http://x:y"],
)
def test_a_malformed_address_is_refused(bad, tmp_path):
    with pytest.raises(InputError, match="not an http or https address"):
        geo.download("GSE197268", tmp_path, base_url=bad)


def test_an_address_may_end_in_slash_or_geo(server, tmp_path):
    geo.download("GSE197268", tmp_path, base_url=server.url + "/geo/", retry_seconds=1)
    assert raw_of(tmp_path).is_file()


def test_another_file_than_the_recorded_one_is_refused(server, remote, tmp_path, build):
    get(server, tmp_path)
    raw_of(tmp_path).unlink()
    other = build.tarred({"GSM5911990_Patient6-D7.tar.gz": build.nested("x")})
    raw_of(remote).write_bytes(other)
    for root in (remote, tmp_path):
        (raw_of(root).parent / "filelist.txt").unlink()
    with pytest.raises(IntegrityError, match=r"not the file that was recorded.*delete the entry"):
        get(server, tmp_path)
    assert not raw_of(tmp_path).exists()


def test_an_altered_file_on_disk_is_named(server, tmp_path):
    get(server, tmp_path)
    data = bytearray(raw_of(tmp_path).read_bytes())
    data[5000] ^= 1
    raw_of(tmp_path).write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=rf"{RAW}: altered: sha256 .*delete it and get it"):
        get(server, tmp_path)


def test_a_truncated_archive_on_the_server_is_never_given_its_name(server, remote, tmp_path):
    data = raw_of(remote).read_bytes()
    raw_of(remote).write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError, match=rf"{RAW}.*(damaged or cut off|missing)"):
        get(server, tmp_path)
    assert not list((tmp_path / "geo").rglob(RAW + "*"))
    lock = json.loads((series_dir("GSE197268", tmp_path) / LOCK).read_text())["files"]
    assert f"suppl/{RAW}" not in lock


def test_an_archive_cut_between_two_members_is_found_by_filelist(server, remote, tmp_path, build):
    import tarfile

    with tarfile.open(raw_of(remote)) as tar:
        first = tar.next()
        data = tar.extractfile(first).read()
    raw_of(remote).write_bytes(build.tarred({first.name: data}))
    with pytest.raises(
        IntegrityError, match=r"of filelist.txt is missing: the archive holds 1 of 4"
    ):
        get(server, tmp_path)


def test_a_damaged_member_inside_the_archive_is_named(server, remote, tmp_path):
    data = bytearray(raw_of(remote).read_bytes())
    data[40_000] ^= 0xFF  # inside the first member's compressed bytes
    raw_of(remote).write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=r"member 'GSM5911990_Patient6-D7.tar.gz' is damaged"):
        get(server, tmp_path)


def test_one_failure_does_not_stop_the_other_files(server, tmp_path):
    server.faults["series_matrix.txt.gz"] = [{"body": b"not gzip at all"}]
    with pytest.raises(IntegrityError, match=r"series_matrix.txt.gz.*is not gzip"):
        get(server, tmp_path)
    assert raw_of(tmp_path).is_file()


def test_without_listings_the_usual_names_are_tried(server, remote, tmp_path):
    server.listings = False
    for path in (remote / "geo").rglob("*series_matrix*"):
        path.unlink()
    table = get(server, tmp_path)
    assert statuses(table)[f"suppl/{RAW}"] == "fetched"
    assert statuses(table)["matrix/GSE197268_series_matrix.txt.gz"] == "not on the server"


def test_files_beside_the_archive_come_too(server, remote, tmp_path, build):
    (raw_of(remote).parent / "GSE197268_cell annotations.csv.gz").write_bytes(build.gzipped(b"a,b"))
    table = get(server, tmp_path)
    assert statuses(table)["suppl/GSE197268_cell annotations.csv.gz"] == "fetched"


def test_several_files_are_fetched_at_once(server, tmp_path):
    # each of the two waits for the other in the middle of its transfer
    both = threading.Barrier(2, timeout=10)
    waited = set()

    def meet(name, done, total):
        if name not in waited and (name == RAW or "matrix" in name):
            waited.add(name)
            both.wait()

    get(server, tmp_path, n_jobs=2, progress=meet)
    assert len(waited) == 2


def test_an_interrupt_ends_the_other_transfers_at_their_next_block(server, tmp_path):
    blocks = []

    def slow(name, done, total):
        if name == RAW:
            blocks.append(done)
            time.sleep(0.05)
        elif "matrix" in name:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, progress=slow)
    assert len(blocks) < 15
    assert not raw_of(tmp_path).exists()


def test_several_failures_are_all_named(server, tmp_path):
    server.faults[RAW] = [{"status": 403}]
    server.faults["series_matrix.txt.gz"] = [{"body": b"not gzip"}]
    with pytest.raises((DownloadError, IntegrityError), match=" Also: ") as caught:
        get(server, tmp_path)
    assert "answered 403" in str(caught.value)
    assert "series_matrix.txt.gz: is not gzip" in str(caught.value)


def test_progress_ends_at_the_total(server, tmp_path):
    seen = {}
    get(server, tmp_path, progress=lambda name, done, total: seen.update({name: (done, total)}))
    assert seen[RAW] == (raw_of(tmp_path).stat().st_size,) * 2


def test_only_takes_single_samples_and_not_the_archive(server, tmp_path):
    table = get(server, tmp_path, only="*-d7-cart")
    name = "samples/GSM5911992/GSM5911992_Patient6-D7-CART.tar.gz"
    assert statuses(table) == {"soft/GSE197268_family.soft.gz": "fetched", name: "fetched"}
    assert server.asked(RAW) == []


@pytest.mark.parametrize("only", ["GSM5911992", "gsm5911992*", "Patient6-D7-CART"])
def test_only_matches_accession_title_and_file(server, tmp_path, only):
    assert len(get(server, tmp_path, only=only)) == 2


def test_only_that_matches_nothing_shows_titles(server, tmp_path):
    with pytest.raises(InputError, match=r"matches none of the 4 samples; titles are like"):
        get(server, tmp_path, only="Patient99*")


def test_only_says_when_samples_cannot_be_had_alone(server, remote, tmp_path, build):
    soft = build.soft_text("GSE197268", {"GSM1": {"title": "Patient6-D7"}})
    path = series_dir("GSE197268", remote) / "soft" / "GSE197268_family.soft.gz"
    path.write_bytes(build.gzipped(soft.encode()))
    with pytest.raises(InputError, match=r"lists no file of GSM1 .*the whole RAW.tar must be"):
        get(server, tmp_path, only="*")


def test_only_says_when_the_server_has_no_single_files(server, remote, tmp_path):
    for path in (remote / "geo" / "samples").rglob("*.tar.gz"):
        path.unlink()
    with pytest.raises(DownloadError, match=r"cannot be fetched alone, the whole RAW.tar must be"):
        get(server, tmp_path, only="*-D7-CART")


def test_a_full_disk_is_said_before_the_download(server, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(DownloadError, match=r"needs .* bytes more, the disk has 0"):
        get(server, tmp_path)


def test_a_destination_that_is_a_file_is_named(server, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        get(server, tmp_path / "x")
