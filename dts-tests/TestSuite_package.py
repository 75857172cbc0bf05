"""The Debian package: what is in it, and that it runs from where it is unpacked."""

import json
import os
import re
import subprocess

import pytest

from framework.linejudge import DEMO, replay, verify

UNITS = ("linejudge.service", "linejudge@.service", "linejudge-ports.service", "linejudge-ports@.service",
         "linejudge-hugepages.service")


def output(*command, **options):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    verify(done.returncode == 0, f"{command[0]} exits {done.returncode}: {done.stdout}")
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    root = tmp_path_factory.mktemp("package")
    output("dpkg", "-x", package, root)
    return root


class TestPackage:
    def test_it_has_every_part(self, package):
        """
        Steps: list the package's files.
        Verify: binary, model, configuration, units, scripts, manual pages; dependencies on what the binary links.
        """
        listing = output("dpkg-deb", "-c", package)
        for path in ("usr/bin/linejudge", "usr/share/linejudge/models/default/model.ubj", "etc/linejudge/linejudge.json",
                     "usr/lib/linejudge/bind-ports", "usr/lib/sysusers.d/linejudge.conf", "usr/lib/tmpfiles.d/linejudge.conf",
                     "usr/lib/sysctl.d/linejudge.conf", "etc/logrotate.d/linejudge", "usr/share/man/man8/linejudge.8.gz",
                     "usr/share/man/man5/linejudge.json.5.gz", "usr/lib/linejudge/calibrate",
                     "usr/share/doc/linejudge/operation.md.gz", *(f"lib/systemd/system/{unit}" for unit in UNITS)):
            verify(f"./{path}\n" in listing, f"{path} is not in the package")
        fields = output("dpkg-deb", "-f", package)
        for library in ("librte-eal23", "libxgboost0", "libseccomp2", "libsystemd0", "libcap2"):
            verify(library in fields, f"does not depend on {library}: {fields}")

    def test_lintian_has_nothing_to_say(self, package):
        """Verify: no error and no warning."""
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], stdout=subprocess.PIPE,
                              text=True, check=False)
        verify(done.returncode == 0, done.stdout)

    def test_it_runs_where_it_is_unpacked(self, unpacked, tmp_path):
        """
        Steps: unpack it into a folder; ask the version; replay the demo capture without naming a model; calibrate by it.
        Verify: the installed model is found, and calls as the tree's build does.
        """
        binary = unpacked / "usr" / "bin" / "linejudge"
        verify(re.fullmatch(r"linejudge \d+\.\d+\.\d+\n", output(binary, "--version")), "no version")
        summary = json.loads(output(binary, "--pcap", DEMO, "--summary", "json", "--eve", tmp_path / "eve.json"))
        wanted = replay(DEMO)
        for key in ("packets", "flows", "alerts", "verdicts"):
            verify(summary[key] == wanted[key], f"{key}: {summary[key]}, the build gives {wanted[key]}")
        said = output(binary, "--calibrate", "--pcap", DEMO, "--fpr", "0.01", "--contaminated", "0.9")
        verify("not in force yet" in said, said)
        dump = json.loads(output(binary, "--pcap", DEMO, "--dump-config"))
        verify(dump["models"] == [str(unpacked / "usr/share/linejudge/models/default")], dump["models"])

    def test_its_configuration_waits_for_ports_only(self, unpacked, tmp_path):
        """
        Steps: load the installed configuration with a port added.
        Verify: everything else in it is accepted.
        """
        out = output(unpacked / "usr/bin/linejudge", "--config", unpacked / "etc/linejudge/linejudge.json", "--set",
                     'capture.ports=[{"name":"0000:01:00.0"}]', "--dry-run")
        verify("--allow=0000:01:00.0" in out, out)

    def test_the_manual_pages_name_every_key_and_option(self, unpacked):
        """Verify: what --help and --help-config list is in the pages, and groff has no complaint."""
        binary = unpacked / "usr/bin/linejudge"
        for page, option, pattern in (("man8/linejudge.8.gz", "--help", r"^  --(\S+)"),
                                      ("man5/linejudge.json.5.gz", "--help-config", r"^\| `([^`]+)`"),
                                      ("man8/linejudge.8.gz", "--help-counters", r"^\| `([^`]+)`")):
            path = unpacked / "usr/share/man" / page
            text = output("zcat", path).replace("\\-", "-")
            for name in re.findall(pattern, output(binary, option), re.M):
                verify(name in text, f"{name} is not in {page}")
            complaint = subprocess.run(f"zcat {path} | groff -man -Tutf8 -ww >/dev/null", shell=True, stderr=subprocess.PIPE,
                                       text=True, check=True).stderr
            verify(complaint == "", complaint)

    def test_the_unit_leaves_little_to_an_intruder(self, unpacked):
        """
        Steps: systemd-analyze security on the units, offline.
        Verify: exposure at most 5.0 of 10 (root at the start and vfio are what is left; linejudge drops both rights itself).
        """
        out = output("systemd-analyze", "security", "--offline=true", "--threshold=50",
                     unpacked / "lib/systemd/system/linejudge.service")
        verify("Overall exposure" in out, out)


