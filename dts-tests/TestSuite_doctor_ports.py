"""linejudge doctor: the ports' devices and interfaces, on made trees of /sys and on interfaces of namespaces."""

import json
import subprocess

import pytest

from framework.doctor import CONFIG, NIC, Tree, examine, found, only_bad
from framework.linejudge import BINARY, TIMEOUT_S, verify
from framework.netns import IN_HOST, cable, two_hosts


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "root")


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
