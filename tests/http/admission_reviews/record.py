"""Records what a real kube-apiserver asks the webhooks of deploy/kubernetes/admission.yaml: see README.md.

python -m tests.http.admission_reviews.record KUBE_APISERVER [ETCD]
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from conformance.ports import free_port

HERE: Final = Path(__file__).parent
MANIFESTS: Final = HERE.parents[2] / "deploy" / "kubernetes" / "admission.yaml"
TOKEN: Final = "recorder"
IMAGE: Final = "registry.example/acme/models/bert"
Object = dict[str, Any]


class Cluster:
    """A Kubernetes API without nodes and controllers: what is made there stays as it is."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(certificate)
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def call(self, method: str, path: str, document: Any = None, kind: str = "json") -> requests.Response:
        """Send a document: `json`, or a patch, `strategic-merge-patch+json`."""
        headers = {"Content-Type": f"application/{kind}"}
        body = None if document is None else json.dumps(document)
        return self._session.request(method, self.url + path, data=body, headers=headers, timeout=30)

    def done(self, method: str, path: str, document: Any = None, kind: str = "json") -> Any:
        """Do what `call` does; it has to be taken."""
        answer = self.call(method, path, document, kind)
        assert answer.ok, answer.text
        return answer.json()

    def ask_webhooks(self, url: str, authority: bytes) -> None:
        """Apply the manifests, with the webhooks at a URL."""
        for document in yaml.safe_load_all(MANIFESTS.read_text()):
            for webhook in document["webhooks"]:
                place = webhook["clientConfig"]
                place["url"] = place["url"].replace("https://registry.example", url)
                place["caBundle"] = base64.b64encode(authority).decode()
            plural = f"{document['kind'].lower()}s"
            self.done("POST", f"/apis/admissionregistration.k8s.io/v1/{plural}", document)
        time.sleep(2)  # the API server looks for webhooks about once a second


