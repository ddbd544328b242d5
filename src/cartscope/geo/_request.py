"""One HTTP request: an answer, a failure worth another try, or a refusal."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from cartscope._errors import DownloadError

TIMEOUT: Final = 30.0  # seconds without a byte
_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Interrupted(Exception):  # noqa: N818  (a signal to try again, never seen outside)
    """A failure that another try may mend; ``wait`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class RefusedError(DownloadError):
    """An answer that no other try will change."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def open_url(url: str, headers: dict[str, str] | None = None) -> Any:
    """Open an address.

    Parameters
    ----------
    url
        Address.
    headers
        Further request headers.

    Returns
    -------
    The open response, status 2xx.

    Raises
    ------
    Interrupted
        If another try may help.
    RefusedError
        If none will.
    """
    # "identity": a server must not gzip on its own, since sizes and ranges count stored bytes
    fixed = {"User-Agent": "cartscope", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={**fixed, **(headers or {})})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"the server answered {error.code} {error.reason}"
            if error.code in _TRY_AGAIN:
                raise Interrupted(reason, retry_after(error.headers.get("Retry-After"))) from error
            msg = f"{url}: {reason}; check the address, and --base-url if it is given."
            raise RefusedError(msg, error.code) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            msg = (
                f"{url}: the server's certificate is not trusted ({error.reason}): check the proxy"
            )
            raise RefusedError(msg) from error
        reason = f"cannot connect ({error.reason})"
        raise Interrupted(reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise broken(error) from error


def broken(error: Exception, done: int = 0) -> Interrupted:
    """Return what to raise when a connection breaks.

    Parameters
    ----------
    error
        What broke it.
    done
        Bytes that had arrived.
    """
    after = f" after {done:,} bytes" if done else ""
    return Interrupted(f"the connection broke{after} ({error or type(error).__name__})")


def retry_after(text: str | None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 without one.

    Parameters
    ----------
    text
        A number of seconds, or a date.

    Examples
    --------
    >>> from cartscope.geo._request import retry_after
    >>> retry_after("120"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), retry_after("soon")
    (120.0, 0.0, 0.0)
    """
    words = (text or "").strip()
    if words.isascii() and words.isdigit():
        return float(words)
    try:
        when = parsedate_to_datetime(words)
    except ValueError:
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
