"""A small print suite that keeps to its HTTP contract, on a real socket."""

from __future__ import annotations

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser

KEY = "key-of-the-test-suite"
MATERIALS = {"PLA", "PETG", "ABS", "ASA", "TPU"}
JOB_FIELDS = {
    "production_order_id",
    "production_order_code",
    "product_sku",
    "product_name",
    "quantity",
    "material_type",
    "gcode_file",
    "priority",
    "estimated_time",
    "created_at",
}
QUOTE = {
    "material_grams": 42.5,
    "print_time_hours": 2.25,
    "material_cost": 0.72,
    "labor_cost": 5.0,
    "unit_price": 18.4,
    "total_price": 18.4,
    "dimensions": {"x": 60.0, "y": 40.0, "z": 60.0},
}


class Suite:
    """A running suite; a context manager. ``asked`` is what came in, ``troubles`` what the next calls answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.troubles: list[int | str] = []
        self.quote: Any = QUOTE
        #: Jobs by id, with the code they were made with; printers as GET printers/status lists them.
        self.jobs: dict[str, dict[str, Any]] = {}
        self.printers: Any = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the job of an address by the suite's id, or by the code it was made with."""
        key = unquote(path.rpartition("/")[2])
        if key in self.jobs:
            return self.jobs[key]
        return next((job for job in self.jobs.values() if job["code"] == key), None)

    def _handler(suite) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(self._read)

            def do_POST(self) -> None:
                self._answer(self._make_job if self.path == "/api/integration/print-jobs" else self._generate)

            def do_PATCH(self) -> None:
                self._answer(self._change_job)

            def _read(self, body: bytes) -> Any:
                if self.path == "/health":
                    return {"status": "ok"}
                if self.path == "/api/integration/printers/status":
                    return suite.printers
                return suite.find(self.path)

            def _make_job(self, body: bytes) -> Any:
                asked = json.loads(body)
                suite.asked[-1] |= asked
                missing = JOB_FIELDS - asked.keys()
                if missing or asked["priority"] not in {"low", "normal", "high", "urgent"}:
                    raise ValueError(f"fields: {sorted(missing)}")
                key = f"suite-{len(suite.jobs) + 1}"
                suite.jobs[key] = {
                    "id": key, "printer_id": "p-1", "status": "queued", "created_at": asked["created_at"],
                    "progress": 0, "current_layer": 0, "remaining_time": asked["estimated_time"],
                    "code": asked["production_order_code"],
                }  # fmt: skip
                return suite.jobs[key]

            def _change_job(self, body: bytes) -> Any:
                found, asked = suite.find(self.path), json.loads(body)
                if found is not None:
                    suite.asked[-1] |= asked
                    if asked.keys() - {"status", "progress", "current_layer", "remaining_time"}:
                        raise ValueError("fields")
                    found.update(asked)
                return found

            def _answer(self, work: Any) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                suite.asked.append({"call": self.command, "path": self.path, "key": self.headers.get("X-API-Key")})
                trouble = suite.troubles.pop(0) if suite.troubles else 0
                if trouble == "drop":
                    self.close_connection = True
                    return
                if trouble == "hang":
                    time.sleep(2)
                if trouble == "garbage":
                    self._send(200, b"<html>")
                elif isinstance(trouble, int) and trouble:
                    self._send(trouble, {"detail": "not now"})
                elif self.headers.get("X-API-Key") != KEY:
                    self._send(401, {"detail": "Invalid API key"})
                else:
                    try:
                        found = work(body)
                        if trouble == "lose the answer":
                            self.close_connection = True
                            return
                    except ValueError as error:
                        self._send(422, {"detail": str(error)})
                    else:
                        self._send(404, {"detail": "Not found"}) if found is None else self._send(200, found)

            def _generate(self, body: bytes) -> Any:
                if self.path != "/api/quotes/generate":
                    return None
                meta = {"CONTENT_TYPE": self.headers["Content-Type"], "CONTENT_LENGTH": str(len(body))}
                handler = MemoryFileUploadHandler()
                handler.activated, handler.file = True, io.BytesIO()
                form, files = MultiPartParser(meta, io.BytesIO(body), [handler]).parse()
                suite.asked[-1] |= {**form.dict(), "file": files["file"].name, "content": files["file"].read()}
                if form["material"] not in MATERIALS:
                    raise ValueError("material must be one of PLA, PETG, ABS, ASA, TPU")
                if form["finish"] not in {"standard", "smooth", "painted"} or int(form["quantity"]) < 1:
                    raise ValueError("finish or quantity")
                if form["rush_level"] not in {"standard", "rush", "super_rush", "urgent"}:
                    raise ValueError("rush_level")
                return suite.quote

            def _send(self, status: int, body: Any) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
