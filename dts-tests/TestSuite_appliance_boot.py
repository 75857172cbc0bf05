"""The appliance boots under QEMU, binds its ports, classifies, answers, survives its daemon's death, and powers off drained."""

import base64
import json
import time

import pytest

from framework.guest import NICS, booted, build_image
from framework.ipfix import records as ipfix_records
from framework.linejudge import DEMO, TIMEOUT_S, events, read_pcap, replay, verify, write_pcap

FRAMES, LATE_FRAMES = 3000, 200


def frames(first, count):
    return [data[16:] for _, data in read_pcap(DEMO)[1][first:first + count]]


def records(lines):
    """Flow records without the question of who spoke first: between two ports there is no order."""
    flows = []
    for event in lines:
        if event["event_type"] != "flow":
            continue
        flow = event["flow"]
        sides = sorted([(event["src_ip"], event.get("src_port", 0), flow["pkts_toserver"], flow["bytes_toserver"]),
                        (event["dest_ip"], event.get("dest_port", 0), flow["pkts_toclient"], flow["bytes_toclient"])])
        flows.append((event["proto"], *sides))
    return sorted(flows)


@pytest.fixture(scope="module")
def image(tmp_path_factory, package):
    folder = tmp_path_factory.mktemp("image")
    build_image(folder, package)
    return folder


def pytest_generate_tests(metafunc):
    """One NIC in CI, all of them in the full run."""
    nics = list(NICS) if metafunc.config.getoption("--full") else ["virtio"]
    metafunc.parametrize("guest", nics, indirect=True, scope="class")


@pytest.fixture(scope="class")
def guest(request, image):
    with booted(image, request.param) as machine:
        machine.wait_for("systemctl show -p SubState linejudge", "SubState=running")
        yield machine


