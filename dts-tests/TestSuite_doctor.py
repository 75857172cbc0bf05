"""linejudge doctor on made trees of /sys, /proc and /dev."""

import fcntl
import json
import os
import subprocess

import pytest

from framework.linejudge import BINARY, TIMEOUT_S, error_line, run, verify
from framework.netns import IN_HOST, cable, two_hosts

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


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "root")


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


class TestHealth:
    def test_a_well_machine_is_said_to_be_well(self, tree, tmp_path):
        """
        Steps: examine a tree in which all is right.
        Verify: exit 0; every examination says fine.
        """
        report = examine(tree, tmp_path)
        verify(report["worst"] == "note", report)
        for check in ("hugepages", "stale files", "driver", "iommu", "pcie", "descriptors", "isolation", "governor", "numa"):
            found(report, check, "fine")
        versions = [f["subject"] for f in report["findings"] if f["check"] == "versions" and f["severity"] == "fine"]
        verify(versions == ["DPDK", "XGBoost"], versions)
        found(report, "lldp", "note")
        verify("9.01 or newer" in found(report, "firmware", "note")["what"], report)

    def test_the_text_has_the_remedies(self, tree, tmp_path):
        """
        Steps: the same with no hugepages, as text.
        Verify: the remedy follows its finding.
        """
        tree.hugepages(0, 0)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(CONFIG))
        done = run("doctor", "--config", path, "--root", tree.root)
        verify(done.returncode == 2 and "-> echo" in done.stdout, done.stdout)

    def test_bad_usage_is_neither(self):
        """
        Steps: give it an unknown option.
        Verify: exit 1 and one line.
        """
        verify("no such option" in error_line(run("doctor", "--sys", "/")), "not said")


