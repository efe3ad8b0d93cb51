"""What the clients of the faults take for an answer."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.faults.wire import Gone, Wire


@pytest.mark.parametrize("end", [b"", b"Content-Ty", b"Content-Length: 3\r\n\r\nab"])
def test_an_answer_of_the_storage_that_is_cut_off_is_none(end: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        location = f"Location: http://127.0.0.1:{port}/x\r\nContent-Length: 0\r\n\r\n".encode()
        answers = [b"HTTP/1.1 307 Temporary Redirect\r\n" + location, b"HTTP/1.1 200 OK\r\n" + end]

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        wire = Wire(port, pytest.fail)
        with pytest.raises(Gone):
            wire.request("GET", "/v2/soak/blobs/x")
        wire.close()
        serving.join()
