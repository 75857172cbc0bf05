"""How flows spread over queues and workers: both directions to one."""

import json
import random
import struct

import pytest

from framework.linejudge import DEMO, appliance, error_line, flows, read_pcap, replay, run, verify, wait_for, write_pcap
from framework.toeplitz import toeplitz

PUBLISHED_KEY = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"


def predict(*arguments):
    done = run("rss-predict", "--json", *arguments)
    verify(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


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
        (("--pcap", DEMO), "--queues"), (("--queues", "2"), "no capture"), (("--pcap", DEMO, "--queues", "4x"), "--queues"),
        (("--pcap", DEMO, "--queues", "4294967300"), "--queues"), (("--pcap", "/nonexistent", "--queues", "2"), "/nonexistent"),
        (("--pcap", DEMO, "--queues", "2", "--mode", "mac"), "neither ip nor 5tuple"),
        (("--pcap", DEMO, "--queues", "2", "--driver", "pcap"), "no RSS"), (("--pcap", DEMO, "--queues", "2", "--driver", "i40"), "no i40.json"),
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
        verify("ports are 0..0" in wrong["error"], wrong)

    def test_no_loop_is_longer_than_the_worst(self, tmp_path):
        """
        Steps: two workers that never rest, on the null PMD; ask for the distribution of their loops many times, then for the worst.
        Verify: no count is negative, and no loop was counted in a range beyond the worst.
        """
        config = {"capture": {"ports": [{"name": "net_null0", "queues": 2}]}, "lcores": {"workers": 2}, "models": []}
        with appliance(tmp_path, config, "lj-dts-rss-loops") as (_, telemetry):
            tables = [telemetry.ask("/linejudge/show/stalls/histogram") for _ in range(20)]
            stalls = telemetry.ask("/linejudge/show/stalls")
        for table in tables:
            ends = [1000 * int(end.strip("_us")) for end in table]
            for begin, (end, row) in zip([0] + ends, table.items()):
                verify(all(n == 0 or n > 0 and begin <= stalls[lcore]["worst"] for lcore, n in row.items()), f"{end}: {row}, {stalls}")

    def test_rebalancing_is_refused_with_its_reason(self, tmp_path):
        """
        Steps: ask for it where nothing was sampled (the null PMD's packets are no IP), and where there is no table.
        Verify: each is refused, and says why.
        """
        null = {"capture": {"ports": [{"name": "net_null0", "queues": 2}], "rss_check": 1}, "lcores": {"workers": 2}, "models": []}
        ring = {"capture": {"ports": [{"name": "net_ring0", "queues": 2}]}, "lcores": {"workers": 2}, "models": []}
        for config, says in ((null, "0 packets were sampled"), (ring, "no redirection table")):
            with appliance(tmp_path, config, "lj-dts-rss-rebalance") as (_, telemetry):
                answer = telemetry.ask("/linejudge/rebalance/rss")
            verify(says in answer["error"], answer)

    def test_what_the_spreader_deals_is_rebalanced(self, tmp_path):
        """
        Steps: four workers behind the one queue of an endless capture, by addresses, which is uneven; rebalance, and again.
        Verify: it is more even afterwards, and what has moved is counted, in entries and in flows; the ledger balances.
        """
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1", "mbufs": 32768}], "rss_mode": "ip"},
                  "lcores": {"workers": 4}, "flow": {"capacity": 4096}, "models": []}
        with appliance(tmp_path, config, "lj-dts-rss-spread") as (process, telemetry):
            def dealt(packets):
                # Many rounds of the capture: a part of one is no sample of the rest.
                if telemetry.ask("/linejudge/show/rss")["spread"]["checked"] < packets:
                    raise OSError("not yet")

            def rebalanced():
                answer = telemetry.ask("/linejudge/rebalance/rss")
                if "error" in answer:
                    raise OSError(answer["error"])
                return answer

            wait_for(lambda: dealt(300000), process)
            answer = wait_for(rebalanced, process)
            verify(float(answer["imbalance_before"]) > 1.5 and answer["moved_entries"] > 0, answer)
            verify(float(answer["imbalance_after"]) < float(answer["imbalance_before"]), answer)

            def counted():
                if telemetry.ask("/linejudge/show/counters")["rss_moved_flows"] == 0:
                    raise OSError("not yet")

            wait_for(counted, process)
            spread = telemetry.ask("/linejudge/show/rss")["spread"]
            # Of what workers could take: where all have too much to do it is even.
            verify(spread["mode"] == "ip" and spread["queues"] == 4 and float(spread["imbalance"]) >= 1 and spread["checked"] > 0, spread)
            wait_for(lambda: dealt(spread["checked"] + 300000), process)
            again = wait_for(rebalanced, process)
            verify(float(again["imbalance_before"]) < float(answer["imbalance_before"]), f"{answer}, then {again}")
            process.terminate()
            out, err = process.communicate(timeout=60)
            verify(json.loads(out)["ledger"]["balanced"], out + err)

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

    def test_no_flow_parts_over_the_link(self, tmp_path, link):
        """
        Steps: watch the test run's link with two workers (a lab's NIC spreads by RSS over two queues; the veth's one queue is
            dealt out by a spreader); send the first frames of the demo capture at its other end.
        Verify: the flows of their replay: no direction went elsewhere; no sample did either.
        """
        header, frames = read_pcap(DEMO)
        frames, live, still = frames[:1000], tmp_path / "live.json", tmp_path / "still.json"
        (tmp_path / "still.pcap").write_bytes(header + b"".join(frame for _, frame in frames))
        replay(tmp_path / "still.pcap", "--model", "none", "--eve", still)
        config = {"capture": {"ports": [link.port], "rss_check": 1}, "lcores": {"workers": 2}, "models": [], "eve": {"target": str(live)}}
        with appliance(tmp_path, config, "lj-dts-rss-link") as (process, telemetry):
            link.send([frame[16:] for _, frame in frames])

            def all_came():
                counters = telemetry.ask("/linejudge/show/counters")
                if counters["rx_packets"] < len(frames):
                    raise OSError(f"{counters['rx_packets']} of {len(frames)}")
                return counters

            counters = wait_for(all_came, process)
        verify(counters["rss_parted"] == 0 and counters["rss_unexpected"] == 0, f"{counters}")
        verify(flows(live) == flows(still), "flows are parted")
