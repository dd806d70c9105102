"""Scrapy downloader middleware: signs, and pays within a wallet's caps.

    DOWNLOADER_MIDDLEWARES = {"imagxp.scrapy.ImagxpMiddleware": 950}
    IMAGXP_AGENT_ID = "bot.example.com"
    IMAGXP_KEY_FILE = "key.pem"
    IMAGXP_PURPOSE = "RAG_RETRIEVAL"

robots.txt is Scrapy's (`ROBOTSTXT_OBEY = True`). Further settings: [`SETTINGS`]. Statistics are under `imagxp/`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

from . import codes
from ._extra import missing

try:
    from scrapy import Request, signals
    from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
    from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
    from scrapy.exceptions import NotConfigured
    from scrapy.http import Response
    from scrapy.utils.defer import maybe_deferred_to_future
    from scrapy.utils.misc import load_object
    from twisted.internet.threads import deferToThread
except ImportError as error:
    raise missing("scrapy", "Scrapy 2.14 or newer", "scrapy") from error

from ._imagxp import Caps, Fetcher, Identity, Wallet, user_agent
from .beginning import MAX_OFFER_BYTES
from .client import (
    OURS,
    AskBroker,
    Bought,
    BrokerAnswer,
    BrokerFailure,
    Call,
    Client,
    FeedbackStatus,
    Options,
    same_origin,
    signed_url,
)
from .errors import FetchError, ImagxpError, ReadError, UsageError

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

__all__ = ["SETTINGS", "ImagxpMiddleware"]

SETTINGS: Final[Mapping[str, str]] = {
    "IMAGXP_AGENT_ID": "the domain that vouches for the key; without it the middleware is off",
    "IMAGXP_KEY_FILE": "a file with the private key",
    "IMAGXP_KEY_PASSPHRASE": "its passphrase, if it is encrypted",
    "IMAGXP_IDENTITY": "instead of these three: an Identity, or the dotted path of one or of a function that gives one",
    "IMAGXP_PURPOSE": "what the crawler reads for",
    "IMAGXP_REDIRECTS": "`same_origin` (default): unsigned once elsewhere; `any_origin`: signed anew everywhere",
    "IMAGXP_CAPS": "what may be spent: a list of dicts with the arguments of Caps, or that as JSON; without it nothing is paid for",
    "IMAGXP_WALLET_FILE": "where the books are kept from run to run",
    "IMAGXP_WALLET": "instead of these two: a Wallet that several spiders share, or the dotted path of one",
    "IMAGXP_BROKERS": "issuer URLs, or pairs of issuer and token endpoint",
    "IMAGXP_COMPATIBLE": "send visas under the reference SDK's header name as well",
    "IMAGXP_ALLOW_LOOPBACK": "admit 127.0.0.1 as a domain, for development",
}
"""Every setting and what it is."""

_CODES: Final = frozenset(code.name for code in codes.ALL)
_LOG = logging.getLogger("imagxp")
# In `Request.meta`: options or False, the visa to use, where its read has paid, that a replay was answered, and which feedback was answered
# how. A crawl that goes on (`JOBDIR`) reads back what an earlier run wrote: the run is a part of what only it knows about.
_OPTIONS: Final = "imagxp"
_VISA: Final = "imagxp_visa"
_ASKED: Final = "imagxp_asked"
_REPEATED: Final = "imagxp_repeated"
_TOLD: Final = "imagxp_told"
_SIGNED: Final = "_imagxp_signed"
# Ten seconds for a turn, where the fetcher has too many requests to brokers under way.
_PAUSE: Final = 0.05
_TURNS: Final = 200


class ImagxpMiddleware:
    """Signs each request just before it is sent: put it last (950), behind retries, redirects and the cache.

    A retry, a redirect within the origin and a request repeated after 402 are signed anew. Our headers never stay on a `Request`, so none
    reaches another request or another origin. robots.txt is asked for without a signature.

    `Request.meta["imagxp"]` is False to send a request as it is, or a dict that overrides `purpose`, `visa`, `proof`, `ads_displayed`,
    `context` or `feedback`. What is not paid for stays a 402; the reason is in the statistics and in the log. A payment of unknown end
    counts as spent; the next 402 asks about it, and never pays again.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        unknown = [name for name in settings if name.startswith("IMAGXP_") and name not in SETTINGS]
        if unknown:
            raise UsageError("usage.argument", f"there is no setting {unknown[0]}; there are {', '.join(SETTINGS)}")
        identity = _identity(settings)
        redirects = settings.get("IMAGXP_REDIRECTS", "same_origin")
        if redirects not in ("same_origin", "any_origin"):
            raise UsageError("usage.argument", "IMAGXP_REDIRECTS is same_origin or any_origin")
        loopback = settings.getbool("IMAGXP_ALLOW_LOOPBACK")
        self._crawler = crawler
        self._stats = cast(Any, crawler.stats)
        self._any_origin = redirects == "any_origin"
        self._currencies, wallet = _wallet(settings)
        self._owns_wallet = settings.get("IMAGXP_WALLET") is None
        self._client = Client(
            identity,
            _required(settings, "IMAGXP_PURPOSE"),
            wallet=wallet,
            brokers=[_broker(broker) for broker in settings.getlist("IMAGXP_BROKERS")],
            compatible=settings.getbool("IMAGXP_COMPATIBLE"),
            allow_loopback=loopback,
        )
        # A wrong purpose is told now.
        self._client.headers("GET", "https://example.com/", Options.of(None, self._client.purpose))
        self._fetcher = Fetcher(allow_loopback=loopback)
        self._decoding = _decoding(crawler)
        self._bought: dict[str, tuple[str, Bought]] = {}
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """As Scrapy makes it; off without `IMAGXP_AGENT_ID` and `IMAGXP_IDENTITY`."""
        if not crawler.settings.get("IMAGXP_AGENT_ID") and not crawler.settings.get("IMAGXP_IDENTITY"):
            raise NotConfigured("IMAGXP_AGENT_ID is not set")
        middleware = cls(crawler)
        crawler.signals.connect(middleware.spider_closed, signal=signals.spider_closed)
        return middleware

    def spider_closed(self) -> None:
        """Tells what was spent, and lets the file of the books go."""
        if self._client.wallet is not None:
            for currency in self._currencies:
                self._stats.set_value(f"imagxp/spent/{currency}", self._client.wallet.spent(currency))
            if self._owns_wallet:
                self._client.wallet.close()

    async def process_request(self, request: Request) -> None:
        """Signs a request that is about to be sent."""
        robots = self._crawler.get_downloader_middleware(RobotsTxtMiddleware)
        if robots is not None:
            # Again: of several requests that wait for one robots.txt, Scrapy lets all but the first two pass (seen in 2.19).
            await robots.process_request(request)
        _clean(request)
        request.headers["User-Agent"] = user_agent((request.headers.get("User-Agent") or b"").decode("latin-1"))
        if not self._is_ours(request):
            self._stats.inc_value("imagxp/unsigned")
            return
        options = Options.of(request.meta.get(_OPTIONS), self._client.purpose)
        if not all(same_origin(hop, request.url) for hop in request.meta.get("redirect_urls", [])):
            # Meant for the site that was asked, not for whatever it redirects to.
            options = replace(options, visa=None, proof=None, feedback=None)
        if _told(request, options) is not None:
            # A site takes it once: a second copy would be a replay.
            options = replace(options, feedback=None)
        bought = self._bought_for(request, request.meta.get(_VISA, ""))
        visa = bought.visa if bought is not None else None
        sign = partial(self._client.headers, request.method, signed_url(request.url), options, body=request.body, visa=visa)
        signed = await _in_thread(sign) if self._client.identity.is_external else sign()
        for name, value in signed:
            request.headers[name] = value
        request.meta[_SIGNED] = True
        self._stats.inc_value("imagxp/signed")

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        """Looks at an answer; pays, and has the request sent once more."""
        _clean(request)
        bought = self._take(request)
        if not request.meta.pop(_SIGNED, False):
            return response
        self._tell(request, response)
        if bought is not None:
            await _in_thread(partial(bought.visit.answered, response.status, [], b""))
        if response.status != 402 and response.status not in range(300, 400):
            # One read pays once over its redirects; a retry, and a page that is asked for with the same meta, are reads of their own.
            request.meta.pop(_ASKED, None)
        said = self._said(response)
        code = _code(said)
        if code is not None:
            self._stats.inc_value(f"imagxp/refused/{code}")
        if code == "replay.nonce_seen" and not request.meta.get(_REPEATED):
            # The connection broke, and the request was sent twice below us.
            return _again(request, **{_REPEATED: True})
        asked = request.meta.get(_ASKED) in [self._asked(url) for url in (request.url, *request.meta.get("redirect_urls", []))]
        if response.status == 402 and self._client.wallet is not None and not asked:
            return await self._pay(request, response, said)
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Takes our headers off a request that came to nothing."""
        _clean(request)
        request.meta.pop(_SIGNED, None)
        request.meta.pop(_ASKED, None)
        # A visit that is never answered leaves its visa unused.
        self._take(request)

    def _bought_for(self, request: Request, key: str) -> Bought | None:
        """What was bought under this key, if it is for this request: a key may have been copied to another."""
        url, bought = self._bought.get(key, (None, None))
        return bought if url == request.url else None

    def _take(self, request: Request) -> Bought | None:
        """Takes what was bought for this request, and the key of it in any case."""
        key = request.meta.pop(_VISA, "")
        bought = self._bought_for(request, key)
        if bought is not None:
            del self._bought[key]
        return bought

    def _tell(self, request: Request, response: Response) -> None:
        """Notes what a site says of the feedback, or has a later answer of the read say it."""
        options = Options.of(request.meta.get(_OPTIONS), self._client.purpose)
        said, told = response.headers.get(FeedbackStatus.name), _told(request, options)
        if told is not None:
            response.headers[FeedbackStatus.name] = told
        elif options.feedback is not None and said is not None:
            request.meta[_TOLD] = [_digest(options.feedback), said.decode("latin-1")]

    def _asked(self, url: str) -> str:
        """What notes that a read has paid here, in this run."""
        return f"{self._run} {url}"

    def _is_ours(self, request: Request) -> bool:
        if request.meta.get(_OPTIONS) is False or urlsplit(request.url).scheme not in ("http", "https"):
            return False
        if urlsplit(request.url).path == "/robots.txt":
            return False
        hops: list[str] = request.meta.get("redirect_urls", [])
        # Once elsewhere, always elsewhere: what another origin redirects to is that origin's choice.
        return self._any_origin or all(same_origin(hop, request.url) for hop in hops)

    def _said(self, response: Response) -> bytes:
        """What a refusal says; nothing when that is too much. Scrapy decodes it for others, after us."""
        if response.status < 400 or len(response.body) > MAX_OFFER_BYTES:
            return b""
        if self._decoding is None or "Content-Encoding" not in response.headers:
            return response.body
        if b"json" not in (response.headers.get("Content-Type") or b"").lower():
            # Scrapy logs what is too much for us, and would for any long page.
            return b""
        bounded = Request(response.url, meta={"download_maxsize": MAX_OFFER_BYTES})
        try:
            # It takes the encoding off the answer that it is given.
            decoded = self._decoding.process_response(bounded, response.copy())
        except Exception:
            return b""
        return cast(Response, decoded).body

    async def _pay(self, request: Request, response: Response, offer: bytes) -> Response | Request:
        options = Options.of(request.meta.get(_OPTIONS), self._client.purpose)
        # One thread does all of it: the books are synced, and the broker is waited for.
        bought = await _in_thread(partial(self._buy, request.method, signed_url(request.url), options.purpose, offer))
        if not isinstance(bought, Bought):
            reason = bought.code if isinstance(bought, ImagxpError) else "payment.required"
            self._stats.inc_value(f"imagxp/unpaid/{reason}")
            _LOG.info("%s is not paid for: %s", request.url, bought)
            return response
        self._stats.inc_value("imagxp/paid")
        key = f"{self._run} {next(self._numbers)}"
        paid = _again(request, **{_ASKED: self._asked(request.url), _VISA: key})
        self._bought[key] = (paid.url, bought)
        return paid

    def _buy(self, method: str, url: str, purpose: str, offer: bytes) -> Bought | ImagxpError | None:
        buying = self._client.buy(method, url, purpose, offer)
        reply: Any = None
        try:
            while True:
                step = buying.send(reply)
                reply = step.act() if isinstance(step, Call) else self._ask(step)
        except StopIteration as end:
            return cast("Bought | ImagxpError | None", end.value)
        except ReadError as error:
            return error

    def _ask(self, step: AskBroker) -> BrokerAnswer | BrokerFailure:
        turns = _TURNS
        while True:
            try:
                answer = self._fetcher.send(step.method, step.url, headers=step.headers, body=step.body, profile="token")
                return BrokerAnswer(answer.status, answer.body)
            except FetchError as error:
                turns -= 1
                if error.failure != "busy" or error.sent or turns == 0:
                    return BrokerFailure(error.code, sent=error.sent)
            # This is a thread, and may wait for its turn.
            time.sleep(_PAUSE)


def _identity(settings: BaseSettings) -> Identity:
    given = settings.get("IMAGXP_IDENTITY")
    if given is None:
        return Identity.load(
            _required(settings, "IMAGXP_AGENT_ID"),
            _required(settings, "IMAGXP_KEY_FILE"),
            passphrase=settings.get("IMAGXP_KEY_PASSPHRASE"),
            allow_loopback=settings.getbool("IMAGXP_ALLOW_LOOPBACK"),
        )
    loaded = load_object(given) if isinstance(given, str) else given
    identity = loaded() if callable(loaded) else loaded
    if not isinstance(identity, Identity):
        raise UsageError("usage.argument", "IMAGXP_IDENTITY is no Identity")
    return identity


def _wallet(settings: BaseSettings) -> tuple[list[str], Wallet | None]:
    given = settings.get("IMAGXP_WALLET")
    written = settings.get("IMAGXP_CAPS", ())
    # On a command line settings are text.
    caps = [Caps(**caps) for caps in (json.loads(written) if isinstance(written, str) else written)]
    if given is not None:
        wallet = load_object(given) if isinstance(given, str) else given
        if caps or not isinstance(wallet, Wallet):
            raise UsageError("usage.argument", "IMAGXP_WALLET is a Wallet, and takes the place of IMAGXP_CAPS")
        return [], wallet
    path = settings.get("IMAGXP_WALLET_FILE")
    return [caps.currency for caps in caps], Wallet(caps, path=path) if caps else None


def _digest(feedback: bytes) -> str:
    return hashlib.sha256(feedback).hexdigest()


def _told(request: Request, options: Options) -> str | None:
    """What a site has said of this very feedback."""
    digest, status = request.meta.get(_TOLD, (None, None))
    return status if options.feedback is not None and digest == _digest(options.feedback) else None


def _required(settings: BaseSettings, name: str) -> str:
    value = settings.get(name)
    if not value:
        raise UsageError("usage.argument", f"the setting {name} is missing: {SETTINGS[name]}")
    return str(value)


def _broker(given: Any) -> str | tuple[str, str]:
    return given if isinstance(given, str) else (given[0], given[1])


def _clean(request: Request) -> None:
    """Nothing of ours stays on a request: redirects and retries copy its headers."""
    for name in [name for name in request.headers if name.lower().startswith(OURS.encode("ascii"))]:
        del request.headers[name]


def _decoding(crawler: Crawler) -> HttpCompressionMiddleware | None:
    """Scrapy's decoding, when it is on, without its statistics: the one that others see decodes the same once more."""
    try:
        decoding = HttpCompressionMiddleware.from_crawler(crawler)
    except NotConfigured:
        return None
    decoding.stats = None
    return decoding


def _again(request: Request, **meta: Any) -> Request:
    return request.replace(meta={**request.meta, **meta}, dont_filter=True, priority=request.priority + 1)


def _code(said: bytes) -> str | None:
    """The code of a refusal, when the answer is one of IMAGXP."""
    try:
        code = json.loads(said)["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # It becomes the name of a statistic: a stranger's word must be one that exists.
    return code if code in _CODES else None


async def _in_thread(act: Callable[[], Any]) -> Any:
    return await maybe_deferred_to_future(deferToThread(act))
