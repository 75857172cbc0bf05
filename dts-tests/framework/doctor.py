"""Trees of /sys, /proc and /dev for linejudge doctor, and what it finds in them."""

import json

from framework.linejudge import run, verify

NIC = "0000:3b:00.0"
CONFIG = {"capture": {"ports": [{"name": NIC, "queues": 2, "mbufs": 16384}]},
          "lcores": {"workers": 2, "worker_cpus": "2,3"}, "flow": {"capacity": 65536}, "models": []}


class Tree:
    """A machine in which all is well, until a test changes it."""

    def __init__(self, root):
        self.root = root
        for cpu in range(4):
            self.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", "performance")
            self.write(f"sys/devices/system/node/node0/cpu{cpu}/online", "1")
        self.write("sys/devices/system/cpu/isolated", "2-3")
        self.hugepages(0, 2048)
        self.write("proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n")
        self.write("dev/hugepages/.keep", "")
        self.write("sys/module/vfio_pci/refcnt", "1")
        self.nic(NIC)

    def path(self, path):
        return self.root / path

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text + "\n")

    def link(self, path, target):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).unlink(missing_ok=True)
        self.path(path).symlink_to(target)

    def hugepages(self, node, pages):
        self.write(f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/free_hugepages", str(pages))

    def nic(self, address, device="0x1572", driver="vfio-pci", group="7"):
        at = f"sys/bus/pci/devices/{address}"
        for name, text in {"vendor": "0x8086", "device": device, "numa_node": "0", "current_link_speed": "8.0 GT/s PCIe",
                           "max_link_speed": "8.0 GT/s PCIe", "current_link_width": "8", "max_link_width": "8"}.items():
            self.write(f"{at}/{name}", text)
        self.link(f"{at}/driver", f"../../drivers/{driver}")
        self.link(f"{at}/iommu_group", f"../../../../kernel/iommu_groups/{group}")
        self.write(f"sys/kernel/iommu_groups/{group}/devices/{address}", "")


def examine(tree, tmp_path, config=None, *settings):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config or CONFIG))
    done = run("doctor", "--config", path, "--root", tree.root, "--json", *settings)
    verify(done.stderr == "", done.stderr)
    report = json.loads(done.stdout)
    code = {"fine": 0, "note": 0, "warning": 2, "fatal": 3}[report["worst"]]
    verify(done.returncode == code, f"exit {done.returncode} for {report['worst']}")
    return report


def found(report, check, severity):
    """The one finding of that kind; all that is bad comes with a remedy."""
    for finding in report["findings"]:
        if finding["severity"] in ("warning", "fatal"):
            verify(finding["remedy"], f"no remedy: {finding}")
    hits = [f for f in report["findings"] if f["check"] == check and f["severity"] == severity]
    verify(len(hits) == 1, f"{len(hits)} of {check} {severity}: {json.dumps(report['findings'], indent=1)}")
    return hits[0]


def only_bad(report, check, severity):
    """Nothing else is bad."""
    hit = found(report, check, severity)
    bad = [f for f in report["findings"] if f["severity"] in ("warning", "fatal")]
    verify(bad == [hit], f"more is bad: {bad}")
    return hit
