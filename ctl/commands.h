/* ctl/commands.h - the commands of the control protocol and the data they answer
 *
 * This is the contract between the server (which fills the documents), smtpguardctl (which shows
 * them) and programs that read `smtpguardctl --json`. A name, once here, keeps its meaning; new names
 * may be added. Readers take a missing number as 0 and a missing text as "".
 * Counters count since the server's start; *_s are seconds, *_ms milliseconds, *_bytes bytes; the
 * rest are plain numbers. Texts from outside are bytes (ctl/json.h): who shows them escapes them.
 *
 * stats   args: none
 *   { "version": "0.1.0", "uptime_s": 86400, "workers": 2, "enforce": true, "draining": false,
 *     "sessions":   { "now", "peak", "limit" (in effect; 0: none), "total", "refused" (by a limit),
 *                     "shed" (of these: newcomers, while places were kept for clients known good),
 *                     "gave_way" (newcomers' sessions ended for a client known good) },
 *     "mails":      { "accepted", "deferred", "refused", "lost" },
 *     "recipients": { "accepted", "refused", "deferred" },
 *     "bytes":      { "received" (bodies), "delivered" },
 *     "probes":     { "sent", "merged", "failed" },            recipient checks at the backend
 *     "cache":      { "hits", "misses", "entries" },           what those checks found
 *     "dns":        { "asked", "hits", "merged", "queries", "failed", "timeouts", "busy", "over_budget", "tcp",
 *                     "milliseconds" (of all queries), "open", "entries", "bytes" },
 *     "dns_lists":  [ LIST ],                                  see lists
 *     "records":    { "entries", "evicted" },                  what clients have earned
 *     "tables":     { "records" | "distinct" | "usual" | "known" | "blocks": { "entries", "evicted" (for new ones
 *                     before their time), "turned_away" (new ones that were not kept), "limit_bytes" } },
 *     "snapshot":   { "taken", "failed", "last_s" (since 1970), "took_ms", "entries", "bytes" },
 *     "remembered": { "entries" (recipients whose mail's retry is still to come), "evicted" (before their time,
 *                     relay.remember being full: their mails may come twice), "failing" (relay.state, see health) },
 *     "blocks":     { "made" (by rules), "refused" (connections) },
 *     "alerts": 0,                                             mails to the administrator
 *     "proxy_refused": 0,      connections of proxy_protocol_from without a good PROXY header, closed without a word
 *     "decisions":  { "kept", "total", "memory_bytes" },       for explain and last
 *     "tls":        { "handshakes", "failed" },
 *     "offences": 0,                                           protocol faults of clients
 *     "waiting": 0,                                            sessions held in a delay now
 *     "stress": 0.25,                                          the largest used share of what is limited, 0..1
 *     "load": 0.5,                                             of the machine, for each core
 *     "patterns_gave_up": 0,                                   tests in which a pattern took too many steps
 *     "open_bodies": 0,                                        bodies in unlinked files now
 *     "body_memory_bytes": 0,                                  bodies in memory now, of relay.memory
 *     "session_memory_bytes": 0,                               envelopes and the like now, of limits.memory
 *     "log_dropped": 0,                                        lines the log destination did not take
 *     "replay":     { "on", "lines" (made), "lost" },          log.replay
 *     "memory":     { "resident_bytes", "sessions_bytes", "tables_bytes", "tables_limit_bytes" },
 *     "limits":     { "descriptors", "sessions_set", "sessions_effective", "sessions_kept" (for clients known good),
 *                     "open_bodies_effective" },
 *     "rules":      [ { "name", "fired", "observed", "decided", "charged" } ] }   as in `rules`
 *
 * health  args: none
 *   { "status": "ok" | "degraded" | "failing",
 *     "checks": [ { "name": "backend main", "ok": true, "text": "up, 3 of 20 connections" } ] }
 *   degraded: mail flows, something needs a look; failing: mail does not flow.
 *
 * sessions  args: { "top": N }  1..100000, default 100; the oldest first
 *   { "total": 9800,
 *     "sessions": [ { "id": "...", "client": "192.0.2.7", "port": 51324, "helo": "mx.example",
 *                     "state": "rcpt", "from": "a@example", "recipients": 2, "age_ms": 1200,
 *                     "tls": "TLSv1.3" or "", "worker": 0, "backend": "main" or "" } ] }
 *
 * config  args: none
 *   { "file": "/etc/...", "text": "the effective settings, as --dump prints them" }
 *
 * reload  args: none
 *   { "changed": [ "limits.sessions" ], "needs_restart": [ "server.workers" ] }
 *   A faulty file is an error answer whose text is the FILE:LINE: message lines; nothing has changed.
 *
 * drain   args: none. Stops accepting; the server ends when the sessions have, or after server.drain.
 *   { "sessions": 12 }   still open
 *
 * backend  args: none. One entry for each backend of each group; "name" is the group: "main" or one of relay.groups
 *   { "backends": [ { "name": "main", "url": "smtp://127.0.0.1:10025",
 *                     "state": "up" | "down" | "unhealthy" | "unknown" (not yet tried),
 *                     "identity": "xclient", "reusable": true,
 *                     "connections": { "open", "busy", "idle", "limit" },
 *                     "waiting": 0, "delivered": 0, "failed": 0, "last_error": "",
 *                     "tls": { "set": "off" | "may" | "require", "version": "TLSv1.3" ("": the last connection is in
 *                              the clear, or there was none), "failed": bool (so not tried for some minutes) },
 *                     "size", "rcpt_max" (recipients of a mail, said or found out; 0: no limit is known),
 *                     "caps": [ "PIPELINING", "SIZE" ] } ] }
 *
 * backend test   args: none   begins, or joins one that is under way; { "test": ID } asks for what came of it
 *   { "test": ID, "pending": true }   ask again; else, one entry for each backend of each group:
 *   { "test": ID, "good": bool (nothing is to be changed),
 *     "backends": [ { "name": "main", "url", "state": "ok" | "change" (works, and could be better) | "failed",
 *         "fault" (where it ended before its time), "took_ms", "greeting", "ehlo": [ lines ],
 *         "tls": { "set": "off" | "may" | "require", "offered", "version", "cipher", "fault" },
 *         "identity": { "set": "xclient", "xclient": [ "ADDR" ], "xforward": [], "first": REPLY, "again": bool (XCLIENT
 *                       is offered again behind the first), "second": REPLY },
 *         "mail": REPLY, "stranger": REPLY (may a stranger relay through it?), "recipient", "unknown": REPLY,
 *         "unknown_counts": bool (its words mean "no such user"),
 *         "size", "rcpt_max", "mail_max" (0: not said), "refusals", "rsets" (borne on a connection), "slowed",
 *         "hung_up",
 *         "advice": [ { "must": bool, "what", "where": "master.cf" or "", "lines": [] } ] } ] }
 *   REPLY: { "code", "text" }, left out when it was not asked. A maildir:// has neither greeting nor what follows it.
 *
 * forget  args: { "recipient": "user@example.test" }
 *   { "forgotten": true }   false: the recipient cache did not know it
 *
 * explain  args: one of { "id": "7F3K9QZ2-1" } { "client": "192.0.2.7" or a prefix } { "recipient": "a@b" },
 *          and "top": N, 1..1000, default 10; the newest first
 * last     args: { "top": N }  1..1000, default 10
 *   { "kept": 1200, "oldest": "2026-11-22T00:51:23.123Z" (of all kept; "": none), "journal": "stderr" or a path,
 *     "decisions": [ DECISION ] }
 *   DECISION: one mail, or a session that had none:
 *   { "event": "mail" | "session", "id", "session", "time", "client", "port", "listener", "helo", "tls", "from",
 *     "mail" (number in the session), "size", "offences", "offence" (the first of them), "verdict", "by",
 *     "code", "reply", "score", "points", "observed" ("rule:action" that would have been), "promise" (the rule
 *     whose reject or block became a deferral, since the client is known good), "backend", "group" (with relay.groups),
 *     "backend_reply",
 *     "waited_ms", "backend_ms", "total_ms", "note",
 *     "rules": [ { "name", "stage", "after_ms" (since the session began), "action", "points" (that counted),
 *                  "observed": true, "cancelled": true (by an ok above), "times" (recipients),
 *                  "read": [ { "name": "count(messages by client, 1m)", "value": 61.0 } ] } ],
 *     "lookups": [ { "name": "dnsbl('list.example')", "answer", "ms" } ], "dns_ms" (that was waited for them),
 *     "to": [ { "address", "code", "id" (of a refusal) } ], "to_more" (recipients that are not shown),
 *     "connections" (of a client turned away at the door, which has one record a minute: this and those since) }
 *   A member that has nothing to say is left out.
 *
 * test    args: { "client", "rdns", "helo", "from", "recipient" }  all but the client may be left out; what needs one
 *         that was left out is not tested. Nothing is counted, charged or changed. "rdns": the client's confirmed name,
 *         which is not looked up then.
 *   { "stages": [ { "stage": "rcpt", "verdict": "none" | "wait" | "defer" | "reject" | "block", "by": "rule",
 *                   "would": "reject", "would_by": (where observed rules or enforce = false make it another),
 *                   "wait_ms", "code", "reply", "score", "points", "ok": "rule that is in force",
 *                   "greylist": (where that is the verdict, or would be) { "answer": "first" | "early" | "passed" |
 *                   "known", "identity" (that is proven), "by": "spf" | "name" | "net" (it passes), "wait_s" } } ],
 *     "lookups": [ as above ], "rules": [ as above ], "hold": HOLD,
 *     "notes": [ "rule \"x\": auth is always unknown in this version" ] }
 *
 * list    args: { "kind": "client" | "net" | "sender" | ... | "block" | "greylist", "top": N }  1..10000, default 20;
 *         without kind all records; "block": blocks and allowances; "greylist": who was greylisted
 *   { "entries": [ { "key", "kind", "points", "first", "last" (RFC 3339), "hold": HOLD } ] }
 *   of greylisting { "key", "kind", "greylist": { "of": "identity" (as a whole) | "mail" (one sender and recipient),
 *                    "state": "waiting" | "passed" | "allowed", "first", "last", "passed", "until" } }
 *   HOLD: { "kind": "block" (typed) | "auto" (by a rule) | "allow", "since", "until", "by": "rule", "reason" }
 *
 * show    args: { "key" }
 *   { "key", "entries": [ { "key", "kind", "points", "first", "last", "hold": HOLD,
 *                           "known": { "good", "accepted", "refused", "first", "last" } } ] }   [] when unknown; the
 * youngest 20 of greylisting, as above
 *
 * delete  args: { "key", "all": bool }
 *   { "deleted": 1 }   entries
 *
 * block, allow   args: { "key", "for_s": 3600, "reason" }
 *   { "key", "kind", "until" }
 *
 * lists   args: none
 *   { "lists": [ { "name", "file", "entries", "faults", "memory_bytes" } ],
 *     "dns_lists": [ LIST ] }
 *   LIST: { "name" (the zone, or its `text` in dns_lists), "of": "clients" | "domains", "state": "in play" | "out",
 *           "reason" (of out), "since", "asked", "listed", "failed", "usual_share" (0..1), "latency_ms",
 *           "next_test_ms" }
 *
 * rules   args: { "top": N }  1..1000: the N that fired most, the most first; without it all, in the settings' order
 *   { "total": 14, "enforce": true,
 *     "rules": [ { "name", "state": "enforce" | "observe" | "off", "action": "wait" or "", "stages": [ "rcpt" ],
 *                  "points", "charge" (as set),
 *                  "fired" (sessions, mails or recipients it was true for, in force), "observed" (the same when it is
 *                  only observed), "decided" (clients refused, deferred, blocked or made to wait by it),
 *                  "charged" (times), "points_given", "charge_given" (sums) } ] }
 *   Counted since the server's start; a reload keeps the counters of rules of the same name, also when the rule is
 *   another one now, and drops those of rules that are gone.
 *
 * trace   args: { "client": "192.0.2.7" or a prefix }   begins: what its sessions say and hear from now on is kept
 *           { "trace": ID, "from": N }                    takes the lines from number N on, at most 512
 *           { "trace": ID, "end": true }                  ends it; it ends by itself when nobody asks for 10 s
 *   { "trace": ID, "next": N (the next "from"), "lost": 0 (lines that were pushed out before they were taken),
 *     "more": bool (there are more now),
 *     "lines": [ { "time" (RFC 3339), "session", "kind", "text" (bytes from outside), "cut" (bytes left off) } ] }
 *   kind: "connect", "in" (from the client), "out" (to it), "tls", "dns" (a lookup), "rule", "verdict",
 *   "backend", "offence", "end".
 *   At most 8 traces at once, 1,024 lines each. AUTH and bodies are never in them.
 *
 * snapshot  args: none
 *   { "path", "entries", "bytes", "took_ms" }
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

enum { CTL_SESSIONS_TOP = 100, CTL_SESSIONS_TOP_MAX = 100000 };
enum { CTL_DECISIONS_TOP = 10, CTL_DECISIONS_TOP_MAX = 1000 };
enum { CTL_RULES_TOP_MAX = 1000 };
/* Lines of one answer. A trace that nobody asks for so long has ended. */
enum { CTL_TRACE_LINES = 512, CTL_TRACE_IDLE_S = 10 };
enum { CTL_LIST_TOP = 20, CTL_LIST_TOP_MAX = 10000 };
/* A block or an allowance for longer is a setting, not an order. */
enum { CTL_HOLD_MAX_S = 366 * 24 * 3600 };

#endif
