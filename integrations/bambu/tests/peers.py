"""Small peers for the connection tests: one that listens to commands, and a broker that never confirms."""

import json
import socket
import socketserver
import struct
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from integrations.bambu.mqtt import publish_packet


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
                    body = self.rfile.read(packet_length(self.rfile))
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

        return Session


class TalkingBroker:
    """Greets, grants every subscription, confirms commands, and sends the bytes it is told to, cut as it is told.

    ``confirmed`` are the numbers of its own messages whose receipt it was told.
    """

    def __init__(self):
        self.topics, self.commands, self.client_ids, self.confirmed, self.goodbyes = [], [], [], [], 0
        self._lines = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._session(), bind_and_activate=True)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def send(self, raw):
        for line in self._lines:
            line.sendall(raw)

    def say(self, serial, payload):
        self.send(publish_packet(f"device/{serial}/report", payload))

    def hang_up(self):
        lines, self._lines = self._lines, []
        for line in lines:
            line.shutdown(2)

    def _session(self):
        broker = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(1):
                    body = self.rfile.read(packet_length(self.rfile))
                    kind = head[0] >> 4
                    if kind == 1:
                        size = struct.unpack(">H", body[10:12])[0]
                        broker.client_ids.append(body[12 : 12 + size].decode())
                        self.wfile.write(b"\x20\x02\x00\x00")
                        broker._lines.append(self.connection)
                    elif kind == 8:
                        size = struct.unpack(">H", body[2:4])[0]
                        broker.topics.append(body[4 : 4 + size].decode())
                        self.wfile.write(b"\x90\x03" + body[:2] + b"\x00")
                    elif kind == 3:
                        size = struct.unpack(">H", body[:2])[0]
                        number = 2 if head[0] & 6 else 0
                        broker.commands.append(command_in(body[2 + size + number :]))
                        if number:
                            self.wfile.write(b"\x40\x02" + body[2 + size : 4 + size])
                    elif kind == 4:
                        broker.confirmed.append(struct.unpack(">H", body)[0])
                    elif kind == 14:
                        broker.goodbyes += 1

        return Session


def packet_length(stream):
    length = shift = 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        if byte < 128:
            return length
        shift += 7


class QuirkyCard:
    """A memory card on plain FTP that answers a transfer as it is told: keeps so many bytes, confirms so or not at all.

    ``answers`` holds one (code and words, bytes kept or None for all) per transfer; the last one holds for the rest.
    """

    def __init__(self, *answers):
        self.answers, self.files, self.transfers = list(answers), {}, 0
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
        card = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                self._say("220 card ready")
                simple = {"USER": "331 password", "PASS": "230 in", "TYPE": "200 ok", "QUIT": "221 bye"}
                while line := self.rfile.readline().decode().strip():
                    verb, _, name = line.partition(" ")
                    if verb == "EPSV":
                        self._say("502 no")
                    elif verb == "PASV":
                        self.data = socket.create_server(("127.0.0.1", 0))
                        port = self.data.getsockname()[1]
                        self._say(f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})")
                    elif verb == "STOR":
                        self._take(name)
                    elif verb == "SIZE":
                        self._say(f"213 {len(card.files[name])}" if name in card.files else "550 no such file")
                    else:
                        self._say(simple.get(verb, "502 no"))

            def _take(self, name):
                self._say("150 go")
                incoming, _ = self.data.accept()
                with incoming, incoming.makefile("rb") as stream:
                    content = stream.read()
                self.data.close()
                answer, kept = card.answers.pop(0) if len(card.answers) > 1 else card.answers[0]
                card.transfers += 1
                card.files[name] = content if kept is None else content[:kept]
                if answer:
                    self._say(answer)
                else:
                    self.connection.shutdown(2)

            def _say(self, words):
                self.wfile.write(f"{words}\r\n".encode())

        return Session
