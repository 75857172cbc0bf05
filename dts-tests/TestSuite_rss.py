"""How flows spread over queues and workers, and how a tap's legs come together."""

import json
import random
import struct

import pytest

from framework.linejudge import DEMO, appliance, error_line, events, replay, run, verify, wait_for, write_pcap

PUBLISHED_KEY = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"


def predict(*arguments):
    done = run("rss-predict", "--json", *arguments)
    verify(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def toeplitz(key, data):
    """As the definition has it, bit by bit."""
    key_bits, result = int.from_bytes(key, "big"), 0
    for i in range(len(data) * 8):
        if data[i // 8] & 0x80 >> i % 8:
            result ^= key_bits >> len(key) * 8 - 32 - i & 0xFFFFFFFF
    return result


def tcp(src, dst, sport, dport, flags=0x10, seq=1, payload=b""):
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0, src, dst)
    return b"\x02" * 12 + b"\x08\x00" + ip + struct.pack(">HHIIBBHHH", sport, dport, seq, 1, 0x50, flags, 512, 0, 0) + payload


class TestPredict:
    def test_it_is_what_the_definition_says(self, tmp_path):
        """
        Steps: 300 packets of random addresses and ports, hashed here by the definition.
        Verify: packets and bytes of each of 5 queues are the same.
        """
        chance, frames, packets = random.Random(4), [], [0] * 5
        key = bytes.fromhex("6d5a" * 26)
        for i in range(300):
            src, dst, sport, dport = chance.randbytes(4), chance.randbytes(4), chance.randrange(65536), chance.randrange(65536)
            frames.append((10**18 + i, tcp(src, dst, sport, dport)))
            packets[(toeplitz(key, src + dst + struct.pack(">HH", sport, dport)) & 511) % 5] += 1
        report = predict("--pcap", write_pcap(tmp_path / "random.pcap", frames), "--queues", 5)
        verify([q["packets"] for q in report["queues"]] == packets, report)
        verify(abs(report["imbalance"]["packets"] - max(packets) * 5 / 300) < 1e-9, report["imbalance"])

    @pytest.mark.parametrize("mode", ["ip", "5tuple"])
    @pytest.mark.parametrize("driver", ["i40e", "ixgbe", "mlx5", "virtio"])
    def test_no_flow_parts_by_the_symmetric_key(self, mode, driver):
        """
        Steps: predict for the demo capture.
        Verify: nothing parts, and the counts add up.
        """
        report = predict("--pcap", DEMO, "--queues", 8, "--mode", mode, "--driver", driver)
        verify(report["flows_parted"] == 0 and report["flows"] == 2062, report)
        verify(sum(q["packets"] for q in report["queues"]) == 12124, "packets are missing")
        verify(sum(q["flows"] for q in report["queues"]) == 2062, "flows are missing")

    def test_flows_part_by_another_key(self):
        """
        Steps: the same by the key of Microsoft's examples, which drivers install.
        Verify: most flows part; by one queue none can.
        """
        report = predict("--pcap", DEMO, "--queues", 4, "--driver", "ixgbe", "--key", PUBLISHED_KEY)
        verify(report["flows_parted"] > 1000, report)
        verify(predict("--pcap", DEMO, "--queues", 1, "--driver", "ixgbe", "--key", PUBLISHED_KEY)["flows_parted"] == 0, "?")

    @pytest.mark.parametrize("arguments, says", [
        (("--pcap", DEMO), "--queues"), (("--queues", "2"), "no capture"), (("--pcap", "/nonexistent", "--queues", "2"), "/nonexistent"),
        (("--pcap", DEMO, "--queues", "2", "--mode", "mac"), "neither ip nor 5tuple"),
        (("--pcap", DEMO, "--queues", "2", "--driver", "pcap"), "no RSS"),
        (("--pcap", DEMO, "--queues", "2", "--key", "6d5a"), "--key")])
    def test_bad_usage(self, arguments, says):
        """
        Steps: leave something out, or give what cannot be.
        Verify: one line that names it.
        """
        verify(says in error_line(run("rss-predict", *arguments)), "not named")


class TestShow:
    def test_spread_of_a_port(self, tmp_path):
        """
        Steps: two workers on two queues of the null PMD; ask for RSS, queues, losses and stalls.
        Verify: the symmetric key as read back; queue q is worker q's; shares make a whole.
        """
        config = {"capture": {"ports": [{"name": "net_null0", "queues": 2}], "rss_check": 1}, "lcores": {"workers": 2}, "models": []}
        with appliance(tmp_path, config, "lj-dts-rss") as (process, telemetry):
            def both_run():
                queues = telemetry.ask("/linejudge/show/port/queues,0")
                if not all(q["packets"] for q in queues.values()):
                    raise OSError("not yet")
                return queues

            queues = wait_for(both_run, process)
            rss = telemetry.ask("/linejudge/show/rss")["net_null0"]
            stalls = telemetry.ask("/linejudge/show/stalls")
            drops = telemetry.ask("/linejudge/show/drops")
            info = telemetry.ask("/linejudge/show/port/info")["net_null0"]
            wrong = telemetry.ask("/linejudge/show/port/queues,1")
        verify([queues[f"queue{q}"]["role"] for q in range(2)] == ["worker0", "worker1"], queues)
        verify(abs(sum(float(q["share_percent"]) for q in queues.values()) - 100) < 0.1, queues)
        verify(rss["mode"] == "5tuple" and rss["key"].startswith("6d5a6d5a") and rss["reta_entries"] == 128, rss)
        verify(rss["parted"] == 0 and rss["unexpected"] == 0, rss)
        verify(len(stalls) == 4 and all(s["worst"] >= s["p50"] for s in stalls.values()), stalls)
        verify(drops["imissed"]["total"] == 0 and drops["imissed"]["worst_at"] == "-", drops)
        verify("key read back, tested" in info, info)
        verify("there are 0..0" in wrong["error"], wrong)

    def test_rebalancing_is_refused_with_its_reason(self, tmp_path):
        """
        Steps: ask for it where nothing was sampled (the null PMD's packets are no IP), and where there is no table.
        Verify: each is refused, and says why.
        """
        null = {"capture": {"ports": [{"name": "net_null0", "queues": 2}], "rss_check": 1}, "lcores": {"workers": 2}, "models": []}
        ring = {"capture": {"ports": [{"name": "net_ring0"}]}, "lcores": {"workers": 2}, "models": []}
        for config, says in ((null, "0 packets were sampled"), (ring, "no redirection table")):
            with appliance(tmp_path, config, "lj-dts-rss-rebalance") as (_, telemetry):
                answer = telemetry.ask("/linejudge/rebalance/rss")
            verify(says in answer["error"], answer)

    def test_mode_ip_is_asked_for(self, tmp_path):
        """
        Steps: the same with capture.rss_mode ip.
        Verify: it is in force.
        """
        config = {"capture": {"ports": [{"name": "net_null0", "queues": 2}], "rss_mode": "ip"}, "lcores": {"workers": 2}, "models": []}
        with appliance(tmp_path, config, "lj-dts-rss-ip") as (process, telemetry):
            def read_back():
                rss = telemetry.ask("/linejudge/show/rss")["net_null0"]
                if rss["mode"] == "none":
                    raise OSError("the port has not started yet")
                return rss

            verify(wait_for(read_back, process)["mode"] == "ip", "another mode")


class TestTap:
    def legs(self, tmp_path):
        """Conversations of two packets each way; in each, the answer is 20 us after the question."""
        legs, time_ns = ([], []), 10**18
        for i in range(400):
            ends = bytes([10, 0, i >> 8, i & 255]), bytes([192, 168, 0, 1])
            asks = i & 1
            for step, flags in enumerate((0x02, 0x12, 0x10, 0x18)):
                way = step & 1
                ports = (1024 + i, 80) if way == 0 else (80, 1024 + i)
                legs[asks ^ way].append((time_ns, tcp(*(ends if way == 0 else ends[::-1]), *ports, flags)))
                time_ns += 20_000
        return [write_pcap(tmp_path / f"leg{i}.pcap", leg) for i, leg in enumerate(legs)]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_live_legs_give_the_flows_of_their_replay(self, tmp_path, workers):
        """
        Steps: both legs as live ports, ordered by time; then both replayed as a tap.
        Verify: the same flows, with the same initiators.
        """
        paths, live, still = self.legs(tmp_path), tmp_path / "live.json", tmp_path / "still.json"
        config = {"capture": {"ports": [{"name": f"net_pcap{i},rx_pcap={path}", "leg": i} for i, path in enumerate(paths)],
                              "tap_reorder_us": 100000},
                  "lcores": {"workers": workers}, "models": [], "eve": {"target": str(live)}}
        with appliance(tmp_path, config, "lj-dts-tap") as (process, telemetry):
            def all_came():
                stats = telemetry.ask("/linejudge/show/packet/stats")
                if stats["parse_accepted"] < 1600:
                    raise OSError("not yet")
                return stats

            wait_for(all_came, process)
            late = telemetry.ask("/linejudge/show/counters")["reorder_late"]
        verify(process.returncode == 0, f"exit {process.returncode}")
        verify(late == 0, f"{late} came late")
        replay(paths[0], "--pcap", paths[1], "--tap", "--model", "none", "--eve", still)

        def flows(path):
            return sorted((e["src_ip"], e["src_port"], e["dest_ip"], e["flow"]["pkts_toserver"], e["flow"]["pkts_toclient"])
                          for e in events(path) if e["event_type"] == "flow")

        verify(len(flows(still)) == 400, len(flows(still)))
        verify(flows(live) == flows(still), "live and replay differ")
