"""Task decomposition by a language model, of which only what the grammar understands is believed.

The endpoint is OpenAI-compatible, as those of llama.cpp, vLLM and ollama are. Its key goes to the address
that was given and to no other, and never through a network for all to read.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.language import NotUnderstoodError, examples, parse
from sayso.tasks.household.words.plan import MAX_PIECES
from sayso.tasks.household.words.vocabulary import Intent

MAX_ANSWER_BYTES = 1_000_000


class EndpointError(SaysoError):
    """Language model that could not be asked, or whose answer is none."""


@dataclass(frozen=True, kw_only=True)
class LanguageModelDecomposer:
    """Language-model planner: free-form text divided by an OpenAI-compatible endpoint; a `Decomposer`."""

    base_url: str
    """Such as ``http://localhost:8000/v1``; "/chat/completions" is added."""
    model: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse addresses that are not of the web, and to send a key for all to read."""
        check_address(self.base_url, with_key=bool(self.api_key))
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise EndpointError("the language model's key has a line break or a letter that no key has")

    def __call__(
        self, text: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
    ) -> tuple[Intent, ...]:
        """Return the intents of the lines that the model answers with, every one of which must be understood.

        Raises:
            EndpointError: if the endpoint cannot be reached, fails, or does not answer as it should.
            NotUnderstoodError: if the answer has no lines, or one that the grammar refuses.
        """
        scene = None if known is None else tuple(known)
        lines = _lines(self.ask(_prompt(scene, families), text))
        if not lines:
            raise NotUnderstoodError(f"The language model found nothing to do in {text!r}.")
        if len(lines) > MAX_PIECES:
            raise NotUnderstoodError(
                f"The language model wants {len(lines)} steps; {MAX_PIECES} is the most."
            )
        intents = []
        for line in lines:
            try:
                intents.append(parse(line, scene, families))
            except NotUnderstoodError as error:
                raise NotUnderstoodError(f'The language model said "{line}". {error}') from None
        return tuple(intents)

    def ask(self, system: str, text: str) -> str:
        """Return what the model answers to a text, told by `system` what to do with it.

        Raises:
            EndpointError: if the endpoint cannot be reached, fails, or does not answer as it should.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        request = urllib.request.Request(
            f"{self.base_url.rstrip('/')}/chat/completions",
            data=json.dumps({"model": self.model, "messages": messages, "temperature": 0}).encode(),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}),
        )
        try:
            with _opener(self.base_url).open(request, timeout=self.timeout_s) as response:
                return _content(response.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with contextlib.suppress(OSError, http.client.HTTPException):
                body = error.read(300).decode(errors="replace")
                raise EndpointError(f"{self.base_url} answered {error.code}: {body!r}") from error
            raise EndpointError(f"{self.base_url} answered {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise EndpointError(
                f"cannot reach a language model at {self.base_url}: {reason}; is it running? "
                "Without one, instructions are divided by the grammar"
            ) from error


def check_address(url: str, *, with_key: bool) -> None:
    """Check that an address is one of the web, and that a key is safe on its way there.

    Raises:
        EndpointError: if it is none, or the key would be sent through a network for all to read.
    """
    if not url.startswith(("http://", "https://")):
        raise EndpointError(f"base_url must begin with http:// or https://, but is {url!r}")
    try:
        host, _ = urlsplit(url).hostname, urlsplit(url).port
    except ValueError as error:
        raise EndpointError(f"{url!r} is no address: {error}") from error
    if not host:
        raise EndpointError(f"{url!r} names no computer, as http://localhost:8000/v1 does")
    if with_key and not url.startswith("https://") and not _is_here(host):
        raise EndpointError(
            f"whoever is on the way to {host} could read the language model's key: give an address that "
            "begins with https://, or unset OPENAI_API_KEY if it needs none"
        )


def _is_here(host: str) -> bool:
    """Tell whether a host is this computer, so that what is sent there goes over no network."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _StayThere(urllib.request.HTTPRedirectHandler):
    """Refusal of redirects: a key would go along, and a question that was sent on arrives empty."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        raise EndpointError(f"{req.full_url} sends to {newurl!r}: if you trust it, give that address")


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what opens an address: without a proxy, which is elsewhere, if the address is here."""
    proxies = urllib.request.ProxyHandler({} if _is_here(urlsplit(url).hostname or "") else None)
    return urllib.request.build_opener(_StayThere, proxies)


def _prompt(scene: tuple[Thing, ...] | None, families: Collection[str] | None) -> str:
    listing = "\n".join(examples(scene, families))
    names = "" if scene is None else f"These things are there: {', '.join(thing.name for thing in scene)}.\n"
    return (
        "You divide what a person asks of a household robot into steps. The robot understands only sentences "
        f"of these forms, with other things in them:\n{listing}\n{names}"
        "Answer with one such sentence per line, in the order in which to do them, and with nothing else. "
        "Name things in full; never say 'it'. Leave out nothing that is asked."
    )


def _content(body: bytes) -> str:
    try:
        content = parsed(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        start = body[:200].decode(errors="replace")
        raise EndpointError(f"the answer is not that of a chat completion: {start!r}") from error
    if not isinstance(content, str):
        raise EndpointError(f"the answer holds no text but {content!r}")
    return content


def _lines(answer: str) -> list[str]:
    """Return the lines of an answer without numbers, bullets and blank ones."""
    stripped = (re.sub(r"^\s*(?:\d+[.)]|[-*\u2022])\s*", "", line).strip() for line in answer.splitlines())
    return [line for line in stripped if line]