@contextmanager
def running(apiserver: str, etcd: str, directory: Path) -> Iterator[Cluster]:
    """Run etcd and a kube-apiserver on loopback, with a namespace `models`."""
    certificate = make_certificate(directory)
    make(directory, "genrsa", "-out", "accounts.key", "2048")
    (directory / "tokens.csv").write_text(f"{TOKEN},jane,jane\n")
    store, peer, port = free_port(), free_port(), free_port()
    endpoint, between = (f"http://127.0.0.1:{number}" for number in (store, peer))
    with ExitStack() as stack:
        for name, command in {
            "etcd": [
                etcd,
                "--data-dir=etcd",
                f"--listen-client-urls={endpoint}",
                f"--advertise-client-urls={endpoint}",
                f"--listen-peer-urls={between}",
                f"--initial-advertise-peer-urls={between}",
                f"--initial-cluster=default={between}",
                "--unsafe-no-fsync",
            ],
            "kube-apiserver": [
                apiserver,
                f"--etcd-servers={endpoint}",
                "--bind-address=127.0.0.1",
                "--endpoint-reconciler-type=none",  # it would take no address of loopback
                "--advertise-address=127.0.0.1",
                f"--secure-port={port}",
                "--tls-cert-file=server.pem",
                "--tls-private-key-file=server.key",
                "--token-auth-file=tokens.csv",
                "--authorization-mode=AlwaysAllow",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-key-file=accounts.key",
                "--service-account-signing-key-file=accounts.key",
            ],
        }.items():
            log = stack.enter_context((directory / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        cluster = Cluster(port, certificate)
        wait(cluster, directory / "kube-apiserver.log")
        cluster.done("POST", "/api/v1/namespaces", {"metadata": {"name": "models"}})
        # A controller makes it in a whole cluster; no pod is let in without.
        cluster.done("POST", "/api/v1/namespaces/models/serviceaccounts", {"metadata": {"name": "default"}})
        yield cluster


def wait(cluster: Cluster, log: Path) -> None:
    """Return when the API server is ready. Raise TimeoutError."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if cluster.call("GET", "/readyz").ok and cluster.call("GET", "/api/v1/namespaces/default").ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)
    raise TimeoutError(log.read_text()[-4000:])


def make(directory: Path, *arguments: str) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_certificate(directory: Path) -> Path:
    """Make `server.key` and `server.pem`, a certificate of 127.0.0.1 that vouches for itself."""
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", "server.key", "-out", "server.pem")
    make(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    return directory / "server.pem"


class Recorder(ThreadingHTTPServer):
    """Webhooks that let everything in and keep what they are asked."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("server.key"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.asked: list[tuple[str, bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path.partition("?")[0].rpartition("/")[2], body))
        response = {"uid": json.loads(body)["request"]["uid"], "allowed": True}
        answer = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server has named it so
        """Say nothing."""


def container(name: str, tag: str = "v1") -> Object:
    """Return a container of the image's tag."""
    return {"name": name, "image": f"{IMAGE}:{tag}"}


def pod(name: str, **more: Any) -> Object:
    """Return a pod of one container, with more in its spec."""
    return {"metadata": {"name": name}, "spec": {"containers": [container("bert")]} | more}


def template(**more: Any) -> Object:
    """Return what makes pods with an init container."""
    spec = {"initContainers": [container("fetch")], "containers": [container("bert")]} | more
    return {"metadata": {"labels": {"app": "bert"}}, "spec": spec}


CORE: Final = "/api/v1/namespaces/models"
APPS: Final = "/apis/apps/v1/namespaces/models"
BATCH: Final = "/apis/batch/v1/namespaces/models"
SELECTOR: Final = {"matchLabels": {"app": "bert"}}
PATCH: Final = "strategic-merge-patch+json"


def named(name: str, **spec: Any) -> Object:
    """Return an object with a spec."""
    return {"metadata": {"name": name}, "spec": spec}


def steps() -> Iterator[tuple[str, str, str, Any, str]]:
    """Yield what is done: the recording's name, a method, a path, a document and its kind."""

    def create(name: str, path: str, document: Any) -> tuple[str, str, str, Any, str]:
        return name, "POST", path, document, "json"

    def patch(name: str, path: str, document: Any) -> tuple[str, str, str, Any, str]:
        return name, "PATCH", path, document, PATCH

    yield create("pod", f"{CORE}/pods", pod("bert"))
    yield create("pod-dry-run", f"{CORE}/pods?dryRun=All", pod("dry"))
    nameless = pod("") | {"metadata": {"generateName": "bert-"}}
    yield create("pod-without-a-name", f"{CORE}/pods", nameless)
    yield create("pod-with-init-containers", f"{CORE}/pods", pod("init", initContainers=[container("fetch")]))
    volume = {"name": "model", "image": {"reference": f"{IMAGE}:v1", "pullPolicy": "IfNotPresent"}}
    yield create("pod-with-an-image-volume", f"{CORE}/pods", pod("volume", volumes=[volume]))
    debugging = container("debugger", "debug") | {"targetContainerName": "bert"}
    yield patch("pod-debugged", f"{CORE}/pods/bert/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugging]}})
    yield patch("pod-updated", f"{CORE}/pods/bert", {"spec": {"containers": [container("bert", "v2")]}})
    yield patch("pod-labelled", f"{CORE}/pods/bert", {"metadata": {"labels": {"stage": "prod"}}})
    yield create("pod-template", f"{CORE}/podtemplates", {"metadata": {"name": "bert"}, "template": template()})
    controller = named("bert", selector={"app": "bert"}, template=template())
    yield create("replication-controller", f"{CORE}/replicationcontrollers", controller)
    workload = {"selector": SELECTOR, "template": template()}
    yield create("replica-set", f"{APPS}/replicasets", named("bert", **workload))
    yield create("daemon-set", f"{APPS}/daemonsets", named("bert", **workload))
    yield create("stateful-set", f"{APPS}/statefulsets", named("bert", serviceName="bert", **workload))
    yield create("deployment", f"{APPS}/deployments", named("bert", **workload))
    yield patch("deployment-scaled", f"{APPS}/deployments/bert", {"spec": {"replicas": 3}})
    newer = {"spec": {"template": {"spec": {"containers": [container("bert", "v2")]}}}}
    yield patch("deployment-updated", f"{APPS}/deployments/bert", newer)
    # Not asked about at all: the rules name no such subresource, by which no image can be changed.
    yield patch("deployment-scale", f"{APPS}/deployments/bert/scale", {"spec": {"replicas": 5}})
    job = {"template": template(restartPolicy="Never")}
    yield create("job", f"{BATCH}/jobs", named("bert", **copy.deepcopy(job)))
    cron = named("bert", schedule="@daily", jobTemplate={"spec": job})
    yield create("cron-job", f"{BATCH}/cronjobs", cron)


def record(cluster: Cluster, recorder: Recorder) -> Iterator[tuple[str, bytes]]:
    """Yield the names of files and what is in them, byte for byte."""
    for name, method, path, document, kind in steps():
        recorder.asked.clear()
        cluster.done(method, path, document, kind)
        verbs = [verb for verb, _ in recorder.asked]
        assert verbs == ([] if "/scale" in path else ["mutate", "validate"]), (name, verbs)
        for verb, body in recorder.asked:
            yield f"{name}.{verb}.json", body


def main() -> None:
    """Record everything anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("apiserver")
    parser.add_argument("etcd", nargs="?", default="etcd")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        with running(given.apiserver, given.etcd, directory) as cluster:
            certificate = directory / "server.pem"
            recorder = Recorder(certificate)
            cluster.ask_webhooks(f"https://127.0.0.1:{recorder.server_port}", certificate.read_bytes())
            for name, body in record(cluster, recorder):
                (HERE / name).write_bytes(body)


if __name__ == "__main__":
    main()
