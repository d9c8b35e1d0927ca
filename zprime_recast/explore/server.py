"""Serve the page on the loopback interface only, and refuse requests that come from elsewhere."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from ..errors import InputError

HOST = "127.0.0.1"


def listening_socket(port: int = 0) -> socket.socket:
    """Open a socket on the loopback interface; port 0 takes any free port. InputError if the port cannot be used."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port must be between 0 and 65535 (0: any free one), found {port}")
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows it would let two servers share a port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(64)
    except OSError as err:
        made.close()
        if err.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "in use" if err.errno == errno.EADDRINUSE else "reserved for the system"
            raise InputError(f"port {port} is {why}; choose another --port, or leave it out for a free one") from None
        raise
    return made


class OnlyOwnPage:
    """ASGI middleware that refuses requests for another host, from another page, or without the token of the address.

    This protects against DNS rebinding, against web sockets opened by other pages, and against other users of the same
    machine. The token is in the address that is printed; a cookie keeps it from then on.
    """

    def __init__(self, app: Any, port: int, token: str) -> None:
        self.app = app
        self.token = token
        self.cookie = f"zprime-recast-{port}"
        self.hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}
        self.origins = {b"http://" + host for host in self.hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI request."""
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            foreign = headers.get(b"host") not in self.hosts
            if foreign or headers.get(b"origin", b"") not in {b"", *self.origins}:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                    return
                await _refuse(send, "this page answers requests to its own address only")
                return
            if not self._known(headers.get(b"cookie", b"")):
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                    return
                given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
                if not secrets.compare_digest(given.encode(), self.token.encode()):
                    await _refuse(send, "open the address that the explorer printed, with its token")
                    return
                send = self._with_cookie(send)
        await self.app(scope, receive, send)

    def _known(self, header: bytes) -> bool:
        """Whether a Cookie header holds the token."""
        pairs = (part.strip().partition("=") for part in header.decode("latin-1").split(";"))
        values = [value for name, _, value in pairs if name == self.cookie]
        return any(secrets.compare_digest(value.encode(), self.token.encode()) for value in values)

    def _with_cookie(self, send: Any) -> Any:
        cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict".encode()

        async def also(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", cookie)]}
            await send(message)

        return also


async def _refuse(send: Any, why: str) -> None:
    await send({"type": "http.response.start", "status": 403, "headers": []})
    await send({"type": "http.response.body", "body": why.encode()})


def serve(page: Callable[[], None], listening: socket.socket, title: str, open_browser: bool) -> None:
    """Serve a page until Ctrl-C, or until the kernel of a notebook is interrupted.

    InputError if this process has served one before, which NiceGUI does not allow.
    """
    import uvicorn
    from fastapi import FastAPI
    from nicegui import core, ui

    if core.app.config.has_run_config:
        raise InputError("the explorer runs once in a process: restart the kernel of the notebook to start it again")
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(16)
    url = f"http://{HOST}:{port}/?token={token}"
    application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(application, root=page, title=title, show_welcome_message=False)
    own = OnlyOwnPage(application, port, token)
    server = uvicorn.Server(uvicorn.Config(own, log_level="warning", access_log=False, timeout_graceful_shutdown=1))

    async def run() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.02)
        if server.started:
            print(f"explorer at {url} (Ctrl-C to stop)", flush=True)
            if open_browser and not await asyncio.to_thread(_open, url):
                print(f"zprime-recast: no browser found: open {url} yourself", file=sys.stderr, flush=True)
        await serving

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(run())
        return
    with ThreadPoolExecutor(1) as beside:  # in a notebook, whose own event loop runs in this thread
        serving = beside.submit(asyncio.run, run())
        try:
            serving.result()
        finally:
            server.should_exit = True


def _open(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
