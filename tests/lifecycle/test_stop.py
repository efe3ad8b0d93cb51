"""SIGTERM and SIGINT: running requests end, new ones are not let in, and nothing stays behind."""

from __future__ import annotations

import random
import signal
import socket
from http.client import HTTPException

import pytest

from tests.lifecycle.artifact import assert_served, digest, push
from tests.lifecycle.serving import Registry, eventually
from tests.lifecycle.slow import SlowDownload, SlowUpload

LARGE = 64 << 20
"""Bytes that fit into no socket's buffers: whoever reads a little of it holds the server up."""


def is_refused(registry: Registry) -> bool:
    try:
        socket.create_connection(("127.0.0.1", registry.port)).close()
    except ConnectionRefusedError:
        return True
    return False


def is_draining(registry: Registry) -> bool:
    return any(line["event"] == "draining" for line in registry.log())


def test_a_stop_lets_a_running_upload_and_a_running_download_end(registry: Registry) -> None:
    registry.start()
    pushed = push(registry.url, size=LARGE)
    data = random.randbytes(1 << 20)
    with SlowUpload(registry, data) as upload, SlowDownload(registry, pushed) as download:
        registry.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(registry), "no new connection is let in")
        assert registry.process.poll() is None
        assert download.finish() == pushed.layer
        assert upload.finish() == 201
    assert registry.ended() == 0
    registry.start()
    assert registry.status(f"/v2/team/slow/blobs/{digest(data)}") == 200
    assert registry.stop() == 0


def test_a_second_signal_cuts_what_still_runs(registry: Registry) -> None:
    registry.configure(drain_timeout=600).start()
    pushed = push(registry.url)
    with SlowUpload(registry, random.randbytes(1 << 20)) as upload:
        registry.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(registry), "the drain")
        assert registry.stop(signal.SIGINT) == 0
        with pytest.raises((OSError, HTTPException)):
            upload.finish()
    registry.start()
    assert_served(registry.url, pushed)
    assert registry.stop() == 0


def test_two_signals_at_once_do_not_wait_for_what_runs(registry: Registry) -> None:
    registry.configure(drain_timeout=600).start()
    with SlowUpload(registry, random.randbytes(1 << 20)):
        registry.process.send_signal(signal.SIGTERM)
        registry.process.send_signal(signal.SIGINT)
        assert registry.ended() == 0


def test_requests_that_do_not_end_are_cut_after_the_drain_time_out(registry: Registry) -> None:
    registry.configure(drain_timeout=0).start()
    with SlowUpload(registry, random.randbytes(1 << 20)) as upload:
        assert registry.stop() == 0
        with pytest.raises((OSError, HTTPException)):
            upload.finish()
