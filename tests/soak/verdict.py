"""What a soak has shown, and whether it is well: each fault is a line in the ledger."""
import collections
import dataclasses
import re
import statistics

from ledger import answered_too_late, doubtful

GROWTH = 0.05        # of resident memory, between the end of the warm-up and the end of the load
FLAT_SECONDS = 240   # of load: before, tables and caches still fill
SEEN_SECONDS = 100   # of load: until then chance has not brought everything, such as a list that failed and is back
SPARE = 2            # descriptors that may be open at the end on top of those at the beginning
SPF = ("pass", "fail", "softfail", "neutral", "none", "permerror", "temperror")
# by what mails were refused or told to come again, in any soak that says something
BY = ("strangers", "spf-fail", "zen", "backend")
RULES = ("named", "rdns-unknown", "spf-unknown", "spf-pass", "proven", "no-rdns", "dynamic", "rdns-mismatch", "spamcop",
         "helo-void")
DONE = ("reloads", "snapshots", "cut off behind the dot", "mails over BDAT", "DNS lists that failed")
LOOKUPS = ("hits", "timeouts", "failed", "tcp")  # what smtpguardctl stats must have counted of DNS
OUT, BACK = re.compile(r"DNS list \S+ is out of play"), re.compile(r"DNS list \S+ answers well again")


@dataclasses.dataclass
class Evidence:
    seconds: float
    judged: bool         # resident memory means something: no sanitizer
    samples: list        # (time, resident kilobytes, descriptors)
    descriptors: tuple   # before and after the load
    stats: dict          # smtpguardctl stats, when all was over
    records: list        # the log
    deaf: int            # name servers of ours that died
    refused: list        # the marks of good mails that were refused for good
    ledger: object

    def resident(self):
        """Medians in MB: behind the warm-up (the first third), at the end, of each the same span of time."""
        began, ended = self.samples[0][0], self.samples[-1][0]
        span = (ended - began) / 6
        early = [kb for at, kb, _ in self.samples if began + 2 * span <= at < began + 3 * span]
        late = [kb for at, kb, _ in self.samples if at >= ended - span]
        return statistics.median(early) / 1024, statistics.median(late) / 1024

    @property
    def flat_enough_to_tell(self):
        return self.judged and self.seconds >= FLAT_SECONDS

    def messages(self, pattern):
        return sum(1 for r in self.records if pattern.search(r.get("msg", "")))


def judge_resources(e):
    early, late = e.resident()
    if e.flat_enough_to_tell and late > early * (1 + GROWTH):
        yield f"resident memory grew from {early:.1f} to {late:.1f} MB"
    first, last = e.descriptors
    if last > first + SPARE:
        yield f"{last} descriptors at the end, {first} at the beginning"
    if e.stats["log_dropped"]:
        yield f"{e.stats['log_dropped']} lines of the log were dropped"
    if e.stats["dns"]["open"]:
        yield f"{e.stats['dns']['open']} questions to DNS are still open"


def judge_mails(e):
    if e.deaf:
        yield f"{e.deaf} name servers of our own died"
    if e.refused:
        yield f"{len(e.refused)} good mails were refused for good: {e.refused[:5]}"


def judge_seen(e):
    """A soak in which something did not happen says nothing about it."""
    if e.seconds < SEEN_SECONDS:
        return []
    mails = [r for r in e.records if r.get("event") == "mail"]
    spf, by = {r.get("spf") for r in mails}, {r.get("by") for r in mails}
    rules = {rule.split(":")[0] for r in mails for rule in r.get("rules", ())}
    listeners = {r.get("listener") for r in mails if r.get("verdict") == "accepted"}
    missing = [f"SPF {word}" for word in SPF if word not in spf]
    missing += [f"a mail stopped by {word}" for word in BY if word not in by]
    missing += [f"the rule {word}" for word in RULES if word not in rules]
    missing += [word for word in DONE if not e.ledger.counts[word]]
    missing += [f"a mail over {word}" for word in ("mx", "proxied") if word not in listeners]
    missing += [f"dns {word}" for word in LOOKUPS if not e.stats["dns"][word]]
    missing += [] if e.messages(OUT) else ["a DNS list out of play"]
    missing += [] if e.messages(BACK) else ["a DNS list back in play"]
    return [f"never seen: {what}" for what in missing]


def tell(e, named, moment, doubles):
    ledger, (early, late), dns = e.ledger, e.resident(), e.stats["dns"]
    sessions = sum(n for what, n in ledger.counts.items() if what.startswith("sessions: "))
    print(f"{e.seconds:.0f} s, {sessions} client sessions, {len(e.records)} journal lines")
    print(f"resident {early:.1f} MB after the warm-up, {late:.1f} MB at the end ({100 * (late / early - 1):+.1f} %)"
          f"{'' if e.flat_enough_to_tell else ', not judged'}; the most {max(s[1] for s in e.samples) / 1024:.1f}")
    print(f"descriptors {e.descriptors[0]} before, {max(s[2] for s in e.samples)} at most, {e.descriptors[1]} after")
    print(f"mails: {len(ledger.heard)} told 250; {sum(map(len, ledger.copies.values()))} copies for "
          f"{len(ledger.copies)} recipients of theirs; {len(named)} named as doubtful, {len(moment)} reset in the "
          f"moment of their 250, {doubles} copies came twice; {len(ledger.deferred)} told to come again, of them "
          f"{len(ledger.deferred & set(ledger.heard))} told 250 in the end")
    print(f"DNS: {dns['asked']} questions, {dns['queries']} sent, {dns['tcp']} over TCP, {dns['failed']} failed, "
          f"{dns['timeouts']} timeouts; {e.messages(OUT)} times a list went out of play, {e.messages(BACK)} times one "
          "came back")
    spf = collections.Counter(r.get("spf", "-") for r in e.records if r.get("event") == "mail")
    print("SPF: " + ", ".join(f"{word} {n}" for word, n in sorted(spf.items())))
    for what, n in sorted(ledger.counts.items()):
        print(f"  {n:8} {what}")


def report(e):
    """The exit code."""
    named, moment = doubtful(e.records), answered_too_late(e.records)
    doubles = e.ledger.judge(named | moment)
    faults = e.ledger.faults
    faults += [*judge_resources(e), *judge_mails(e), *judge_seen(e)]
    tell(e, named, moment, doubles)
    for fault in faults[:30]:
        print("FAULT " + fault)
    print(f"{len(faults)} faults")
    return 1 if faults else 0
