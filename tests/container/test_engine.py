"""The image and docker-compose.yml with a real Docker Engine: engine.py says how nothing of it is left."""

import re

import engine

engine.confine()

import compose  # noqa: E402
import image  # noqa: E402
from attnd_client import Claims  # noqa: E402


def suite():
    """The Debian that the Dockerfile names."""
    return re.search(r"^ARG DEBIAN=(\w+)$", (engine.SOURCE / "Dockerfile").read_text(), re.M).group(1)


def build(debian):
    engine.import_base(debian)
    engine.build("attnd", engine.SOURCE)
    engine.build(compose.balancer_image(), engine.SOURCE / "tests/container/haproxy", "--build-arg", f"DEBIAN={debian}")


def main():
    claims = Claims()
    debian = suite()
    running = engine.Engine(alone=True)
    try:
        info = running.info()
        print(f"Docker Engine {info['ServerVersion']}, storage by {info['Driver']}, control groups of version "
              f"{info['CgroupVersion']}, docker-compose {engine.run('docker-compose', 'version', '--short')}", flush=True)
        built = claims.check(f"the images build on debian:{debian}-slim", lambda: build(debian) or True)
        running.stop()
        if built:
            engine.leave_network()
            running = engine.Engine(alone=False)
            image.main(claims, running, "attnd", f"debian:{debian}-slim")
            compose.main(claims)
    finally:
        running.stop()
        engine.remove_traces()
    claims.finish()


main()
