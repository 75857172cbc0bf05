"""A bundle's threshold from a site's own scores, and calibration.json, which keeps it beside the bundle. Needs Python alone.

The estimator. Attacks may be among the traffic that a site takes for ordinary, and would push the threshold up until nothing
alarms. They come from, or go to, few hosts, and most flows of such a host alarm; false alarms are spread thin. So a host with at
least SUSPECT_FLOWS flows of which at least SUSPECT_SHARE alarm at the threshold as shipped is suspected, and its alarming flows
are set aside; all together may be at most a stated share of the flows (0: nobody is suspected). Of the rest, n flows, the threshold lies just over
the score that is k + 1 from the top, k = rate * n rounded down: at most the rate alarms. Where that is under the threshold as shipped, few hosts in
a few hours say that nothing comes of being bolder: it is believed as far as it is sure. Of clusters, an initiator's flows in a twentieth of the
time, as many are drawn with replacement, DRAWS times; the variance of the log odds of the threshold by each draw is set against SITES_DIFFER squared,
that of sites around the threshold as shipped, and the threshold lies between the two as they weigh. Over the shipped one nothing is changed: there
the alarms were seen. What all that is worth on other traffic is measured on halves of the clusters: set on one, counted on the other, SPLITS times.
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
SITES_DIFFER = 1.0  # log odds; five benign sources' own thresholds lie 0.2 to 2.4 from what was set without them
ENOUGH = 10  # alarms among the flows, for a rate to be measured at all
SAMPLE = 500_000  # flows that are kept, of however many there are
FORMAT = 1
ENTRY = {"id", "made", "threshold", "asked", "traffic"}  # what is read again

# A flow's score and ends, when it began, and when it ended, if that is known.
Scored = collections.namedtuple("Scored", "score source target time_s end_s", defaults=(None,))


class Unfit(ValueError):
    """Traffic that a threshold cannot be set by."""


class Sample(list):
    """All flows of a source, or as many as are kept drawn from them alike (Vitter's algorithm R); `total` is how many there were."""

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
    """(number, event) of each line. One that a crash, a full disk or a read of what is just being written cut is passed over: two, and one in a thousand."""
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
        print(f"calibrate: {cut} of {number} lines are not whole and were passed over; {first}", file=sys.stderr)


def read_eve(lines, model):
    """Scored flows of EVE lines, by the model of that name where several scored."""
    for number, event in _events(lines):
        try:
            if event["event_type"] != "flow" or event["ml"].get("early") or event["ml"].get("shed"):
                continue
            scores = {o["model"]: o["score"] for o in event["ml"].get("models", ())} or {event["ml"]["model"]: event["ml"]["score"]}
            times, ends = (_time_s(event["flow"]["start"]), _time_s(event["flow"]["end"])), (event["src_ip"], event["dest_ip"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unfit(f"line {number} is not a flow event of linejudge's: {error!r}") from None
        if "decided" in event["ml"].get("marks", ()):
            raise Unfit(f"line {number}: its score was decided early, and is a bound: calibrate by EVE of model.mode exact, or by a capture")
        if model not in scores:
            raise Unfit(f"line {number} was scored by {', '.join(scores)}, not by {model}")
        if scores[model] is not None:
            yield Scored(scores[model], *ends, *times)


def suspects(flows, shipped):
    """{host: its alarming flows} of hosts most of whose flows alarm."""
    seen, alarms = collections.Counter(), collections.Counter()
    for flow in flows:
        for host in {flow.source, flow.target}:
            seen[host] += 1
            alarms[host] += flow.score >= shipped
    return {host: n for host, n in alarms.items() if seen[host] >= SUSPECT_FLOWS and n >= SUSPECT_SHARE * seen[host]}


def just_over(score):
    """The least number that no score which EVE prints so (six digits) reaches; 1 is the most a threshold can be."""
    return min(score + 0.5 * 10 ** (math.floor(math.log10(score)) - 5), 1) if score > 0 else 1e-9


def threshold_for(scores, rate):
    ordered = sorted(scores, reverse=True)
    return just_over(ordered[min(int(rate * len(ordered)), len(ordered) - 1)])


def clusters(flows):
    """Scores of flows that belong together: of one initiator in one slice of the time."""
    begin = min(flow.time_s for flow in flows)
    slice_s, together = (max(flow.time_s for flow in flows) - begin) / SLICES or 1, collections.defaultdict(list)
    for flow in flows:
        together[flow.source, int((flow.time_s - begin) / slice_s)].append(flow.score)
    return list(together.values())


def log_odds(threshold):
    inside = min(max(threshold, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def belief(flows, rate, seed=1):
    """How far a threshold by these flows is to be believed against the one as shipped: 0 to 1."""
    drawn, draw = clusters(flows), random.Random(seed)
    if len(drawn) < 2:
        return 0.5
    # Only scores near the top can decide.
    least = sorted((flow.score for flow in flows), reverse=True)[min(int(10 * rate * len(flows)) + 100, len(flows) - 1)]
    tops = [(len(scores), [s for s in scores if s >= least]) for scores in drawn]
    found = []
    for _ in range(DRAWS):
        chosen = draw.choices(tops, k=len(tops))
        ordered = sorted((score for _, scores in chosen for score in scores), reverse=True) or [least]
        found.append(log_odds(ordered[min(int(rate * sum(n for n, _ in chosen)), len(ordered) - 1)]))
    return SITES_DIFFER**2 / (SITES_DIFFER**2 + statistics.pvariance(found))


def between(threshold, shipped, believed):
    """The threshold itself where it is stricter than the one as shipped; otherwise between them, in log odds."""
    if threshold >= shipped:
        return threshold
    return 1 / (1 + math.exp(-(believed * log_odds(threshold) + (1 - believed) * log_odds(shipped))))


def spread(flows, rate, shipped, believed, seed=1):
    """5 %, 50 % and 95 % of the share that alarms on other clusters than the threshold was set by."""
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
    """EVE lines of all flows are wanted."""
    if len(flows) >= SUSPECT_FLOWS and all(flow.score >= shipped for flow in flows):
        raise Unfit(f"all {len(flows)} flows alarm: of traffic as it is, eve.flows has to be all, not alerts")


def calibrate(flows, shipped, fpr=None, alerts_per_hour=None, contaminated=0.05, hours=None):
    """An entry of calibration.json's history, not yet numbered. `flows`: all, or a Sample of them; `hours`: how long they took, if not as
    long as from the first's start to the last's end."""
    if not flows:
        raise Unfit("there is no flow to calibrate by")
    end_s = max(flow.time_s if flow.end_s is None else flow.end_s for flow in flows)
    hours = hours or max((end_s - min(flow.time_s for flow in flows)) / 3600, 1 / 3600)
    each = getattr(flows, "total", len(flows)) / len(flows)  # so many flows does one stand for
    hosts = suspects(flows, shipped) if contaminated > 0 else {}
    kept = [f for f in flows if f.score < shipped or (f.source not in hosts and f.target not in hosts)]
    aside = len(flows) - len(kept)
    if aside > contaminated * len(flows):
        worst = ", ".join(sorted(hosts, key=lambda h: (-hosts[h], h))[:5])
        raise Unfit(f"{aside} of {len(flows)} flows alarm and are of hosts that do little else ({worst}): more than "
                    f"--contaminated {contaminated:g}. Look at them first; if they are as they should be, say --contaminated 0, or train on them")
    rate = fpr if fpr is not None else alerts_per_hour * hours / (len(kept) * each)
    if not 0 < rate < 0.5:
        raise Unfit(f"the budget is {rate:.4g} of all flows; over 0 and under 0.5 can be set")
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
    """What a person needs before activating it."""
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
        lines.append(f"this traffic by itself is believed to {entry['believed']:.0%}; for the rest, the threshold as shipped")
    if traffic["set_aside"]:
        named = ", ".join(f"{host} ({n})" for host, n in list(traffic["suspected"].items())[:5])
        lines.append(f"set aside: {traffic['set_aside']} alarming flows of hosts that do little else: {named}. Look at them: "
                     f"they go on alarming, {traffic['set_aside'] / traffic['hours']:.4g} an hour besides")
    if traffic["sampled"] < traffic["flows"]:
        lines.append(f"measured on {traffic['sampled']} of them, drawn alike")
    if not entry["enough"]:
        lines.append(f"too little traffic for such a budget: under {ENOUGH} alerts are expected of all of it; take the uncertainty seriously")
    if entry["threshold"] >= 1:
        lines.append("the model is sure of more flows than the budget allows: at this threshold next to nothing alarms")
    return "\n".join(lines)


def makes_sense(kept):
    """Whether what a calibration.json has is of the kinds that are written to it."""
    history = kept["history"]
    return isinstance(history, list) and all(isinstance(e, dict) and ENTRY <= e.keys() and isinstance(e["traffic"], dict) for e in history) and (
        kept["active"] is None or kept["active"] in [e["id"] for e in history])


class Bundle:
    """A bundle's threshold as shipped, and its calibration.json."""

    def __init__(self, folder):
        self.folder = folder
        path = os.path.join(folder, "manifest.json")
        if not os.path.exists(path):
            raise Unfit(f"{folder}: is no model's folder: there is no manifest.json in it")
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
                raise Unfit(f"{self.path}: is no JSON: {error}") from None
            if not isinstance(kept, dict) or kept.get("format") != FORMAT or not {"booster_sha256", "active", "history"} <= kept.keys():
                raise Unfit(f"{self.path}: is no calibration of format {FORMAT}")
            if not makes_sense(kept):
                raise Unfit(f"{self.path}: makes no sense: its history is not what tools/calibrate writes, or the active one is not in it; without the "
                            "file the model runs as shipped")
            # What was measured on another booster says nothing of this one.
            if kept["booster_sha256"] == self.sha256:
                self.kept = kept

    def check_writable(self):
        """Before an hour is watched."""
        if not os.access(self.folder, os.W_OK):
            raise Unfit(f"{self.folder}: cannot be written, and calibration.json is kept there")

    def as_it_is_now(self):
        """The same, once its traffic was watched: others may have been calibrated, activated or reverted since, and the model been replaced."""
        now = Bundle(self.folder)
        if now.sha256 != self.sha256:
            raise Unfit(f"{self.folder}: has another model by now than the one whose scores were watched: nothing is changed")
        return now

    def entry(self, number):
        return next((e for e in self.kept["history"] if e["id"] == number), None)

    def add(self, entry):
        self.kept["history"].append({"id": 1 + max((e["id"] for e in self.kept["history"]), default=0), **entry})

    def activate(self):
        """Puts the latest entry in force; it remembers which was."""
        if not self.kept["history"]:
            raise Unfit(f"{self.path}: there is nothing to activate")
        latest = self.kept["history"][-1]
        if self.kept["active"] != latest["id"]:
            latest["before"], self.kept["active"] = self.kept["active"], latest["id"]
        return latest

    def revert(self):
        """Puts what was in force before back; the entry's number, or None for the threshold as shipped."""
        if self.kept["active"] is None:
            raise Unfit(f"{self.path}: the threshold is as shipped: there is nothing to revert")
        self.kept["active"] = self.entry(self.kept["active"]).get("before")
        return self.kept["active"]

    def listed(self):
        """A line each: as shipped, then every entry; a star where it is in force."""
        lines = [f"{' ' if self.kept['active'] else '*'} as shipped: threshold {self.shipped:.6g}"]
        for entry in self.kept["history"]:
            asked = ", ".join(f"{name} {value:g}" for name, value in entry["asked"].items())
            lines.append(f"{'*' if entry['id'] == self.kept['active'] else ' '} {entry['id']}, {entry['made']}: threshold {entry['threshold']:.6g} for {asked}, "
                         f"by {entry['traffic']['flows']} flows in {entry['traffic']['hours']:.3g} h")
        return "\n".join(lines)

    def save(self):
        """Whole or not at all, and for whom the bundle is: root's umask is no reason why service.user should not read it."""
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
