"""linejudge doctor: memory and CPUs, its report, and the start that it refuses; on made trees of /sys, /proc and /dev."""

import fcntl
import json
import os

import pytest

from framework.doctor import CONFIG, NIC, Tree, examine, found, only_bad
from framework.linejudge import error_line, run, verify


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "root")


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
