"""A page in headless Chromium, asked through its DevTools protocol.

async with BrowserPage("chromium", width=1200, height=700) as page:
    await page.open("http://127.0.0.1:9464/")
    await page.until("document.querySelectorAll('#calls tr').length > 1")
    png = await page.picture()
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import aiohttp

# Headless, without whatever would speak to the outside.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-port=0",
)
PATIENCE_S = 60.0
LOOK_S = 0.1


class BrowserPage:
    """See the module. `program` is on PATH, or a path; RuntimeError where it is not."""

    def __init__(self, program: str, *, width: int = 1200, height: int = 800) -> None:
        if shutil.which(program) is None:
            raise RuntimeError(f"{program} is not on PATH: python3 ci/prepare.py chromium")
        self._program = program
        self._size = f"--window-size={width},{height}"
        self._folder = Path(tempfile.mkdtemp(prefix="beluga-voice-"))
        self._browser: asyncio.subprocess.Process | None = None
        self._client: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        """Where the page has asked for something."""

    async def __aenter__(self) -> Self:
        quiet = asyncio.subprocess.DEVNULL
        flags = (*FLAGS, self._size, f"--user-data-dir={self._folder}", "about:blank")
        self._browser = await asyncio.create_subprocess_exec(self._program, *flags, stdout=quiet, stderr=quiet)
        self._client = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(PATIENCE_S):
                self._socket = await self._client.ws_connect(await self._address(), max_msg_size=50_000_000)
            await self._ask("Page.enable")
            await self._ask("Network.enable")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()
        if self._browser is not None:
            if self._browser.returncode is None:
                self._browser.kill()
            await self._browser.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def open(self, url: str, *, authorization: str | None = None) -> None:
        """Goes there, and sends that header with each request."""
        if authorization is not None:
            await self._ask("Network.setExtraHTTPHeaders", headers={"authorization": authorization})
        await self._ask("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is, as JSON can carry it."""
        answer = await self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Until it is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.value(expression):  # noqa: ASYNC110 - a page tells nothing by itself
                await asyncio.sleep(LOOK_S)

    async def picture(self) -> bytes:
        """What it looks like, as a PNG."""
        return base64.b64decode((await self._ask("Page.captureScreenshot", format="png"))["data"])

    async def _address(self) -> str:
        told = self._folder / "DevToolsActivePort"
        while not (told.exists() and len(told.read_text().splitlines()) == 2):
            assert self._browser is not None
            assert self._browser.returncode is None, f"{self._program} has ended"
            await asyncio.sleep(LOOK_S)
        port = told.read_text().splitlines()[0]
        assert self._client is not None
        while True:
            async with self._client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(LOOK_S)

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        assert self._socket is not None
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message.get("method") == "Network.requestWillBeSent":
                    self.requests.append(message["params"]["request"]["url"])
                if message.get("id") == number:
                    assert "error" not in message, message["error"]
                    return message["result"]