def all_counted(guest, sent):
    """
    Waits until the ports have counted every frame; how many they received. After a restart net_virtio finds a few of QEMU's
    frames too short for a header, and counts them as errors.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        ports = guest.ask("/linejudge/show/port/stats").values()
        if sum(port["received"] + port["ierrors"] for port in ports) == sent:
            return sum(port["received"] for port in ports)
        verify(time.monotonic() < deadline, f"of {sent} frames: {ports}")


def main_pid(guest):
    return int(guest.run("systemctl show -p MainPID --value linejudge"))


class TestApplianceBoot:
    def test_the_service_starts_by_itself_and_is_nobody_in_particular(self, guest):
        """
        Steps: boot; ask systemd and /proc about the daemon.
        Verify: ready; both ports bound to vfio-pci; the service user, no capability, no_new_privs, seccomp.
        """
        verify(guest.run("systemctl show -p Type --value linejudge") == "notify\n", "running would not mean ready")
        for slot in ("02", "03"):
            driver = guest.run(f"readlink /sys/bus/pci/devices/0000:00:{slot}.0/driver")
            verify(driver.endswith("/vfio-pci\n"), driver)
        user = guest.run("id -u linejudge").strip()
        status = guest.run(f"cat /proc/{main_pid(guest)}/status")
        for line in (f"Uid:\t{user}\t{user}\t{user}\t{user}", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
                     "NoNewPrivs:\t1", "Seccomp:\t2"):
            verify(line + "\n" in status, f"{line} is not in {status}")

    def test_models_are_read_anew_by_systemctl_reload(self, guest):
        """
        Steps: reload the unit.
        Verify: the journal says that the model was read anew, as the service user and within what the unit permits; it is the same process.
        """
        before = main_pid(guest)
        guest.run("systemctl reload linejudge")
        guest.wait_for("journalctl -u linejudge | cat", "model default read anew: the same booster")
        verify(main_pid(guest) == before, "it was started anew")

    def test_frames_on_both_legs_become_the_records_of_their_replay(self, guest, tmp_path):
        """
        Steps: send frames of the demo capture to the leg of each sender; ask by dpdk-telemetry.py in the guest; stop the service.
        Verify: every frame came, over every queue; verdicts in telemetry and EVE agree; the flow records are those of the replay.
        """
        sent = guest.send(frames(0, FRAMES))
        stats = guest.wait_for("printf '/linejudge/show/packet/stats\\nquit\\n' | dpdk-telemetry.py -f linejudge", f'"rx_packets": {FRAMES}')
        verify('"parse_accepted"' in stats, stats)
        if NICS[guest.nic]["queues"] > 1:
            for port in (0, 1):
                xstats = guest.ask(f"/ethdev/xstats,{port}")
                verify(all(xstats[f"rx_q{queue}_good_packets"] > 0 for queue in (0, 1)), f"RSS left a queue empty: {xstats}")
        ports = guest.ask("/linejudge/show/port/stats")
        verify(all(row["imissed"] == row["ierrors"] == row["rx_nombuf"] == 0 for row in ports.values()), ports)
        # Flows that a RST or FINs ended are due after their linger, while the service runs.
        guest.wait_for("printf '/linejudge/show/verdicts\\nquit\\n' | dpdk-telemetry.py -f linejudge | grep -v '\"alerts\": 0,'", "alerts")
        verdicts = guest.ask("/linejudge/show/verdicts")
        verify(verdicts["records"] >= verdicts["alerts"] > 0, verdicts)
        guest.run("systemctl stop linejudge")
        live = [json.loads(line) for line in guest.run("cat /var/log/linejudge/eve.json").splitlines()]
        write_pcap(tmp_path / "sent.pcap", sent)
        wanted = replay(tmp_path / "sent.pcap", "--eve", tmp_path / "still.json")
        verify(records(live) == records(events(tmp_path / "still.json")), "records differ from the replay's")
        alerts = sum(event["event_type"] == "alert" for event in live)
        verify(alerts >= verdicts["alerts"], f"{alerts} alerts in EVE, {verdicts['alerts']} in telemetry")
        # Who spoke first, and when, is in some features: scores near the threshold may fall on its other side.
        verify(abs(alerts - wanted["alerts"]) <= wanted["alerts"] // 10, f"{alerts} alerts, the replay has {wanted['alerts']}")

    def test_an_instance_runs_for_a_numa_node(self, guest):
        """
        Steps: with the service stopped, start linejudge@0 on the same ports.
        Verify: ready, its memory bound to node 0, its telemetry under its own prefix; stopping it leaves nothing failed.
        """
        guest.run("cp /etc/linejudge/linejudge.json /etc/linejudge/node0.json && systemctl start linejudge@0")
        maps = guest.run("cat /proc/$(systemctl show -p MainPID --value linejudge@0)/numa_maps")
        verify("bind:0" in maps, maps)
        answer = guest.run("printf '/linejudge/show/port/stats\\nquit\\n' | dpdk-telemetry.py -f linejudge0")
        verify("0000_00_03_0" in answer, answer)
        guest.run("systemctl stop linejudge@0")
        verify(guest.run("systemctl is-failed linejudge@0", check=False) == "inactive\n", "it did not end well")

    def test_ipfix_records_reach_the_collector_that_the_unit_allows(self, guest):
        """
        Steps: configure a collector at ::1; run the service and send frames, first with the unit as packaged, then with the drop-in of docs/ipfix.md.
        Verify: the packaged unit refuses, and the journal says so; with the drop-in the collector receives the flows that EVE has.
        """
        flows = "grep -c '\"event_type\":\"flow\"' /var/log/linejudge/eve.json"
        config = "/etc/linejudge/linejudge.json"
        guest.run(f"cp {config} /run/before.json && systemctl start test-collector")
        guest.run(f"sed -i '1s/^{{/{{\"ipfix\": {{\"collector\": \"[::1]:4739\"}}, /' {config}")

        def serve():
            guest.run("systemctl start linejudge")
            guest.send(frames(0, LATE_FRAMES))
            all_counted(guest, LATE_FRAMES)
            guest.run("systemctl stop linejudge")

        serve()
        guest.wait_for("journalctl -u linejudge | cat", "Operation not permitted")
        guest.run("mkdir /run/systemd/system/linejudge.service.d && cd /run/systemd/system/linejudge.service.d"
                  " && printf '[Service]\\nIPAddressAllow=::1\\n' >collector.conf && systemctl daemon-reload")
        before = int(guest.run(flows))
        serve()
        wanted = int(guest.run(flows)) - before
        # These starts are not to count towards the limit of starts in a minute.
        guest.run(f"systemctl stop test-collector; cp /run/before.json {config} && systemctl reset-failed linejudge")
        path = guest.folder + "/collected.ipfix"
        with open(path, "wb") as file:
            file.write(base64.b64decode(guest.run("base64 /run/collected")))
        verify(wanted > 0 and len(ipfix_records(path)) == wanted, f"{len(ipfix_records(path))} records, EVE has {wanted}")

    def test_a_killed_daemon_is_started_anew(self, guest):
        """
        Steps: kill the daemon with SIGSEGV; then send frames.
        Verify: systemd restarts it once, as another process that is ready, binds its ports and takes the frames.
        """
        restarts = int(guest.run("systemctl show -p NRestarts --value linejudge"))
        guest.run("systemctl start linejudge")
        before = main_pid(guest)
        guest.run(f"kill -SEGV {before}")
        guest.wait_for("systemctl show -p NRestarts -p SubState linejudge | paste -sd,", f"NRestarts={restarts + 1},SubState=running")
        verify(main_pid(guest) != before, "the same process")
        guest.send(frames(FRAMES, LATE_FRAMES))
        guest.late_frames = all_counted(guest, LATE_FRAMES)

    def test_power_off_drains_and_balances_the_ledger(self, guest):
        """
        Steps: power off while flows are live.
        Verify: the daemon's summary on the console has every frame and a ledger that balances; the machine is off.
        """
        pid = main_pid(guest)
        # The shell goes down with the machine; its answer is not waited for.
        guest.shell.sendall(b"systemctl poweroff --no-block\n")
        guest.process.wait(240)
        console = guest.console()
        # By process: what systemd says of it may be logged before or after what it says itself.
        summary = "\n".join(line for line in console.splitlines() if f"linejudge[{pid}]: " in line)
        verify(f": {guest.late_frames} packets" in summary, f"not {guest.late_frames} packets: {summary}")
        verify("ledger balances" in summary and "DOES NOT" not in summary, summary)
        results = [line for line in console.splitlines() if "linejudge.service: Deactivated" in line or "linejudge.service: Failed" in line]
        verify(results[-1].endswith("Deactivated successfully."), f"the service did not end well: {results}")
        verify("PANIC" not in summary and "Kernel panic" not in console, console[-3000:])
