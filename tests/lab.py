"""A JupyterLab of its own on a free port, for the tests that look through a browser."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat

SECONDS = 40  # to start
CHROMIUM = "/usr/bin/chromium"  # Debian's
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def why_no_browser() -> str:
    """Why nothing can be looked at here; "" when something can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if Path(CHROMIUM).exists() else f"there is no {CHROMIUM}"


def write_notebook(path: Path, *sources: str) -> None:
    """A notebook of these cells, with a kernel, so that no dialog asks for one."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Serve `folder`; gives the address. Reads and writes no settings but its own.

    Inside the page, ``jupyterapp`` is the application: see `change_theme`.

    Raises
    ------
    RuntimeError
        It did not start; with what it printed.
    """
    own = folder / ".jupyter"
    config = own / "config" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True)
    news = {"@jupyterlab/apputils-extension:announcements": True}  # its dialog blocks clicks
    config.write_text(json.dumps({"disabledExtensions": news}))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ, **{name: str(own / part) for name, part in places.items()}}
    address = f"http://127.0.0.1:{_free_port()}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={address.rpartition(':')[2]}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}", "--expose-app-in-browser",
    ]  # fmt: skip
    log = own / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(address, server, log)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@contextlib.contextmanager
def chromium() -> Iterator:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def run_all(page, address: str, notebook: str, *, seconds: float = 60) -> None:
    """Open a notebook without the side bars and run its cells, until an explorer is there."""
    page.goto(f"{address}/doc/tree/{notebook}")
    page.wait_for_selector("text=/ipykernel.*Idle/", timeout=1000 * seconds)  # in the status bar
    cells = page.locator(".jp-CodeCell")
    cells.first.click()
    for _ in range(cells.count()):
        page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".biomask figure img", timeout=1000 * seconds)


def change_theme(page, theme: str) -> None:
    """Such as ``JupyterLab Dark``."""
    page.evaluate(
        "theme => { jupyterapp.commands.execute('apputils:change-theme', {theme}); }", theme
    )
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
