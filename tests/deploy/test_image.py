"""The container image: built from nothing, twice the same, run as in a cluster that permits nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.image import Builder, Container, builder, copy_of_sources
from tests.lifecycle.artifact import assert_served, push


@pytest.fixture(scope="module")
def buildah(request: pytest.FixtureRequest) -> Iterator[Builder]:
    """Return a builder, where that is asked for."""
    if not request.config.getoption("--image", default=False):
        pytest.skip("downloads an operating system and takes minutes: `make image` does it")
    assert os.geteuid() == 0, "a root directory can be made by root only"
    missing = [name for name in ("buildah", "debootstrap", "unshare", "setpriv") if shutil.which(name) is None]
    assert missing == [], f"apt-get install {' '.join(missing)}"
    with builder() as made:
        yield made


def test_an_image_is_the_same_each_time_and_serves_on_a_read_only_root(buildah: Builder, tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "sources")
    image, again = (buildah.build(sources, f"localhost/{name}") for name in ("blacklake", "again"))
    assert image["rootfs"]["diff_ids"] == again["rootfs"]["diff_ids"]
    assert image["config"]["User"] == "10001:10001"
    check = image["config"]["Healthcheck"]["Test"]
    assert check[0] == "CMD"

    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o1777)  # as a tmpfs or an emptyDir is
    with buildah.mounted("localhost/blacklake") as root:
        container = Container(root, image, volume)
        written = container.run("touch", "/opt/blacklake/x", "/etc/x", "/tmp/x")
        assert written.stderr.count("Read-only file system") == 3
        refused = container.run("blacklake", "serve")
        assert (refused.returncode, "--insecure-open" in refused.stderr) == (2, True), refused.stderr

        settings = {"BLACKLAKE_INSECURE_OPEN": "true", "BLACKLAKE_PORT": "0"}
        with container.serving(tmp_path / "log", **settings) as port:
            artifact = push(f"http://127.0.0.1:{port}")
            assert_served(f"http://127.0.0.1:{port}", artifact)
            assert container.run(*check[1:], BLACKLAKE_PORT=str(port)).returncode == 0
        assert container.run(*check[1:], BLACKLAKE_PORT=str(port)).returncode == 1
        with container.serving(tmp_path / "log", **settings) as port:
            assert_served(f"http://127.0.0.1:{port}", artifact)
