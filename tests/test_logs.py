"""What is logged is one line for programs or for people, and steers nobody's terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

from tests.auth import issuer

SAYS = """
from registry.logs import configure_logging
import structlog, logging
configure_logging("info")
structlog.get_logger("x").info("request", path="/v2/\x1b]0;owned\x07\x9b", secret="postgresql://u:hunter2@h/d")
logging.getLogger("y").warning("foreign \x1b[31m")
try:
    hidden = "hunter2"
    raise ValueError("broken")
except ValueError:
    structlog.get_logger("x").exception("failed")
"""


def said(stderr: int) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run([sys.executable, "-c", SAYS], stderr=stderr, check=True, env=env | {"TERM": "xterm"})


def test_people_get_lines_that_hold_no_control_characters_of_clients() -> None:
    ours, theirs = pty.openpty()
    said(theirs)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(ours, 1 << 16):
            text += piece
    os.close(ours)
    assert rb"\x1b]0;owned\x07" in text
    assert b"\x1b]" not in text
    assert b"\x07" not in text
    assert b"hunter2" not in text  # neither the URL's nor the local variable
    assert b"ValueError: broken" in text


def test_programs_get_one_json_object_a_line() -> None:
    reading, writing = os.pipe()
    said(writing)
    os.close(writing)
    with os.fdopen(reading) as lines:
        events = [json.loads(line) for line in lines]
    assert [event["level"] for event in events] == ["info", "warning", "error"]
    assert "hunter2" not in str(events)
    assert "ValueError: broken" in events[2]["exception"]


def test_what_signs_requests_to_s3_stands_in_no_log() -> None:
    script = """
from botocore.exceptions import EndpointConnectionError
from registry.logs import configure_logging
from registry.storage.s3_client import new_client, new_session
from registry.storage.s3_urls import new_signer
from registry.storage_url import S3Location
configure_logging("debug")
location, session = S3Location("bucket", "", endpoint="http://127.0.0.1:1", region="us-east-1"), new_session()
print(new_signer(session, location).url("name"))
try:
    new_client(session, location, attempts=1).head_bucket(Bucket="bucket")
except EndpointConnectionError:
    print("asked")
"""
    given = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": "s3ssion"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | given
    )
    assert ("s3ssion" in done.stdout, done.stdout.endswith("asked\n")) == (True, True)
    assert not [word for word in ("hunter2", "s3ssion", "ignature") if word in done.stderr]


def test_what_issuers_answer_stands_in_no_log() -> None:
    script = """
import asyncio, sys
from registry.auth.addresses import Allowed
from registry.auth.outgoing import Outgoing
from registry.logs import configure_logging
configure_logging("debug")
headers = {"Authorization": "Basic hunter2"}
print(asyncio.run(Outgoing(Allowed(["127.0.0.1"])).post(sys.argv[1], b"code=c0de", headers=headers)).content.decode())
"""
    with issuer.running() as issuing:
        issuing.answers["/token"] = lambda _form: (200, {"Set-Cookie": "s3ssion", "X-Token": "t0ken"}, b"asked")
        command = [sys.executable, "-c", script, f"{issuing.url}/token"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "asked\n"
    assert not [word for word in ("hunter2", "c0de", "s3ssion", "t0ken") if word in done.stderr]
