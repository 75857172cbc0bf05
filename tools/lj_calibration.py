"""Determines a bundle's threshold from a site's own scores, and stores it in calibration.json beside the bundle. Needs only Python.

The estimator:

1. Suspects. Attacks in the traffic would raise the threshold until nothing alarms. They come from, or go to, few hosts, and most flows of
   such a host alarm, while false alarms are spread over many hosts. So a host is suspected if it has at least SUSPECT_FLOWS flows of which
   at least SUSPECT_SHARE alarm at the shipped threshold, and its alarming flows are set aside. If these are more than a given share of all
   flows, calibration refuses; with a share of 0 no host is suspected.
2. Quantile. Of the remaining n flows, the threshold is just above score number k + 1 from the top, k = rate * n rounded down: at most
   the requested rate alarms.
3. Shrinkage. If that is below the shipped threshold, it is weighted by its reliability, since few hosts in a few hours do not show that
   a lower threshold is safe. A cluster is one initiator's flows in 1/20 of the time. Bootstrap: clusters are drawn with replacement,
   DRAWS times; with V the variance of the log odds of the resulting thresholds, and SITES_DIFFER squared the variance of sites around the
   shipped threshold, the weight is SITES_DIFFER^2 / (SITES_DIFFER^2 + V), applied in log odds. A threshold above the shipped one is not
   changed, since its alarms have been observed.
4. Uncertainty. The clusters are split into halves, SPLITS times: the threshold is set on one half, and the alarms are counted on the other.
"""

import collections
import contextlib
import datetime
import hashlib
import json
import math
import os
import random
import stat
import statistics
import sys

SUSPECT_FLOWS, SUSPECT_SHARE = 20, 0.5
SPLITS = 200
DRAWS, SLICES = 100, 20
SITES_DIFFER = 1.0  # in log odds; the own thresholds of five benign sources differ by 0.2 to 2.4 from those set without them
ENOUGH = 10  # expected alarms for which a rate can be measured
SAMPLE = 500_000  # flows that are kept; a random sample if there are more
FORMAT = 1
ENTRY = {"id", "made", "threshold", "asked", "traffic"}  # fields that are read back

# A flow's score and endpoints, its start, and its end if known.
Scored = collections.namedtuple("Scored", "score source target time_s end_s", defaults=(None,))


class Unfit(ValueError):
    """Traffic that cannot be used for calibration."""


class Sample(list):
    """All flows of a source, or a uniform random sample of them (Vitter's algorithm R); `total` is the number of flows."""

    def __init__(self, flows, most=SAMPLE, seed=1):
        super().__init__()
        self.total, draw = 0, random.Random(seed)
        for flow in flows:
            self.total += 1
            if len(self) < most:
                self.append(flow)
            elif (at := draw.randrange(self.total)) < most:
                self[at] = flow


