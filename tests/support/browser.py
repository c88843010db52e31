"""A browser without a window, driven through its debugging port."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

# Of keys that the browser itself acts upon.
_CODES = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}

CHROMIUM = shutil.which("chromium")


class Page:
    """One page of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)

    def open(self, address: str) -> None:
        self._call("Page.navigate", url=address)
        self.wait(lambda: self.evaluate("document.readyState") == "complete")

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        found = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def type(self, text: str) -> None:
        """Write text where the cursor is."""
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press and let go of a key, by the name that scripts see."""
        code = {"windowsVirtualKeyCode": _CODES[key]} if key in _CODES else {}
        for kind in ("rawKeyDown" if code else "keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, **code)

    def choose(self, selector: str, *paths: Path) -> None:
        """Choose files in the input that a selector names."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        found = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=found, files=list(map(str, paths)))

    def resize(self, width: int, height: int, pixel_ratio: float = 1, mobile: bool = False) -> None:
        """Show the page at another size, CSS pixels of so many device pixels each."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=pixel_ratio,
            mobile=mobile,
        )

    def save_downloads(self, folder: Path) -> None:
        """Write what the page lets its user save into a folder."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def wait(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.evaluate("document.body.innerText")
            time.sleep(0.2)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Page]:
    """Start Chromium with a new profile in a folder; yield its page."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", *options]
    command += ["about:blank"]
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not (told := re.search(r"DevTools listening on ws://([^/\s]+)/", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        pages = httpx.get(f"http://{told[1]}/json/list", timeout=30).json()
        address = next(each["webSocketDebuggerUrl"] for each in pages if each["type"] == "page")
        with connect(address, max_size=None, open_timeout=30) as connection:
            yield Page(connection)
    finally:
        process.kill()
        process.wait()
