"""Small peers for the connection tests: one that listens to commands, and a broker that never confirms."""

import json
import socketserver
import struct
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


class Requests:
    """Listens to a printer's request topic and keeps the commands in order."""

    def __init__(self, broker, serial):
        self.commands = []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe(f"device/{serial}/request", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda client, userdata, message: self.commands.append(command_in(message.payload))
        self._client.connect(*broker)

    def __enter__(self):
        self._client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()


def command_in(payload):
    return next(iter(json.loads(payload).values()))["command"]


class DeafBroker:
    """Takes connections and subscriptions, hears every command, confirms none and says nothing."""

    def __init__(self):
        self.client_ids, self.commands = [], []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._session(), bind_and_activate=True)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _session(self):
        broker = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(1):
                    body = self.rfile.read(self._length())
                    kind = head[0] >> 4
                    if kind == 1:  # CONNECT: protocol name, level, flags and keepalive are 10 bytes
                        size = struct.unpack(">H", body[10:12])[0]
                        broker.client_ids.append(body[12 : 12 + size].decode())
                        self.wfile.write(b"\x20\x02\x00\x00")
                    elif kind == 8:  # SUBSCRIBE
                        self.wfile.write(b"\x90\x03" + body[:2] + b"\x00")
                    elif kind == 3:  # PUBLISH
                        topic = struct.unpack(">H", body[:2])[0]
                        identifier = 2 if head[0] & 6 else 0
                        broker.commands.append(command_in(body[2 + topic + identifier :]))

            def _length(self):
                length = shift = 0
                while True:
                    byte = self.rfile.read(1)[0]
                    length |= (byte & 127) << shift
                    if byte < 128:
                        return length
                    shift += 7

        return Session
