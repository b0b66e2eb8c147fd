"""A throw-away, single-node, real S3 server for tests: Ceph's RADOS Gateway with its monitor and one store, objects in RAM.

No systemd, no containers, no privileges beyond a folder and free ports. About 14 seconds to start, 110 MB.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph", "radosgw-admin")
KEY, SECRET = "testkey", "testsecret"
START_SECONDS = 600.0
"""For one step of the start. A limit against waiting for ever, which a loaded machine must not reach."""
STORE_BYTES = 1 << 30
_CLASSES = "/usr/lib/x86_64-linux-gnu/rados-classes"
_CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"},
    "client.rgw.a": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow rw"},
}


def is_installed() -> bool:
    """Whether every program that a gateway needs is on PATH."""
    return all(shutil.which(program) for program in PROGRAMS)


@dataclass
class CephGateway:
    """A running gateway. `stop()` ends its processes."""

    folder: Path
    port: int

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """Its configuration file, with which each program is called."""
        return self.folder / "ceph.conf"

    def stop(self) -> None:
        """Ends gateway, store and monitor, by the process ids that they wrote."""
        for name in ("client.rgw.a", "osd.0", "mon.a"):
            file = self.folder / "run" / f"{name}.pid"
            if file.exists():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(file.read_text()), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def start_gateway(folder: Path) -> CephGateway:
    """A gateway that answers, with one user (`KEY`, `SECRET`). `folder` is made, and removed when it stops."""
    for name in ("mon", "osd", "run", "log"):
        (folder / name).mkdir(parents=True)
    port, monitor_port, old_monitor_port = (_free_port() for _ in range(3))
    gateway = CephGateway(folder, port)
    cluster = str(uuid.uuid4())
    gateway.config.write_text(_configuration(folder, cluster, port, monitor_port, old_monitor_port))
    try:
        _make_keys(folder)
        _start_monitor(gateway, cluster, monitor_port, old_monitor_port)
        _start_store(gateway)
        user = ["--uid=test", "--display-name=test", f"--access-key={KEY}", f"--secret-key={SECRET}"]
        _run(gateway, "radosgw-admin", "-n", "client.rgw.a", "user", "create", *user)
        _run(gateway, "radosgw", "-n", "client.rgw.a")
        _wait(lambda: _listens(port), "the gateway to listen")
    except BaseException:
        gateway.stop()
        raise
    return gateway


def _configuration(folder: Path, cluster: str, port: int, monitor: int, old_monitor: int) -> str:
    return f"""
[global]
fsid = {cluster}
mon initial members = a
mon host = [v2:127.0.0.1:{monitor},v1:127.0.0.1:{old_monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
keyring = {folder}/keyring
crash dir = {folder}/log
[mon]
mon data = {folder}/mon
debug mon = 0
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {STORE_BYTES}
osd class dir = {_CLASSES}
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable usage log = false
rgw thread pool size = 32
rgw data = {folder}/run
"""


def _make_keys(folder: Path) -> None:
    create = ["--create-keyring"]
    for name, capabilities in _CAPABILITIES.items():
        granted = [word for kind, rule in capabilities.items() for word in ("--cap", kind, rule)]
        _call("ceph-authtool", *create, str(folder / "keyring"), "--gen-key", "-n", name, *granted)
        create = []


def _start_monitor(gateway: CephGateway, cluster: str, port: int, old_port: int) -> None:
    folder = gateway.folder
    addresses = f"[v2:127.0.0.1:{port},v1:127.0.0.1:{old_port}]"
    _call("monmaptool", "--create", "--fsid", cluster, "--addv", "a", addresses, str(folder / "monmap"))
    places = ["-i", "a", "--mon-data", str(folder / "mon"), "--keyring", str(folder / "keyring")]
    _run(gateway, "ceph-mon", "--mkfs", "--monmap", str(folder / "monmap"), *places)
    _run(gateway, "ceph-mon", *places[:4])


def _start_store(gateway: CephGateway) -> None:
    name = str(uuid.uuid4())
    _run(gateway, "ceph", "osd", "new", name, "0")
    _run(gateway, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)
    _run(gateway, "ceph-osd", "-i", "0")
    _wait(lambda: "1 up" in _run(gateway, "ceph", "osd", "stat"), "the store to be up")


def _run(gateway: CephGateway, program: str, *words: str) -> str:
    return _call(program, "-c", str(gateway.config), *words)


def _call(*command: str) -> str:
    # Daemons keep what they inherit open, so output goes to files and not to pipes that would never end.
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: object, what: str) -> None:
    assert callable(ready)
    end = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"expected {what} within {START_SECONDS:.0f} seconds; see the logs beside the configuration")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