class TestMaintainerScripts:
    """Run with /run of their own, on which systemd seems to be, and with scripts for the tools that they call."""

    def called(self, package, folder, script, *arguments, root=""):
        """What the script calls, a line a tool."""
        tools, control = folder / "bin", folder / "control"
        for made in (tools, control):
            made.mkdir(exist_ok=True)
        output("dpkg-deb", "-e", package, control)
        for tool in ("systemctl", "deb-systemd-invoke", "deb-systemd-helper", "systemd-sysusers", "systemd-tmpfiles"):
            (tools / tool).write_text(f"#!/bin/sh\necho {tool} \"$@\" >> {folder}/called\n")
            (tools / tool).chmod(0o755)
        (folder / "called").write_text("")
        output("unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system; exec "$@"', "sh", control / script, *arguments,
               env=dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", DPKG_ROOT=str(root)))
        return (folder / "called").read_text()

    def test_a_removal_stops_it(self, package, tmp_path):
        """
        Steps: run what comes before a removal, and before an upgrade (scripts stand for systemd's tools).
        Verify: a removal stops every instance and gives the ports back; an upgrade stops nothing.
        """
        called = self.called(package, tmp_path, "prerm", "remove")
        for unit in ("linejudge.service", "linejudge@*.service", "linejudge-ports.service", "linejudge-ports@*.service"):
            verify(re.search(f"stop .*{re.escape(unit)}", called), called)
        verify("stop" not in self.called(package, tmp_path, "prerm", "upgrade", "0.1.0"), "an upgrade stops it")

    def test_an_upgrade_has_systemd_read_the_units(self, package, tmp_path):
        """
        Steps: run what comes after an upgrade.
        Verify: systemd reads the units anew; nothing is started or stopped.
        """
        called = self.called(package, tmp_path, "postinst", "configure", "0.0.9")
        verify("systemctl --system daemon-reload" in called and not re.search("start|stop", called), called)

    def test_a_purge_leaves_nothing(self, package, tmp_path):
        """
        Steps: below a folder, write verdicts, a calibration, a bundle of one's own and the kernel's command line; run what comes
            after a removal, and after a purge.
        Verify: a removal keeps them, a purge takes all but the bundle of one's own.
        """
        root, models = tmp_path / "root", "usr/share/linejudge/models"
        made = ("var/log/linejudge/eve.json.1.gz", f"{models}/default/calibration.json", "etc/default/grub.d/linejudge.cfg")
        for path in (*made, f"{models}/mine/model.ubj"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("")
        self.called(package, tmp_path, "postrm", "remove", root=root)
        verify(all((root / path).exists() for path in made), "a removal takes what only a purge may")
        self.called(package, tmp_path, "postrm", "purge", root=root)
        left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        verify(left == [f"{models}/mine/model.ubj"] and not (root / models / "default").exists(), left)


class TestBootScripts:
    def test_the_kernels_command_line_follows_from_the_configuration(self, unpacked, tmp_path):
        """
        Steps: ask kernel-cmdline for a configuration with pinned lcores, on a machine of two nodes.
        Verify: IOMMU, pages for each node, the pinned CPUs isolated but for main's.
        """
        for node in ("node0", "node1"):
            (tmp_path / "nodes" / node).mkdir(parents=True)
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"capture": {"ports": [{"name": "0000:01:00.0"}]}, "lcores": {
            "workers": 2, "main_cpus": "0", "worker_cpus": "4,5", "infer_cpus": "6", "sink_cpus": "1-3"}}))
        line = output(unpacked / "usr/lib/linejudge/kernel-cmdline", config,
                      env=dict(os.environ, LINEJUDGE=str(unpacked / "usr/bin/linejudge"), SYSFS_NODE=str(tmp_path / "nodes")))
        for words in ("intel_iommu=on", "iommu=pt", "hugepages=0:5,1:5", "isolcpus=managed_irq,domain,4,5,6", "nohz_full=4,5,6 "):
            verify(words in line, f"{words} is not in {line}")

    def test_the_kernels_command_line_is_one_for_all_daemons(self, unpacked, tmp_path):
        """
        Steps: install the command line of node 0's daemon, then node 1's, then both, then node 0's anew (folders stand for GRUB's and sysfs').
        Verify: the second and the last are refused, and say whose the drop-in is; that of both isolates the CPUs of both, with pages for
            each on its node.
        """
        for node in ("node0", "node1"):
            (tmp_path / "nodes" / node).mkdir(parents=True)
            (tmp_path / f"{node}.json").write_text(json.dumps({"capture": {"ports": [{"name": "0000:01:00.0"}]}, "lcores": {
                "main_cpus": "0", "sink_cpus": "0-1", "worker_cpus": f"1{node[-1]}", "infer_cpus": f"2{node[-1]}"}}))

        def install(*configs):
            return subprocess.run([unpacked / "usr/lib/linejudge/kernel-cmdline", "--install", *configs], cwd=tmp_path, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, env=dict(
                                      os.environ, LINEJUDGE=str(unpacked / "usr/bin/linejudge"), SYSFS_NODE=str(tmp_path / "nodes"),
                                      GRUB_D=str(tmp_path / "grub.d")))

        verify(install("node0.json").returncode == 0, "the first is refused")
        verify(install("node0.json").returncode == 0, "the same is refused")
        second = install("node1.json")
        verify(second.returncode == 1 and f"is for {tmp_path}/node0.json" in second.stderr, second.stderr)
        verify(install("node0.json", "node1.json").returncode == 0, "both are refused")
        verify(install("node0.json").returncode == 1, "node 1's CPUs are given back without a word")
        line = (tmp_path / "grub.d/linejudge.cfg").read_text()
        for words in ("hugepages=0:3,1:3 ", "isolcpus=managed_irq,domain,10,11,20,21 "):
            verify(words in line, f"{words} is not in {line}")

    def test_hugepages_are_asked_of_each_node(self, unpacked, tmp_path):
        """
        Steps: reserve pages on two nodes (files stand for the kernel's), one of which has enough already.
        Verify: the missing ones are asked for, the others kept, a node that is not there is named.
        """
        pages = [tmp_path / f"node{i}/hugepages/hugepages-2048kB/nr_hugepages" for i in (0, 1)]
        for path, count in zip(pages, (0, 900)):
            path.parent.mkdir(parents=True)
            path.write_text(f"{count}\n")
        wishes = {"HUGEPAGES_2048KB_NODE0": "512", "HUGEPAGES_2048KB_NODE1": "512", "SYSFS_NODE": str(tmp_path)}
        script = str(unpacked / "usr/lib/linejudge/reserve-hugepages")
        output(script, env=dict(os.environ, **wishes))
        verify([path.read_text() for path in pages] == ["512\n", "900\n"], "not as asked")
        done = subprocess.run([script], env=dict(os.environ, **wishes, HUGEPAGES_2048KB_NODE7="1"), stderr=subprocess.PIPE, text=True,
                              check=False)
        verify(done.returncode == 1 and "node 7" in done.stderr, done.stderr)

    def bind(self, unpacked, tmp_path, port):
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"capture": {"ports": [{"name": port}]}}) if port else "{")
        env = dict(os.environ, LINEJUDGE=str(unpacked / "usr/bin/linejudge"), SYSFS_PCI=str(tmp_path / "pci"))
        return subprocess.run([unpacked / "usr/lib/linejudge/bind-ports", "bind", config], env=env, stderr=subprocess.PIPE, text=True,
                              check=False)

    @pytest.mark.parametrize("port", ("0000:3b:00.0", "3b:00.0", "0000:3B:00.0,safe-mode-support=1"))
    def test_a_port_is_found_however_it_is_written(self, unpacked, tmp_path, port):
        """
        Steps: bind a port (files stand for sysfs) by its address with and without domain, in capitals, with arguments of DPDK's.
        Verify: vfio-pci is asked for.
        """
        device = tmp_path / "pci/devices/0000:3b:00.0"
        device.mkdir(parents=True)
        done = self.bind(unpacked, tmp_path, port)
        verify("no such PCI device" not in done.stderr and (device / "driver_override").read_text() == "vfio-pci\n", done.stderr)

    def test_a_port_of_mlx5_stays_with_the_kernel(self, unpacked, tmp_path):
        """
        Steps: bind a port that mlx5_core has, beside which DPDK's driver works.
        Verify: it is let alone, and all is well.
        """
        device = tmp_path / "pci/devices/0000:3b:00.0"
        (tmp_path / "pci/drivers/mlx5_core").mkdir(parents=True)
        device.mkdir(parents=True)
        (device / "driver").symlink_to(tmp_path / "pci/drivers/mlx5_core")
        done = self.bind(unpacked, tmp_path, "0000:3b:00.0")
        verify(done.returncode == 0 and not (device / "driver_override").exists(), done.stderr)

    def test_a_configuration_that_is_refused_fails_the_unit(self, unpacked, tmp_path):
        """
        Steps: bind the ports of a configuration that is cut short.
        Verify: what is wrong with it is said, and the unit fails, so that the next start binds the ports.
        """
        done = self.bind(unpacked, tmp_path, None)
        verify(done.returncode == 1 and "config.json:1:1" in done.stderr, done.stderr)

    def test_a_port_is_silenced_and_given_to_vfio(self, unpacked, tmp_path):
        """
        Steps: bind a port whose firmware has an LLDP agent (files stand for sysfs, scripts for ethtool and ip).
        Verify: the agent is disabled before the driver goes, vfio-pci is asked for, and that it did not take the port is said.
        """
        device, tools = tmp_path / "pci/devices/0000:01:00.0", tmp_path / "bin"
        (device / "net/eth9").mkdir(parents=True)
        (device / "i40e").mkdir()
        (device / "driver").symlink_to(device / "i40e")
        tools.mkdir()
        for tool, answer in (("ethtool", "disable-fw-lldp : off"), ("ip", "")):
            (tools / tool).write_text(f"#!/bin/sh\necho {tool} \"$@\" >> {tmp_path}/called\necho '{answer}'\n")
            (tools / tool).chmod(0o755)
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"capture": {"ports": [{"name": "0000:01:00.0"}]}}))
        env = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", LINEJUDGE=str(unpacked / "usr/bin/linejudge"),
                   SYSFS_PCI=str(tmp_path / "pci"))
        done = subprocess.run([unpacked / "usr/lib/linejudge/bind-ports", "bind", config], env=env, stderr=subprocess.PIPE, text=True,
                              check=False)
        called = (tmp_path / "called").read_text()
        verify("ethtool --set-priv-flags eth9 disable-fw-lldp on" in called and "ip link set eth9 down" in called, called)
        verify((device / "driver_override").read_text() == "vfio-pci\n", "another driver is asked for")
        verify((device / "i40e/unbind").read_text() == "0000:01:00.0\n", "the kernel's driver keeps it")
        verify(done.returncode == 1 and "vfio-pci does not take it" in done.stderr, done.stderr)