class TestMemory:
    def test_hugepages_that_do_not_suffice(self, tree, tmp_path):
        """
        Steps: 20 MiB of hugepages; then with eal.huge on.
        Verify: a warning, then fatal, with the number of pages.
        """
        tree.hugepages(0, 10)
        hit = only_bad(examine(tree, tmp_path), "hugepages", "warning")
        verify(hit["subject"] == "node 0" and "20 MiB free" in hit["what"] and "nr_hugepages" in hit["remedy"], hit)
        only_bad(examine(tree, tmp_path, None, "--set", "eal.huge=on"), "hugepages", "fatal")

    def test_pages_of_1_gib_are_not_shared_at_will(self, tree, tmp_path):
        """
        Steps: two workers of a million flows, and 4 pages of 1 GiB, which are more than the sum of all; then 5.
        Verify: a warning, since each table begins in a page of its own; then all is well.
        """
        at = "sys/devices/system/node/node0/hugepages/hugepages-1048576kB"
        tree.hugepages(0, 0)
        tree.write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0")
        for pages, severity, words in ((4, "warning", "4096 MiB free, 5120 needed"), (5, "fine", "5120 MiB free, 5120 needed")):
            for name in ("nr_hugepages", "free_hugepages"):
                tree.write(f"{at}/{name}", str(pages))
            hit = found(examine(tree, tmp_path, None, "--set", "flow.capacity=1048576"), "hugepages", severity)
            verify(words in hit["what"], hit)

    def test_what_a_killed_program_left_is_had_again(self, tree, tmp_path):
        """
        Steps: 20 MiB of hugepages free and 4 GiB in a file; eal.huge on. Then lock the file, as DPDK does with those it uses.
        Verify: hugepages are fine, since a start takes back what no program uses; they do not suffice where one does.
        """
        tree.hugepages(0, 10)
        tree.write("dev/hugepages/linejudgemap_0", "")
        os.truncate(tree.path("dev/hugepages/linejudgemap_0"), 4 << 30)
        report = examine(tree, tmp_path, None, "--set", "eal.huge=on")
        verify("stale files, which are freed at start" in found(report, "hugepages", "fine")["what"], report)
        found(report, "stale files", "warning")
        with open(tree.path("dev/hugepages/linejudgemap_0"), encoding="ascii") as used:
            fcntl.flock(used, fcntl.LOCK_SH)
            only_bad(examine(tree, tmp_path, None, "--set", "eal.huge=on"), "hugepages", "fatal")

    def test_pages_in_use_are_not_asked_back(self, tree, tmp_path):
        """
        Steps: 1,000 pages, all of them another program's.
        Verify: the remedy asks for as many more as are lacking, not for less than there are.
        """
        tree.hugepages(0, 0)
        tree.write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "1000")
        hit = only_bad(examine(tree, tmp_path), "hugepages", "warning")
        needed = int(hit["what"].split(" needed")[0].split()[-1])
        verify(int(hit["remedy"].split()[1]) == 1000 + needed // 2 + 1, hit)

    def test_hugepages_on_the_wrong_node(self, tree, tmp_path):
        """
        Steps: the NIC is on node 1, which has none.
        Verify: node 1 is named; so are the workers, which are far from it.
        """
        tree.write(f"sys/bus/pci/devices/{NIC}/numa_node", "1")
        tree.hugepages(1, 0)
        report = examine(tree, tmp_path)
        verify(found(report, "hugepages", "warning")["subject"] == "node 1", report)
        verify("CPU 2,3" in found(report, "numa", "warning")["what"], report)

    def test_hugetlbfs_is_not_mounted(self, tree, tmp_path):
        """
        Steps: no hugetlbfs in /proc/mounts.
        Verify: a warning.
        """
        tree.write("proc/mounts", "proc /proc proc rw 0 0")
        verify(only_bad(examine(tree, tmp_path), "hugepages", "warning")["subject"] == "hugetlbfs", "not said")

    def test_stale_files_are_told_from_those_in_use(self, tree, tmp_path):
        """
        Steps: two hugepage files, one of them locked as DPDK locks its own.
        Verify: one is stale.
        """
        for name in ("linejudgemap_0", "linejudgemap_1"):
            tree.write(f"dev/hugepages/{name}", "x")
        with open(tree.path("dev/hugepages/linejudgemap_1"), encoding="ascii") as used:
            fcntl.flock(used, fcntl.LOCK_SH)
            hit = only_bad(examine(tree, tmp_path), "stale files", "warning")
        verify(hit["what"].startswith("1 hugepage files"), hit)

    @pytest.mark.parametrize("mbufs, severity, words", [
        (2**20, "fatal", "2304 MiB needed, 2000 available"), (2**19, "warning", "MiB needed once tables are full, 2000 available"),
        (2**10, "fine", "2000 MiB available"),
    ])
    def test_ordinary_memory_has_to_suffice(self, tree, tmp_path, mbufs, severity, words):
        """
        Steps: no hugepages, 2000 MiB of memory; buffers beyond that, buffers and tables beyond that, and less.
        Verify: fatal, a warning, fine: need and have are said.
        """
        tree.write("proc/meminfo", f"MemTotal:  4096000 kB\nMemFree:  1000 kB\nMemAvailable:  {2000 * 1024} kB")
        config = {"capture": {"ports": [{"name": "net_null0", "mbufs": mbufs}]}, "eal": {"huge": "off"}, "models": []}
        hit = found(examine(tree, tmp_path, config), "memory", severity)
        verify(words in hit["what"], hit)

    @pytest.mark.parametrize("group, mbufs, severity", [
        ("system.slice/linejudge.service", 2**20, "fatal"), ("system.slice", 2**19, "warning"), ("system.slice", 2**10, "fine"),
    ])
    def test_a_cgroup_holds_less_than_the_machine(self, tree, tmp_path, group, mbufs, severity):
        """
        Steps: no hugepages, memory enough, but the unit or the slice it is in has 2100 MiB at most and uses 200, half of it page cache.
        Verify: what the cgroup leaves is what there is; the remedy names its limit.
        """
        tree.write("proc/meminfo", f"MemAvailable:  {64 * 2**20} kB")
        tree.write("proc/self/cgroup", "0::/system.slice/linejudge.service")
        tree.write("sys/fs/cgroup/system.slice/linejudge.service/memory.max", "max")
        tree.write(f"sys/fs/cgroup/{group}/memory.max", str(2100 * 2**20))
        tree.write(f"sys/fs/cgroup/{group}/memory.current", str(200 * 2**20))
        tree.write(f"sys/fs/cgroup/{group}/memory.stat", f"anon 1\ninactive_file {60 * 2**20}\nactive_file {40 * 2**20}")
        config = {"capture": {"ports": [{"name": "net_null0", "mbufs": mbufs}]}, "eal": {"huge": "off"}, "models": []}
        hit = found(examine(tree, tmp_path, config), "memory", severity)
        verify("2000 MiB available in its cgroup" in hit["what"] or "2000 available in its cgroup" in hit["what"], hit)
        verify(severity == "fine" or f"raise /sys/fs/cgroup/{group}/memory.max" in hit["remedy"], hit)


class TestDevices:
    @pytest.mark.parametrize("name", ["0000:3b:00.1", "auto:0000:3b:00.1"])
    def test_no_such_device(self, tree, tmp_path, name):
        """
        Steps: ask for an address that is not there, of DPDK's driver and of whichever way goes.
        Verify: fatal.
        """
        config = json.loads(json.dumps(CONFIG))
        config["capture"]["ports"][0]["name"] = name
        hit = only_bad(examine(tree, tmp_path, config), "device", "fatal")
        verify(hit["subject"] == "0000:3b:00.1", hit)

    def test_a_domain_beyond_ffff(self, tree, tmp_path):
        """
        Steps: name a port in domain 10000, where Intel's VMD puts what is behind it.
        Verify: it is found, with its driver.
        """
        tree.nic("10000:01:00.0")
        config = dict(CONFIG, capture={"ports": [{"name": "10000:01:00.0", "queues": 2, "mbufs": 16384}]})
        verify(found(examine(tree, tmp_path, config), "driver", "fine")["subject"] == "10000:01:00.0", "another device")

    @pytest.mark.parametrize("driver, severity", [("i40e", "fatal"), ("uio_pci_generic", "warning")])
    def test_the_driver_is_not_vfio(self, tree, tmp_path, driver, severity):
        """
        Steps: the device is the kernel's, or a UIO driver's.
        Verify: fatal, or a warning; the remedy binds it.
        """
        tree.link(f"sys/bus/pci/devices/{NIC}/driver", f"../../drivers/{driver}")
        hit = only_bad(examine(tree, tmp_path), "driver", severity)
        verify(driver in hit["what"] and f"-b vfio-pci {NIC}" in hit["remedy"], hit)

    def test_mlx5_stays_with_the_kernel(self, tree, tmp_path):
        """
        Steps: a ConnectX bound to mlx5_core, then to vfio-pci.
        Verify: fine, then fatal.
        """
        tree.nic(NIC, device="0x1017", driver="mlx5_core")
        tree.write(f"sys/bus/pci/devices/{NIC}/vendor", "0x15b3")
        found(examine(tree, tmp_path), "driver", "fine")
        tree.link(f"sys/bus/pci/devices/{NIC}/driver", "../../drivers/vfio-pci")
        only_bad(examine(tree, tmp_path), "driver", "fatal")

    def test_no_iommu(self, tree, tmp_path):
        """
        Steps: no IOMMU group; then vfio's unsafe mode.
        Verify: fatal; then a warning.
        """
        tree.path(f"sys/bus/pci/devices/{NIC}/iommu_group").unlink()
        verify("iommu=" in only_bad(examine(tree, tmp_path), "iommu", "fatal")["remedy"], "no remedy")
        tree.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y")
        only_bad(examine(tree, tmp_path), "iommu", "warning")

    def test_a_group_shared_with_the_kernel(self, tree, tmp_path):
        """
        Steps: another device of the group is bound to a driver of the kernel.
        Verify: fatal, and it is named.
        """
        tree.nic("0000:3b:00.1", driver="i40e")
        verify("0000:3b:00.1" in only_bad(examine(tree, tmp_path), "iommu", "fatal")["what"], "not named")

    def test_vfio_is_not_loaded(self, tree, tmp_path):
        """
        Steps: no vfio_pci module.
        Verify: fatal.
        """
        tree.path("sys/module/vfio_pci/refcnt").unlink()
        tree.path("sys/module/vfio_pci").rmdir()
        only_bad(examine(tree, tmp_path), "vfio", "fatal")

    @pytest.mark.parametrize("file, text", [("current_link_width", "4"), ("current_link_speed", "5.0 GT/s PCIe")])
    def test_a_slot_too_narrow_or_slow(self, tree, tmp_path, file, text):
        """
        Steps: half the lanes; a generation behind.
        Verify: a warning with both figures.
        """
        tree.write(f"sys/bus/pci/devices/{NIC}/{file}", text)
        verify("x8 at 8.0 GT/s" in only_bad(examine(tree, tmp_path), "pcie", "warning")["what"], "no figures")

    @pytest.mark.parametrize("descriptors", [8192, 1000])
    def test_descriptors_beyond_the_limits(self, tree, tmp_path, descriptors):
        """
        Steps: more than an X710 has; no multiple of 32.
        Verify: a warning with a number that fits.
        """
        config = json.loads(json.dumps(CONFIG))
        config["capture"]["ports"][0]["descriptors"] = descriptors
        hit = only_bad(examine(tree, tmp_path, config), "descriptors", "warning")
        verify(int(hit["remedy"].split()[-1]) in (4096, 1024), hit)

    def test_more_queues_than_there_are(self, tree, tmp_path):
        """
        Steps: 64 queues of a ring, which has 16.
        Verify: fatal.
        """
        config = {"capture": {"ports": [{"name": "net_ring0", "queues": 64}]}, "lcores": {"workers": 64}, "models": []}
        found(examine(tree, tmp_path, config), "queues", "fatal")


class TestInterfaces:
    @pytest.mark.parametrize("name", ["xdp:eth7", "xdp:eth7,mode=generic", "auto:eth7", "net_af_packet0,iface=eth7", "net_af_xdp0,iface=eth7,start_queue=0"])
    def test_an_interface_is_there_and_up(self, tree, tmp_path, name):
        """
        Steps: tap an interface that is missing; then down; then up without a link; then up.
        Verify: fatal; warnings, the first of which brings it up; fine.
        """
        config = {"capture": {"ports": [{"name": name}]}, "lcores": {"worker_cpus": "2"}, "models": []}
        verify("eth7" in only_bad(examine(tree, tmp_path, config), "interface", "fatal")["what"], "not named")
        tree.write("sys/class/net/eth7/flags", "0x1002")
        verify(only_bad(examine(tree, tmp_path, config), "interface", "warning")["remedy"] == "ip link set eth7 up", "no remedy")
        tree.write("sys/class/net/eth7/flags", "0x1003")
        tree.write("sys/class/net/eth7/carrier", "0")
        verify("no link" in only_bad(examine(tree, tmp_path, config), "interface", "warning")["what"], "not said")
        tree.write("sys/class/net/eth7/carrier", "1")
        found(examine(tree, tmp_path, config), "interface", "fine")

    @pytest.mark.parametrize("port, severity", [("net_af_packet0,iface=ljx0", "warning"), ("xdp:ljx0,mode=generic", "warning"), ("xdp:ljx0", "note"),
                                                ("auto:ljx0", "note"), ("xdp:ljx0,mode=native", None), ("net_af_xdp0,iface=ljx0", None)])
    def test_the_kernel_merges_segments(self, tmp_path, port, severity):
        """
        Steps: examine a veth in a namespace whose GRO is on, as a port's interface by each driver and as what a port fails over to; run the remedy; examine it again.
        Verify: a warning where the port receives merged segments, a note where it depends on the mode, nothing otherwise or after the remedy.
        """
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"capture": {"ports": [{"name": port}]}, "models": []}))
        other = tmp_path / "failover.json"
        other.write_text(json.dumps({"capture": {"ports": [{"name": "net_null0", "failover": "ljx0"}]}, "models": []}))

        def offloads(config):
            done = subprocess.run([*IN_HOST, BINARY, "doctor", "--config", config, "--json"], stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
            return [(f["severity"], f["remedy"]) for f in json.loads(done.stdout)["findings"] if f["check"] == "offload"]

        with two_hosts():
            cable("ljx0", "ljx1")
            subprocess.run([*IN_HOST, "ethtool", "-K", "ljx0", "gro", "on"], check=True)
            remedy = "ethtool -K ljx0 gro off lro off"
            verify(offloads(path) == ([(severity, remedy)] if severity else []), offloads(path))
            verify(offloads(other) == [("note", remedy)], offloads(other))
            subprocess.run([*IN_HOST, *remedy.split()], check=True)
            verify(offloads(path) == offloads(other) == [], "there is still something")

    def test_a_tap_makes_its_interface(self, tree, tmp_path):
        """
        Steps: net_tap with the name of an interface to make.
        Verify: it is not missed.
        """
        config = {"capture": {"ports": [{"name": "net_tap0,iface=eth7"}]}, "lcores": {"worker_cpus": "2"}, "models": []}
        verify(not [f for f in examine(tree, tmp_path, config)["findings"] if f["check"] == "interface"], "missed")

    def test_where_a_port_would_fail_over_to(self, tree, tmp_path):
        """
        Steps: a failover to an interface that is not there; to a PCI address.
        Verify: a warning that names it; nothing.
        """
        config = json.loads(json.dumps(CONFIG))
        config["capture"]["ports"][0]["failover"] = "eth8"
        verify(only_bad(examine(tree, tmp_path, config), "interface", "warning")["subject"] == "eth8", "not named")
        config["capture"]["ports"][0]["failover"] = "0000:3b:00.1"
        verify(not [f for f in examine(tree, tmp_path, config)["findings"] if f["check"] == "interface"], "looked for")

    def test_an_interface_by_its_bare_name(self, tree, tmp_path):
        """
        Steps: a port called eth0, which is an interface.
        Verify: fatal, and the remedy names the tap.
        """
        tree.write("sys/class/net/eth0/flags", "0x1003")
        hit = found(examine(tree, tmp_path, {"capture": {"ports": [{"name": "eth0"}]}}), "interface", "fatal")
        verify("xdp:eth0" in hit["remedy"], hit)

    def test_a_drivers_file_that_is_broken(self, tree, tmp_path, monkeypatch):
        """
        Steps: a folder of drivers' files with one that is cut short.
        Verify: fatal, with a remedy.
        """
        (tmp_path / "null.json").write_text("{")
        monkeypatch.setenv("LINEJUDGE_DRIVERS", str(tmp_path))
        hit = found(examine(tree, tmp_path, {"capture": {"ports": [{"name": "net_null0"}]}}), "device", "fatal")
        verify("null.json:1:1" in hit["what"], hit)

    def test_a_name_that_is_cut_within_a_character(self, tree, tmp_path):
        """
        Steps: interfaces that are not there, of names so long that a finding cuts them.
        Verify: the findings are in the JSON nevertheless.
        """
        for name in ("é" * 60, "x" + "é" * 60, "xx" + "€" * 60, "xxx" + "€" * 60):
            found(examine(tree, tmp_path, {"capture": {"ports": [{"name": f"xdp:{name}"}]}}), "interface", "fatal")


class TestCpus:
    def test_workers_are_not_isolated(self, tree, tmp_path):
        """
        Steps: only one worker's CPU is isolated.
        Verify: a warning that names the other.
        """
        tree.write("sys/devices/system/cpu/isolated", "3")
        hit = only_bad(examine(tree, tmp_path), "isolation", "warning")
        verify("CPU 2" in hit["what"] and "isolcpus=2,3" in hit["remedy"], hit)

    def test_workers_float(self, tree, tmp_path):
        """
        Steps: no worker_cpus.
        Verify: a warning.
        """
        only_bad(examine(tree, tmp_path, None, "--set", "lcores.worker_cpus="), "isolation", "warning")

    def test_the_governor_saves_power(self, tree, tmp_path):
        """
        Steps: CPU 3 is on powersave, and so is CPU 0, which is no worker's.
        Verify: a warning that names CPU 3 only.
        """
        for cpu in (0, 3):
            tree.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", "powersave")
        hit = only_bad(examine(tree, tmp_path), "governor", "warning")
        verify(hit["what"] == "not performance on CPU 3", hit)

    def test_a_cpu_that_is_not_there(self, tree, tmp_path):
        """
        Steps: a worker on CPU 9 of four.
        Verify: fatal.
        """
        found(examine(tree, tmp_path, None, "--set", "lcores.worker_cpus=2,9"), "cpus", "fatal")

    def test_a_cpu_that_is_offline(self, tree, tmp_path):
        """
        Steps: a worker's CPU 3 is offline, as nosmt leaves the second threads of cores.
        Verify: fatal, with its number: the EAL would panic.
        """
        tree.write("sys/devices/system/cpu/cpu3/online", "0")
        hit = only_bad(examine(tree, tmp_path), "cpus", "fatal")
        verify("CPU 3 is offline" in hit["what"] and "lcores.worker_cpus" in hit["remedy"], hit)

    def test_inference_needs_its_cpus_as_workers_do(self, tree, tmp_path):
        """
        Steps: inference on CPU 1, which is not isolated and saves power.
        Verify: two warnings about inference; isolcpus names its CPU and the workers'.
        """
        tree.write("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave")
        report = examine(tree, tmp_path, None, "--set", "lcores.infer_cpus=1")
        for check in ("isolation", "governor"):
            verify(found(report, check, "warning")["subject"] == "inference", report)
            verify(found(report, check, "fine")["subject"] == "workers", report)
        verify("isolcpus=2,3,1 " in found(report, "isolation", "warning")["remedy"], report)

    def test_two_that_poll_on_one_cpu(self, tree, tmp_path):
        """
        Steps: inference on a worker's CPU; the sink there; then two workers on one CPU.
        Verify: a warning that names the CPU, for each; one that counts.
        """
        hit = only_bad(examine(tree, tmp_path, None, "--set", "lcores.infer_cpus=3"), "cpus", "warning")
        verify("CPU 3 is also used by inference" in hit["what"], hit)
        hit = only_bad(examine(tree, tmp_path, None, "--set", "lcores.sink_cpus=2"), "cpus", "warning")
        verify("CPU 2 is also used by the sink" in hit["what"] and "lcores.sink_cpus" in hit["remedy"], hit)
        hit = only_bad(examine(tree, tmp_path, None, "--set", "lcores.worker_cpus=2"), "cpus", "warning")
        verify("2 lcores share 1 CPUs" in hit["what"], hit)


    def test_a_setting_goes_over_the_file_wherever_it_stands(self, tree, tmp_path):
        """
        Steps: put CPU 9 of four, which the file does not name, before --config and after it.
        Verify: fatal either way, as linejudge itself takes it.
        """
        path = tmp_path / "config.json"
        path.write_text(json.dumps(CONFIG))
        for arguments in (("--set", "lcores.worker_cpus=2,9", "--config", path), ("--config", path, "--set", "lcores.worker_cpus=2,9")):
            done = run("doctor", "--root", tree.root, *arguments)
            verify(done.returncode == 3 and "CPU 9 does not exist" in done.stdout, done.stdout)

    def test_what_is_no_list_of_cpus(self, tree, tmp_path):
        """
        Steps: examine for workers on the CPUs "2-"; examine below a folder that is not there.
        Verify: an error each: nothing is said to be well.
        """
        for arguments, words in ((("--root", tree.root, "--set", "lcores.worker_cpus=2-"), "is not a list of CPUs"),
                                 (("--root", tmp_path / "nowhere"), "cannot be examined")):
            line = error_line(run("doctor", *arguments))
            verify(words in line, line)


class TestStart:
    def test_what_is_fatal_refuses_the_start(self, tmp_path):
        """
        Steps: start the appliance on a PCI device that is not there.
        Verify: one line that names it and the doctor.
        """
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"capture": {"ports": [{"name": "0000:ff:1f.7"}]}, "models": []}))
        line = error_line(run("--config", path))
        verify("0000:ff:1f.7" in line and "linejudge doctor" in line, line)

    def test_buffers_that_do_not_fit_into_memory_refuse_the_start(self, tmp_path):
        """
        Steps: start on 16 ports of as many buffers as can be asked, without hugepages: 576 GiB.
        Verify: one line that says need and have, and no kill by the kernel.
        """
        path = tmp_path / "config.json"
        ports = [{"name": f"net_null{i}", "mbufs": 16777216} for i in range(16)]
        path.write_text(json.dumps({"capture": {"ports": ports}, "models": [], "eal": {"huge": "off"}}))
        line = error_line(run("--config", path))
        verify("589824 MiB needed" in line and "available" in line, line)