def _time_s(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def _events(lines):
    """(number, event) of each line. Tolerates incomplete lines, after a crash, on a full disk or in a file that is being written: two, and one
    in a thousand."""
    first, cut, number = None, 0, 0
    for number, line in enumerate(lines, start=1):
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            first, cut = first or f"line {number} is not a flow event of linejudge's: {error!r}", cut + 1
            if cut > number // 1000 + 100:
                raise Unfit(first) from None
    if cut > number // 1000 + 2 or cut == number > 0:
        raise Unfit(first)
    if cut:
        print(f"calibrate: {cut} of {number} lines are incomplete and were skipped; {first}", file=sys.stderr)


def read_eve(lines, model):
    """The scored flows of EVE lines; if several models scored, the scores of `model`."""
    for number, event in _events(lines):
        try:
            if event["event_type"] != "flow" or event["ml"].get("early") or event["ml"].get("shed"):
                continue
            scores = {o["model"]: o["score"] for o in event["ml"].get("models", ())} or {event["ml"]["model"]: event["ml"]["score"]}
            times, ends = (_time_s(event["flow"]["start"]), _time_s(event["flow"]["end"])), (event["src_ip"], event["dest_ip"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unfit(f"line {number} is not a flow event of linejudge's: {error!r}") from None
        if "decided" in event["ml"].get("marks", ()):
            raise Unfit(f"line {number}: its score was decided early and is only a bound: calibrate with EVE of model.mode exact, or with a capture")
        if model not in scores:
            raise Unfit(f"line {number} was scored by {', '.join(scores)}, not by {model}")
        if scores[model] is not None:
            yield Scored(scores[model], *ends, *times)


def suspects(flows, shipped):
    """{host: number of its alarming flows} of hosts whose flows mostly alarm."""
    seen, alarms = collections.Counter(), collections.Counter()
    for flow in flows:
        for host in {flow.source, flow.target}:
            seen[host] += 1
            alarms[host] += flow.score >= shipped
    return {host: n for host, n in alarms.items() if seen[host] >= SUSPECT_FLOWS and n >= SUSPECT_SHARE * seen[host]}


def just_over(score):
    """The least number that no score reaches which EVE, with six digits, prints like this one; a threshold is at most 1."""
    return min(score + 0.5 * 10 ** (math.floor(math.log10(score)) - 5), 1) if score > 0 else 1e-9


def threshold_for(scores, rate):
    ordered = sorted(scores, reverse=True)
    return just_over(ordered[min(int(rate * len(ordered)), len(ordered) - 1)])


def clusters(flows):
    """The scores of each cluster: one initiator's flows in one slice of time."""
    begin = min(flow.time_s for flow in flows)
    slice_s, together = (max(flow.time_s for flow in flows) - begin) / SLICES or 1, collections.defaultdict(list)
    for flow in flows:
        together[flow.source, int((flow.time_s - begin) / slice_s)].append(flow.score)
    return list(together.values())


def log_odds(threshold):
    inside = min(max(threshold, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def belief(flows, rate, seed=1):
    """The weight, 0 to 1, of a threshold from these flows relative to the shipped one."""
    drawn, draw = clusters(flows), random.Random(seed)
    if len(drawn) < 2:
        return 0.5
    # Only scores near the top can determine the threshold; omit the others.
    least = sorted((flow.score for flow in flows), reverse=True)[min(int(10 * rate * len(flows)) + 100, len(flows) - 1)]
    tops = [(len(scores), [s for s in scores if s >= least]) for scores in drawn]
    found = []
    for _ in range(DRAWS):
        chosen = draw.choices(tops, k=len(tops))
        ordered = sorted((score for _, scores in chosen for score in scores), reverse=True) or [least]
        found.append(log_odds(ordered[min(int(rate * sum(n for n, _ in chosen)), len(ordered) - 1)]))
    return SITES_DIFFER**2 / (SITES_DIFFER**2 + statistics.pvariance(found))


def between(threshold, shipped, believed):
    """The threshold itself if it is above the shipped one; else the weighted mean of the two, in log odds."""
    if threshold >= shipped:
        return threshold
    return 1 / (1 + math.exp(-(believed * log_odds(threshold) + (1 - believed) * log_odds(shipped))))


def spread(flows, rate, shipped, believed, seed=1):
    """The 5 %, 50 % and 95 % quantiles of the share of alarms in clusters that the threshold was not set on."""
    drawn, shares, draw = clusters(flows), [], random.Random(seed)
    if len(drawn) < 2:
        return None
    for _ in range(SPLITS):
        draw.shuffle(drawn)
        sides = [[s for scores in part for s in scores] for part in (drawn[:len(drawn) // 2], drawn[len(drawn) // 2:])]
        threshold = between(threshold_for(sides[0], rate), shipped, believed)
        shares.append(sum(s >= threshold for s in sides[1]) / len(sides[1]))
    shares.sort()
    return [shares[int(q * (SPLITS - 1))] for q in (0.05, 0.5, 0.95)]


def refuse_alerts_alone(flows, shipped):
    """Refuses EVE lines with alerts only: all flows are needed."""
    if len(flows) >= SUSPECT_FLOWS and all(flow.score >= shipped for flow in flows):
        raise Unfit(f"all {len(flows)} flows alarm: EVE lines of all flows are needed (eve.flows all, not alerts)")


def calibrate(flows, shipped, fpr=None, alerts_per_hour=None, contaminated=0.05, hours=None):
    """Returns an entry for calibration.json's history, without id. `flows`: all, or a Sample; `hours`: their duration, if it differs from the
    time between the first start and the last end."""
    if not flows:
        raise Unfit("there are no flows to calibrate with")
    end_s = max(flow.time_s if flow.end_s is None else flow.end_s for flow in flows)
    hours = hours or max((end_s - min(flow.time_s for flow in flows)) / 3600, 1 / 3600)
    each = getattr(flows, "total", len(flows)) / len(flows)  # number of flows that each one represents
    hosts = suspects(flows, shipped) if contaminated > 0 else {}
    kept = [f for f in flows if f.score < shipped or (f.source not in hosts and f.target not in hosts)]
    aside = len(flows) - len(kept)
    if aside > contaminated * len(flows):
        worst = ", ".join(sorted(hosts, key=lambda h: (-hosts[h], h))[:5])
        raise Unfit(f"{aside} of {len(flows)} flows alarm and belong to hosts that mostly alarm ({worst}): more than "
                    f"--contaminated {contaminated:g}. Investigate these hosts; if they are benign, use --contaminated 0, or train on their traffic")
    rate = fpr if fpr is not None else alerts_per_hour * hours / (len(kept) * each)
    if not 0 < rate < 0.5:
        raise Unfit(f"the budget is {rate:.4g} of all flows; it must be over 0 and under 0.5")
    believed = belief(kept, rate)
    threshold = between(threshold_for([f.score for f in kept], rate), shipped, believed)
    low, middle, high = spread(kept, rate, shipped, believed) or [None] * 3
    return {
        "threshold": threshold, "believed": round(believed, 6), "made": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "asked": {"fpr": fpr} if fpr is not None else {"alerts_per_hour": alerts_per_hour},
        "traffic": {"flows": round(len(flows) * each), "sampled": len(flows), "hours": round(hours, 6), "set_aside": round(aside * each),
                    "suspected": {host: hosts[host] for host in sorted(hosts, key=lambda h: (-hosts[h], h))[:20]}},
        "alerts": {"share": sum(f.score >= threshold for f in kept) / len(kept), "share_elsewhere": [low, middle, high],
                   "per_hour": sum(f.score >= threshold for f in kept) * each / hours,
                   "shipped_per_hour": sum(f.score >= shipped for f in kept) * each / hours},
        "enough": rate * len(kept) >= ENOUGH,
    }


def report(entry, shipped):
    """The report for the decision to activate an entry."""
    traffic, alerts = entry["traffic"], entry["alerts"]
    per_hour = (traffic["flows"] - traffic["set_aside"]) / traffic["hours"]
    asked = "{:g} of flows".format(entry["asked"]["fpr"]) if "fpr" in entry["asked"] else \
        "{:g} an hour".format(entry["asked"]["alerts_per_hour"])
    lines = [f"{traffic['flows']} flows in {traffic['hours']:.3g} h; asked: alerts of {asked}",
             f"threshold {entry['threshold']:.6g}; as shipped {shipped:.6g}",
             f"expected: {alerts['per_hour']:.4g} alerts an hour, {alerts['share']:.4%} of flows; "
             f"as shipped {alerts['shipped_per_hour']:.4g}"]
    low, _, high = alerts["share_elsewhere"]
    if low is None:
        lines.append("uncertainty: unknown, all flows are of one initiator at one time")
    else:
        lines.append(f"uncertainty: {low * per_hour:.4g} to {high * per_hour:.4g} an hour, {low:.4%} to {high:.4%} of flows (90 % of "
                     f"{SPLITS} splits by initiator and time, set on one half and counted on the other)")
    if entry["threshold"] < shipped:
        lines.append(f"weight of this traffic in the threshold: {entry['believed']:.0%}; the rest is the shipped threshold")
    if traffic["set_aside"]:
        named = ", ".join(f"{host} ({n})" for host, n in list(traffic["suspected"].items())[:5])
        lines.append(f"set aside: {traffic['set_aside']} alarming flows of hosts that mostly alarm: {named}. Investigate them: they keep alarming, {traffic['set_aside'] / traffic['hours']:.4g} an hour besides")
    if traffic["sampled"] < traffic["flows"]:
        lines.append(f"measured on {traffic['sampled']} of them, a random sample")
    if not entry["enough"]:
        lines.append(f"too little traffic for this budget: fewer than {ENOUGH} alerts are expected in all of it; mind the uncertainty")
    if entry["threshold"] >= 1:
        lines.append("more flows than the budget allows have the maximum score: at this threshold almost nothing alarms")
    return "\n".join(lines)


def makes_sense(kept):
    """Whether the fields have the types that are written to calibration.json."""
    history = kept["history"]
    return isinstance(history, list) and all(isinstance(e, dict) and ENTRY <= e.keys() and isinstance(e["traffic"], dict) for e in history) and (
        kept["active"] is None or kept["active"] in [e["id"] for e in history])


class Bundle:
    """A bundle's shipped threshold, and its calibration.json."""

    def __init__(self, folder):
        self.folder = folder
        path = os.path.join(folder, "manifest.json")
        if not os.path.exists(path):
            raise Unfit(f"{folder}: is not a model's folder: it has no manifest.json")
        with open(path, encoding="utf-8") as file:
            self.manifest = json.load(file)
        self.name, self.shipped = self.manifest["name"], self.manifest["threshold"]
        with open(os.path.join(folder, self.manifest["files"]["booster"]["name"]), "rb") as file:
            self.sha256 = hashlib.sha256(file.read()).hexdigest()
        self.path = os.path.join(folder, "calibration.json")
        self.kept = {"format": FORMAT, "booster_sha256": self.sha256, "active": None, "history": []}
        if os.path.exists(self.path):
            try:
                with open(self.path, encoding="utf-8") as file:
                    kept = json.load(file)
            except ValueError as error:
                raise Unfit(f"{self.path}: is not JSON: {error}") from None
            if not isinstance(kept, dict) or kept.get("format") != FORMAT or not {"booster_sha256", "active", "history"} <= kept.keys():
                raise Unfit(f"{self.path}: is not a calibration of format {FORMAT}")
            if not makes_sense(kept):
                raise Unfit(f"{self.path}: is not valid: its history is not as tools/calibrate writes it, or lacks the active entry; without the file the model runs as shipped")
            # A calibration of another booster is ignored.
            if kept["booster_sha256"] == self.sha256:
                self.kept = kept

    def check_writable(self):
        """Called before traffic is observed, possibly for hours."""
        if not os.access(self.folder, os.W_OK):
            raise Unfit(f"{self.folder}: cannot be written, but calibration.json belongs there")

    def as_it_is_now(self):
        """The bundle reread after its traffic was observed: meanwhile others may have calibrated, activated or reverted it, or replaced the
        model."""
        now = Bundle(self.folder)
        if now.sha256 != self.sha256:
            raise Unfit(f"{self.folder}: its model was replaced while its scores were observed: nothing is changed")
        return now

    def entry(self, number):
        return next((e for e in self.kept["history"] if e["id"] == number), None)

    def add(self, entry):
        self.kept["history"].append({"id": 1 + max((e["id"] for e in self.kept["history"]), default=0), **entry})

    def activate(self):
        """Activates the latest entry, which records the previous one."""
        if not self.kept["history"]:
            raise Unfit(f"{self.path}: there is nothing to activate")
        latest = self.kept["history"][-1]
        if self.kept["active"] != latest["id"]:
            latest["before"], self.kept["active"] = self.kept["active"], latest["id"]
        return latest

    def revert(self):
        """Reactivates the previous entry; returns its number, or None for the shipped threshold."""
        if self.kept["active"] is None:
            raise Unfit(f"{self.path}: the shipped threshold is active: there is nothing to revert")
        self.kept["active"] = self.entry(self.kept["active"]).get("before")
        return self.kept["active"]

    def listed(self):
        """One line for the shipped threshold and for each entry; the active one has a star."""
        lines = [f"{' ' if self.kept['active'] else '*'} as shipped: threshold {self.shipped:.6g}"]
        for entry in self.kept["history"]:
            asked = ", ".join(f"{name} {value:g}" for name, value in entry["asked"].items())
            lines.append(f"{'*' if entry['id'] == self.kept['active'] else ' '} {entry['id']}, {entry['made']}: threshold {entry['threshold']:.6g} for {asked}, "
                         f"by {entry['traffic']['flows']} flows in {entry['traffic']['hours']:.3g} h")
        return "\n".join(lines)

    def save(self):
        """Writes the file atomically, with the bundle's group and mode, so that service.user can read it even if root has a strict umask."""
        bundle = os.stat(os.path.join(self.folder, "manifest.json"))
        with open(self.path + ".new", "w", encoding="ascii") as file:
            with contextlib.suppress(OSError):
                os.fchown(file.fileno(), -1, bundle.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(bundle.st_mode))
            json.dump(self.kept, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)
