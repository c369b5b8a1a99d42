import os
import signal
import socket
import subprocess
import sys
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from integrations.bambu.broker import EmbeddedBroker, free_port

RUN = "import sys; from integrations.bambu.broker import run; run('127.0.0.1', int(sys.argv[1]))"


def reachable(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_messages_reach_every_subscriber_in_order(any_broker, wait_for):
    heard = {name: [] for name in ("one", "two", "three", "four")}
    clients = []
    for name, inbox in heard.items():
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        ready = threading.Event()
        client.on_connect = lambda client, *_, name=name: client.subscribe(f"broker-test/{name}", 1)
        client.on_subscribe = lambda *_, ready=ready: ready.set()
        client.on_message = lambda client, userdata, message, inbox=inbox: inbox.append(int(message.payload))
        client.connect(*any_broker)
        client.loop_start()
        assert ready.wait(10)
        clients.append(client)
    for number in range(20):
        for name in heard:
            clients[0].publish(f"broker-test/{name}", str(number), qos=1).wait_for_publish(10)
    wait_for(lambda: all(len(inbox) == 20 for inbox in heard.values()))
    assert all(inbox == list(range(20)) for inbox in heard.values())
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_a_stopped_broker_frees_its_port():
    broker = EmbeddedBroker().start()
    assert reachable(broker.port)
    broker.stop()
    assert not reachable(broker.port)
    with EmbeddedBroker(port=broker.port):
        assert reachable(broker.port)


def test_a_port_that_is_taken_is_an_error_at_the_start():
    with EmbeddedBroker() as first, pytest.raises(Exception, match="can't be started"):
        EmbeddedBroker(port=first.port).start()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_broker_process_ends_cleanly_when_asked(name, wait_for):
    if os.name == "nt":
        pytest.skip("Windows delivers console events to a whole group, the test runner included")
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", RUN, str(port)], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: reachable(port))
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=15)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, b"")
