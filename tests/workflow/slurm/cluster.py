"""A throwaway SLURM of one machine, for tests: two nodes that pretend to have GPUs, without systemd and accounting.

    python tests/workflow/slurm/cluster.py up FOLDER
    python tests/workflow/slurm/cluster.py down FOLDER

As root, with Debian's packages slurmctld, slurmd, slurm-client and munge. All lies in the folder but for links in
/etc/slurm, where the commands look for their configuration. A machine whose SLURM is configured already is left alone.
"""

import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
NODES, PORT = 2, 17001
# A job that takes more memory than it asked for is found by looking every other second. Nodes claim more processors and
# memory than the machine has, so that jobs may ask for what they would on a cluster; a GPU is another /dev/null.
CONF = """\
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=600
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=3,bf_interval=3,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
DefMemPerCPU=1000
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=64 RealMemory=500000 \
Gres=gpu:4 State=UNKNOWN
PartitionName=cpu Nodes=n[1-{nodes}] Default=YES MaxTime=7-0 State=UP
PartitionName=gpu Nodes=n[1-{nodes}] MaxTime=7-0 State=UP
"""


def reason_not() -> str:
    """Return why there can be no cluster on this machine, or nothing."""
    if os.geteuid():
        return "needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = "slurmctld slurmd slurm-client munge"
        return f"no {', '.join(missing)} (Debian: apt-get install --no-install-recommends {packages})"
    foreign = [name for name in FILES if (ETC / name).exists() and not (ETC / name).is_symlink()]
    return f"{ETC / foreign[0]} is that of another SLURM" if foreign else ""


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def up(folder: Path) -> None:
    """Start it, and wait until both nodes are there."""
    for name in ("state", *(f"spool.n{i + 1}" for i in range(NODES))):
        (folder / name).mkdir(parents=True, exist_ok=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    texts = CONF.format(folder=folder, host=host, nodes=NODES, first=PORT, last=PORT + NODES - 1)
    (folder / "slurm.conf").write_text(texts)
    for i in range(4):
        os.mknod(folder / f"gpu{i}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"NodeName=n[1-{NODES}] Name=gpu File={folder}/gpu[0-3]\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
    ETC.mkdir(exist_ok=True)
    for name in FILES:
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(folder / name)
    _run(
        "munged", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed",
    )  # fmt: skip
    _run("slurmctld", "-c")
    for i in range(NODES):
        _run("slurmd", "-N", f"n{i + 1}")
    for _ in range(120):
        states = _run("sinfo", "--noheader", "--Node", "--partition=cpu", "--format=%T", check=False).split()
        if states == ["idle"] * NODES:
            return
        _run("scontrol", "update", f"nodename=n[1-{NODES}]", "state=resume", check=False)
        time.sleep(0.5)
    raise RuntimeError(f"the cluster did not come up: {states}; logs in {folder}")


def down(folder: Path) -> None:
    """End its processes, by their numbers, and take the links away."""
    _run("scancel", "--full", f"--user={os.environ.get('USER', 'root')}", check=False)
    time.sleep(1)
    for path in [*sorted(folder.glob("slurmd.*.pid")), folder / "slurmctld.pid", folder / "munged.pid"]:
        if path.exists() and (number := path.read_text().strip()):
            _run("kill", number, check=False)
            for _ in range(50):
                if not Path(f"/proc/{number}").exists():
                    break
                time.sleep(0.2)
    for name in FILES:
        link = ETC / name
        if link.is_symlink() and link.readlink().parent == folder:
            link.unlink()


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2]).absolute()
    if what == "up" and (why := reason_not()):
        sys.exit(f"no SLURM: {why}")
    {"up": up, "down": down}[what](where)
