"""The report in a real browser, where there is one: it sorts, filters, zooms and fits a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")

# runs after the page's own script and leaves what it saw in the page
LOOK = """
<script>
addEventListener("load", () => {
  const seen = { errors: window.mistakes };
  const first = () => document.querySelector("#claims tbody tr:not([hidden]) td").textContent;
  const head = document.querySelector("#claims th");
  const column = () => Array.from(document.querySelectorAll("#claims tbody tr"), (r) => r.cells[0].textContent);
  head.querySelector(".sort").click();
  seen.rising = column();
  head.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  seen.falling = column();
  const box = document.querySelector("[data-filter=claims]");
  box.value = "monocyte";
  box.dispatchEvent(new Event("input"));
  seen.filtered = document.querySelector("[data-count=claims]").textContent;
  seen.all = document.querySelectorAll("#claims tbody tr").length;
  seen.broken = Array.from(document.images).filter((i) => i.src && !i.naturalWidth).length;
  seen.images = document.querySelectorAll("figure img").length;
  document.querySelector(".zoom").click();
  seen.zoomed = document.getElementById("zoom").open;
  document.getElementById("close").click();
  const phone = document.createElement("iframe");
  phone.style.cssText = "width: 390px; height: 844px; border: 0";
  phone.srcdoc = window.untouched;
  phone.onload = () => {
    seen.phone = phone.contentDocument.documentElement.scrollWidth;
    phone.remove();
    const out = document.createElement("pre");
    out.id = "seen";
    out.textContent = JSON.stringify(seen);
    document.body.append(out);
  };
  document.body.append(phone);
});
</script>
"""
EARLY = """
<script>
window.mistakes = [];
addEventListener("error", (e) => window.mistakes.push(String(e.message)));
document.addEventListener("DOMContentLoaded", () => {
  const copy = document.documentElement.cloneNode(true);
  copy.querySelectorAll("script, img").forEach((e) => e.remove());
  window.untouched = "<!doctype html>" + copy.outerHTML;
});
</script>
"""


def chromium(folder, *arguments):
    return subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def page(finished):
    return finished.context.settings.out / "report.html"


def test_it_sorts_filters_zooms_and_fits_a_phone(page, tmp_path):
    text = page.read_text("utf-8").replace("<head>", f"<head>{EARLY}", 1)
    looked = tmp_path / "looked.html"
    looked.write_text(text.replace("</body>", f"{LOOK}</body>", 1), "utf-8")
    dom = chromium(
        tmp_path, "--window-size=1280,900", "--virtual-time-budget=20000", "--dump-dom",
        looked.as_uri(),
    )  # fmt: skip
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)[1]))
    assert seen["errors"] == []
    assert seen["rising"] == sorted(seen["rising"])
    assert seen["falling"] == sorted(seen["rising"], reverse=True)
    assert 0 < int(seen["filtered"].split()[0]) < seen["all"]
    assert seen["images"] > 20
    assert seen["broken"] == 0
    assert seen["zoomed"]
    assert seen["phone"] <= 390


def test_it_prints_with_headings_on_every_page_of_a_table(page, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext to read a PDF with")
    pdf = tmp_path / "report.pdf"
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri())
    text = subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    pages = text.split("\f")[:-1]
    assert all(p.strip() for p in pages), "a blank page"
    verdicts = "|".join(set(pd.read_csv(page.parent / "claims.csv")["verdict"]))
    ledger = [p for p in pages if re.search(rf"^ *({verdicts}) +[A-Z]", p, re.M)]
    assert len(ledger) > 1
    assert all(re.search(r"verdict +claim +panel", p) for p in ledger)
