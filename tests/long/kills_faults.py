"""What `make kills` does to a run: signals to its processes, disks that are full, folders that cannot be written."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOM = 1 << 28  # bytes of the disk that a run is repeated on
LONGEST = 900.0  # seconds that a run may take


def inside_a_mount_namespace(arguments: list[str]) -> None:
    """Start the program again where it may mount, and where its mounts end with it; return where that cannot be.

    No rights are needed where the kernel lets users have name spaces of their own.
    """
    if os.environ.get("KILLS_MAY_MOUNT"):
        return
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--"]
    works = shutil.which("unshare") and subprocess.run([*own, "true"], capture_output=True, check=False).returncode == 0
    os.environ["KILLS_MAY_MOUNT"] = "yes" if works else "no"
    if works:
        os.execvp(own[0], [*own, *arguments])


def may_mount() -> bool:
    """Say whether this process can mount."""
    return os.environ.get("KILLS_MAY_MOUNT") == "yes"


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator["Disk"]:
    """Put `folder`, with what it holds, on a disk of its own; its files are gone at the end."""
    content = folder.with_name(f"{folder.name}.content")
    folder.rename(content)
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={ROOM}", "none", folder)
    try:
        shutil.copytree(content, folder, dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(content)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Disk:
    """A disk whose free space can be chosen."""

    def __init__(self, folder: Path):
        self.folder = folder

    def leave(self, free: int) -> None:
        """Leave at most `free` bytes free, in whole pages."""
        now = os.statvfs(self.folder)
        size = (free // now.f_bsize + now.f_blocks - now.f_bfree) * now.f_bsize
        _mount("-o", f"remount,size={size}", self.folder)


@contextmanager
def read_only(folders: list[Path]) -> Iterator[None]:
    """Let nobody, not even root, write into folders."""
    mounted = []
    try:
        for folder in folders:
            _mount("--bind", folder, folder)
            mounted.append(folder)
            _mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Running:
    """A Snakemake that runs, with all its processes.

    Parameters
    ----------
    command : list of str
    environment : dict
    output : path
        Gets what it prints.
    """

    def __init__(self, command: list[str], environment: dict[str, str], output: Path):
        self.output, self.script = output, None
        with output.open("wb") as handle:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def ended(self) -> bool:
        """Say whether Snakemake itself has ended."""
        return self.process.poll() is not None

    def finish(self) -> int:
        """Wait for Snakemake itself and return its exit status."""
        return self.process.wait(LONGEST)

    def members(self) -> list[int]:
        """Return the ids of all its processes, also of those that outlive it."""
        found = []
        for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            try:
                if os.getsid(pid) == self.process.pid and _state(pid) != "Z":
                    found.append(pid)
            except OSError:
                pass  # it has just ended
        return found

    def job(self) -> int | None:
        """Return the id of the process that runs a rule's script."""
        if self.script not in self.members():
            self.script = None
            for pid in self.members():
                with suppress(OSError):  # it has just ended
                    if "/.snakemake/scripts/tmp" in Path(f"/proc/{pid}/cmdline").read_text():
                        self.script = pid
        return self.script

    def strike(self, whom: str, number: signal.Signals) -> bool:
        """Send a signal to ``all`` processes, the ``job`` or ``snakemake`` alone; False: it is not there."""
        pid = self.job() if whom == "job" else self.process.pid
        if pid is None or self.ended():
            return False
        try:
            (os.killpg if whom == "all" else os.kill)(pid, number)
        except ProcessLookupError:
            return False
        return True

    def outlived(self) -> None:
        """Wait until none of its processes is left."""
        until = time.monotonic() + LONGEST
        while self.members():
            if time.monotonic() > until:
                raise TimeoutError(f"processes {self.members()} have not ended in {LONGEST:g} s")
            time.sleep(0.05)

    def text(self) -> str:
        """Return what it has printed."""
        return self.output.read_text(errors="replace")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
