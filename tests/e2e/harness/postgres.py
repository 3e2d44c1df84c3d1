"""A PostgreSQL server of the test's own: its cluster in the test's folder, a Unix socket and no port."""
import os
import pathlib
import shutil
import subprocess

from harness import wait


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    assert found, "Debian's postgresql is not installed (packaging/install-packages.sh test)"
    return found[-1].parent


class Postgres:
    """It refuses root, so it runs as nobody then. Everybody who reaches its socket may enter as `postgres`, and as
    `reader` with the password "secret"."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.folder.mkdir()
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        (self.data / "pg_hba.conf").write_text("local all reader scram-sha-256\nlocal all all trust\n")
        self.process = None
        self.start()

    def command(self, program, *arguments):
        drop = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        return [*drop, programs() / program, *arguments]

    def run(self, program, *arguments, text=None):
        done = subprocess.run(self.command(program, *arguments), input=text, capture_output=True, text=True,
                              timeout=120, cwd=self.folder, env={**os.environ, "LC_ALL": "C"})
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def start(self):
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off",
                    "shared_buffers": "16MB", "max_connections": "20"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(self.command("postgres", "-D", self.data, *options), cwd=self.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait.until(self.works, 30, "PostgreSQL serving")

    def works(self):
        assert self.process.poll() is None, "PostgreSQL has ended"
        return subprocess.run(self.command("pg_isready", "-q", "-h", self.folder), timeout=30).returncode == 0

    def sql(self, text):
        return self.run("psql", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres", "postgres",
                        text=text).strip()

    def stop(self, seconds=30):
        """Fast: its sessions are ended."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(2)
            self.process.wait(seconds * wait.PATIENCE)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
