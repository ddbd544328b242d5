"""``report.html``: one self-contained page."""

from ._page import write_page

__all__ = ["write_page"]
