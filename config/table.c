/* Every setting, in the order in which settings_dump() and the manual show them. */
#include "config/table.h"

#include "config/words.h"

#define AT(group, member) .offset = offsetof(struct settings_##group, member)
#define AT_TOP(member)	  .offset = offsetof(struct settings, member)

#define MS	1.0
#define SECONDS 1e3
#define MINUTES 6e4
#define HOURS	3.6e6
#define DAYS	8.64e7
#define KB	1024.0
#define MB	(KB * KB)
#define GB	(KB * KB * KB)

static const struct row rows_server[] = {
	{ .name = "hostname", .kind = KIND_HOST, AT(server, hostname), .preset = "",
	  .help = "our name in the banner, Received: and EHLO; default: the name of this host" },
	{ .name = "workers", .kind = KIND_COUNT, AT(server, workers), .flags = ROW_RESTART, .max = 1024,
	  .preset = "0", .help = "threads; 0: one for each core" },
	{ .name = "user", .kind = KIND_TEXT, AT(server, user), .flags = ROW_RESTART, .max = 64,
	  .preset = "smtpguard", .help = "taken on after binding, when started as root; \"\": stay root" },
	{ .name = "control", .kind = KIND_PATH, AT(server, control), .flags = ROW_RESTART,
	  .preset = "/run/smtpguard/control", .help = "the socket of smtpguardctl, mode 0660" },
	{ .name = "spool", .kind = KIND_PATH, AT(server, spool), .flags = ROW_RESTART,
	  .preset = "/var/spool/smtpguard",
	  .help = "folder of the unlinked files for bodies above relay.memory_per_message" },
	{ .name = "drain", .kind = KIND_DURATION, AT(server, drain_ms), .max = 1 * HOURS, .preset = "30s",
	  .help = "how long open sessions may go on after TERM" },
	{ .name = "sandbox", .kind = KIND_BOOL, AT(server, sandbox), .flags = ROW_RESTART, .preset = "true",
	  .help = "after the start only the system calls and files that are needed; false: for debuggers" },
	{ .name = NULL },
};

static const struct row rows_listener[] = {
	{ .name = "name", .kind = KIND_NAME, AT(listener, name), .preset = "mx",
	  .help = "what rules and the journal call it" },
	{ .name = "address", .shape = SHAPE_MANY, .kind = KIND_ADDRESS, AT(listener, address),
	  .flags = ROW_NOT_EMPTY, .preset = "0.0.0.0:25, [::]:25", .help = "where clients connect to" },
	{ .name = "protocol", .kind = KIND_WORD, AT(listener, protocol), .preset = "smtp", .words = words_protocol,
	  .help = "SMTP with clients, or the questions of a Postfix that has them: its check_policy_service" },
	{ .name = "tls", .kind = KIND_WORD, AT(listener, tls), .preset = "starttls", .words = words_tls,
	  .help = "off, STARTTLS announced, or TLS from the first byte" },
	{ .name = "proxy_protocol_from", .shape = SHAPE_MANY, .kind = KIND_PREFIX,
	  AT(listener, proxy_protocol_from), .preset = "",
	  .help = "prefixes whose PROXY header is required and believed" },
	{ .name = "xclient_from", .shape = SHAPE_MANY, .kind = KIND_PREFIX, AT(listener, xclient_from),
	  .preset = "", .help = "prefixes that may use XCLIENT; loopback is not implied" },
	{ .name = "policy_from", .shape = SHAPE_MANY, .kind = KIND_PREFIX, AT(listener, policy_from),
	  .preset = "127.0.0.0/8, ::1/128", .help = "prefixes from which a Postfix may ask, where protocol is policy" },
	{ .name = NULL },
};

static const struct row rows_ehlo_hide[] = {
	{ .name = "from", .shape = SHAPE_MANY, .kind = KIND_PREFIX, AT(ehlo_hide, from), .flags = ROW_NOT_EMPTY,
	  .preset = "", .help = "the clients" },
	{ .name = "keywords", .shape = SHAPE_MANY, .kind = KIND_WORD, AT(ehlo_hide, keywords),
	  .flags = ROW_NOT_EMPTY, .preset = "", .words = words_ehlo, .help = "what they are not told" },
	{ .name = NULL },
};

static const struct row rows_smtp[] = {
	{ .name = "bare_newline", .kind = KIND_WORD, AT(smtp, bare_newline), .preset = "repair",
	  .words = words_newline, .help = "what a bare LF inside a body gets; it never ends a body" },
	{ .name = "bare_cr", .kind = KIND_WORD, AT(smtp, bare_cr), .preset = "refuse", .words = words_newline,
	  .help = "what a bare CR inside a body gets" },
	{ .name = "ehlo_hide", .shape = SHAPE_LIST, AT(smtp, ehlo_hide), .preset = "", .rows = rows_ehlo_hide,
	  .size = sizeof(struct settings_ehlo_hide),
	  .help = "keywords left out of the reply to EHLO, for peers whose side of it (TLS often) is broken" },
	{ .name = NULL },
};

static const struct row rows_limits[] = {
	{ .name = "sessions", .kind = KIND_COUNT, AT(limits, sessions), .max = 10000000, .preset = "20000",
	  .help = "sessions at once; 0: no limit" },
	{ .name = "sessions_per_client", .kind = KIND_COUNT, AT(limits, sessions_per_client), .max = 1000000,
	  .preset = "50", .help = "sessions of one client (IPv4 address, IPv6 /64) at once; 0: no limit" },
	{ .name = "sessions_per_net", .kind = KIND_COUNT, AT(limits, sessions_per_net), .max = 1000000,
	  .preset = "1000",
	  .help = "sessions of one net (IPv4 /24, IPv6 /48) at once, but for clients known good; 0, or "
		  "sessions_per_client = 0: no limit" },
	{ .name = "memory", .kind = KIND_SIZE, AT(limits, memory), .min = 64 * KB, .max = 64 * GB, .preset = "256M",
	  .help = "envelopes, replies not read and input not used, of all sessions together, beyond 16k of each" },
	{ .name = "waiting", .kind = KIND_COUNT, AT(limits, waiting), .max = 10000000, .preset = "10000",
	  .help = "sessions held in a delay at once; 0: no limit" },
	{ .name = "delay", .kind = KIND_DURATION, AT(limits, delay_ms), .max = 10 * MINUTES, .preset = "1m",
	  .help = "the most that a session waits by rules in all" },
	{ .name = "command_timeout", .kind = KIND_DURATION, AT(limits, command_timeout_ms), .min = 100 * MS,
	  .max = 1 * HOURS, .preset = "5m", .help = "silence before a command" },
	{ .name = "data_timeout", .kind = KIND_DURATION, AT(limits, data_timeout_ms), .min = 100 * MS,
	  .max = 1 * HOURS, .preset = "3m", .help = "silence between two reads of a body" },
	{ .name = "session_time", .kind = KIND_DURATION, AT(limits, session_time_ms), .min = 100 * MS,
	  .max = 1 * DAYS, .preset = "15m", .help = "after this no new mail begins (421)" },
	{ .name = "session_end", .kind = KIND_DURATION, AT(limits, session_end_ms), .min = 100 * MS,
	  .max = 1 * DAYS, .preset = "1h", .help = "the hard stop, for a body in coming as well" },
	{ .name = "stress_timeout", .kind = KIND_DURATION, AT(limits, stress_timeout_ms), .min = 100 * MS,
	  .max = 1 * HOURS, .preset = "10s",
	  .help = "replaces command_timeout when over 90 % of the sessions are used" },
	{ .name = "min_data_rate", .kind = KIND_SIZE, AT(limits, min_data_rate), .max = 1 * GB, .preset = "500",
	  .help = "bytes a second over a body; 0: no floor" },
	{ .name = "recipients", .kind = KIND_COUNT, AT(limits, recipients), .min = 1, .max = 100000,
	  .preset = "1000", .help = "recipients of one mail" },
	{ .name = "message_size", .kind = KIND_SIZE, AT(limits, message_size), .min = 1 * KB, .max = 2 * GB,
	  .preset = "50M", .help = "announced with SIZE and held to" },
	{ .name = "errors", .kind = KIND_COUNT, AT(limits, errors), .min = 1, .max = 1000000, .preset = "20",
	  .help = "protocol faults of a session, then 421" },
	{ .name = "junk_commands", .kind = KIND_COUNT, AT(limits, junk_commands), .min = 1, .max = 1000000,
	  .preset = "100", .help = "NOOP, RSET, VRFY and the like without a mail, then 421" },
	{ .name = NULL },
};

static const struct row rows_certificate[] = {
	{ .name = "cert", .kind = KIND_PATH, AT(certificate, cert), .flags = ROW_REQUIRED,
	  .help = "PEM file: the certificate, then its chain" },
	{ .name = "key", .kind = KIND_PATH, AT(certificate, key), .flags = ROW_REQUIRED,
	  .help = "PEM file: the private key" },
	{ .name = NULL },
};

static const struct row rows_tls[] = {
	{ .name = "certificates", .shape = SHAPE_LIST, AT(server_tls, certificates), .preset = "",
	  .rows = rows_certificate, .size = sizeof(struct settings_certificate),
	  .help = "for clients; more than one: chosen by SNI; none: STARTTLS is not announced" },
	{ .name = "minimum", .kind = KIND_WORD, AT(server_tls, minimum), .preset = "1.2",
	  .words = words_tls_version, .help = "the lowest version of TLS that is spoken" },
	{ .name = NULL },
};

static const struct row rows_group[] = {
	{ .name = "name", .kind = KIND_NAME, AT(group, name), .flags = ROW_REQUIRED,
	  .help = "what the journal and smtpguardctl call it" },
	{ .name = "backends", .shape = SHAPE_MANY, .kind = KIND_BACKEND, AT(group, backends),
	  .flags = ROW_REQUIRED | ROW_NOT_EMPTY, .help = "as relay.backends" },
	{ .name = "identity", .kind = KIND_WORD, AT(group, identity), .preset = "xclient",
	  .words = words_identity, .help = "as relay.identity" },
	{ .name = "tls", .kind = KIND_WORD, AT(group, tls), .preset = "off", .words = words_relay_tls,
	  .help = "as relay.tls" },
	{ .name = "tls_name", .kind = KIND_HOST, AT(group, tls_name), .preset = "", .help = "as relay.tls_name" },
	{ .name = "connections", .kind = KIND_COUNT, AT(group, connections), .min = 1, .max = 10000,
	  .preset = "20", .help = "as relay.connections" },
	{ .name = "domains", .shape = SHAPE_MANY, .kind = KIND_DOMAIN, AT(group, domains),
	  .flags = ROW_REQUIRED | ROW_NOT_EMPTY,
	  .help = "recipient domains that go to this group; a mail for two groups is taken for the first one" },
	{ .name = NULL },
};

static const struct row rows_relay[] = {
	{ .name = "backends", .shape = SHAPE_MANY, .kind = KIND_BACKEND, AT(relay, backends),
	  .flags = ROW_NOT_EMPTY, .preset = "smtp://127.0.0.1:10025",
	  .help = "smtp://HOST:PORT, lmtp://HOST:PORT, lmtp+unix:///PATH or maildir://PATH; the first is preferred" },
	{ .name = "domains", .shape = SHAPE_MANY, .kind = KIND_DOMAIN, AT(relay, domains), .preset = "",
	  .help = "recipient domains that are ours; []: the backend decides (with identity xclient or proxy only)" },
	{ .name = "clients", .shape = SHAPE_MANY, .kind = KIND_PREFIX, AT(relay, clients), .preset = "",
	  .help = "prefixes that may relay anywhere" },
	{ .name = "identity", .kind = KIND_WORD, AT(relay, identity), .preset = "xclient",
	  .words = words_identity,
	  .help = "how the backend learns the client; proxy: a PROXY header, one connection for each client" },
	{ .name = "tls", .kind = KIND_WORD, AT(relay, tls), .preset = "off", .words = words_relay_tls,
	  .help = "TLS toward the backend; require: verified" },
	{ .name = "tls_name", .kind = KIND_HOST, AT(relay, tls_name), .preset = "",
	  .help = "the name that the backend's certificate must have; default: its address" },
	{ .name = "tls_ca", .kind = KIND_PATH, AT(relay, tls_ca), .preset = "",
	  .help = "PEM file of the authorities believed; default: those of the system" },
	{ .name = "connections", .kind = KIND_COUNT, AT(relay, connections), .min = 1, .max = 10000,
	  .preset = "20", .help = "at most, to each backend, over all workers" },
	{ .name = "idle", .kind = KIND_DURATION, AT(relay, idle_ms), .min = 100 * MS, .max = 1 * HOURS,
	  .preset = "1m", .help = "an unused backend connection is closed after this" },
	{ .name = "memory", .kind = KIND_SIZE, AT(relay, memory), .min = 64 * KB, .max = 64 * GB, .preset = "256M",
	  .help = "all bodies in memory together; beyond it they go to files earlier" },
	{ .name = "memory_per_message", .kind = KIND_SIZE, AT(relay, memory_per_message), .max = 1 * GB,
	  .preset = "4M",
	  .help = "a larger body goes to an unlinked file in server.spool; so does one above 256k while more than half "
		  "of relay.memory is in use" },
	{ .name = "open_bodies", .kind = KIND_COUNT, AT(relay, open_bodies), .min = 1, .max = 1000000,
	  .preset = "2000", .help = "such files at once; beyond it DATA gets 451" },
	{ .name = "recipients", .shape = SHAPE_MANY, .kind = KIND_STEP, AT(relay, recipients),
	  .flags = ROW_NOT_EMPTY, .preset = "backend",
	  .help = "how RCPT is checked, in order: list:NAME, sqlite:NAME, pgsql:NAME, socketmap:NAME (of "
		  "recipient_sources), backend (probe, cached; its word is the last), none (any in relay.domains)" },
	{ .name = "recipient_ok_for", .kind = KIND_DURATION, AT(relay, recipient_ok_for_ms), .max = 30 * DAYS,
	  .preset = "1h", .help = "how long a good recipient is remembered" },
	{ .name = "recipient_bad_for", .kind = KIND_DURATION, AT(relay, recipient_bad_for_ms), .max = 30 * DAYS,
	  .preset = "10m", .help = "how long an unknown recipient is remembered" },
	{ .name = "unknown_user", .shape = SHAPE_MANY, .kind = KIND_COUNT, AT(relay, unknown_user), .min = 500,
	  .max = 599, .preset = "550",
	  .help = "plain codes that mean \"no such user\" where the backend gives no enhanced code" },
	{ .name = "state", .kind = KIND_PATH, AT(relay, state), .flags = ROW_RESTART,
	  .preset = "/var/lib/smtpguard/relay.state", .help = "remembers partial deliveries and lost replies" },
	{ .name = "remember", .kind = KIND_COUNT, AT(relay, remember), .flags = ROW_RESTART, .max = 100000000,
	  .preset = "100000", .help = "partial deliveries and lost replies remembered" },
	{ .name = "groups", .shape = SHAPE_LIST, AT(relay, groups), .preset = "",
	  .rows = rows_group, .size = sizeof(struct settings_group),
	  .help = "further groups of backends, each with its domains; the settings above are those of group main" },
	{ .name = NULL },
};

static const struct row rows_recipient_source[] = {
	{ .name = "name", .kind = KIND_NAME, AT(recipient_source, name), .flags = ROW_REQUIRED,
	  .help = "what relay.recipients calls it, behind its type" },
	{ .name = "type", .kind = KIND_WORD, AT(recipient_source, type), .flags = ROW_REQUIRED,
	  .words = words_source, .help = "what it is" },
	{ .name = "file", .kind = KIND_PATH, AT(recipient_source, file), .flags = ROW_SPARSE, .preset = "",
	  .help = "of sqlite: the database; it may be replaced at any time" },
	{ .name = "connect", .kind = KIND_TEXT, AT(recipient_source, connect), .flags = ROW_SPARSE, .max = 1000,
	  .preset = "", .help = "of pgsql: libpq's connection string; a password only by passfile=" },
	{ .name = "address", .kind = KIND_TEXT, AT(recipient_source, address), .flags = ROW_SPARSE, .max = 200,
	  .preset = "", .help = "of socketmap: unix:/PATH or inet:IP:PORT" },
	{ .name = "query", .kind = KIND_TEXT, AT(recipient_source, query), .flags = ROW_SPARSE, .max = 4000,
	  .preset = "", .help = "of sqlite and pgsql: $1 is the address, $2 its local part, $3 its domain; no row, or "
		  "NULL: not found; the first column 0, f, false, n, no, off or empty: no; all else: yes" },
	{ .name = "map", .kind = KIND_NAME, AT(recipient_source, map), .flags = ROW_SPARSE, .preset = "virtual",
	  .help = "of socketmap: the name of the map" },
	{ .name = "delimiter", .kind = KIND_TEXT, AT(recipient_source, delimiter), .flags = ROW_SPARSE, .max = 1,
	  .preset = "", .help = "\"+\": joe+news is asked for as joe too; \"\": it is not" },
	{ .name = "connections", .kind = KIND_COUNT, AT(recipient_source, connections), .min = 1, .max = 64,
	  .preset = "2", .help = "at most, over all workers; each has one question in flight" },
	{ .name = "timeout", .kind = KIND_DURATION, AT(recipient_source, timeout_ms), .min = 100 * MS,
	  .max = 1 * MINUTES, .preset = "5s", .help = "then the recipient is deferred (451)" },
	{ .name = NULL },
};

static const struct row rows_dns[] = {
	{ .name = "servers", .shape = SHAPE_MANY, .kind = KIND_RESOLVER, AT(dns, servers), .preset = "",
	  .help = "IP or IP:PORT, at most 8, the first is preferred; []: those of /etc/resolv.conf" },
	{ .name = "timeout", .kind = KIND_DURATION, AT(dns, timeout_ms), .min = 100 * MS, .max = 1 * MINUTES,
	  .preset = "3s", .help = "what one stage waits for all its answers; what is not known then stays unknown" },
	{ .name = "tries", .kind = KIND_COUNT, AT(dns, tries), .min = 1, .max = 10, .preset = "2",
	  .help = "how often a question is sent to each server, as far as dns.timeout has time for it" },
	{ .name = "cache", .kind = KIND_COUNT, AT(dns, cache), .max = 100000000, .preset = "100000",
	  .help = "answers kept, of all workers together; 512 bytes each at most on the average; 0: none" },
	{ .name = "retest", .kind = KIND_DURATION, AT(dns, retest_ms), .min = 1 * SECONDS, .max = 1 * DAYS,
	  .preset = "30s", .help = "when a name server that fell silent, or a DNS list out of play, is tried again" },
	{ .name = "end_user_words", .kind = KIND_PATH, AT(dns, end_user_words), .preset = "",
	  .help = "a file of the words that client.dynamic looks for, in the form of lists.d/end-user-words.list; "
		  "\"\": those of that file as shipped" },
	{ .name = NULL },
};

static const struct row rows_score[] = {
	{ .name = "half_life", .kind = KIND_DURATION, AT(score, half_life_ms), .min = 1 * SECONDS,
	  .max = 365 * DAYS, .preset = "1h", .help = "a record loses half its points in this time" },
	{ .name = "memory", .kind = KIND_SIZE, AT(score, memory), .flags = ROW_RESTART, .min = 1 * MB,
	  .max = 1024 * GB, .preset = "256M", .help = "hard cap of all tables together" },
	{ .name = "snapshot", .kind = KIND_PATH, AT(score, snapshot),
	  .preset = "/var/lib/smtpguard/state.snap", .help = "where records are kept over a restart" },
	{ .name = "snapshot_every", .kind = KIND_DURATION, AT(score, snapshot_every_ms),
	  .min = 1 * SECONDS, .max = 7 * DAYS, .preset = "5m", .help = "how often they are written" },
	{ .name = "spike_window", .kind = KIND_DURATION, AT(score, spike_window_ms),
	  .min = 1 * SECONDS, .max = 1 * DAYS, .preset = "5m",
	  .help = "the window that spike() measures a rate in" },
	{ .name = NULL },
};

static const struct row rows_greylist[] = {
	{ .name = "delay", .kind = KIND_DURATION, AT(greylist, delay_ms),
	  .max = 1 * DAYS, .preset = "1m", .help = "a retry earlier than this is still deferred" },
	{ .name = "window", .kind = KIND_DURATION, AT(greylist, window_ms),
	  .min = 1 * SECONDS, .max = 30 * DAYS, .preset = "2d", .help = "a retry later than this counts as new" },
	{ .name = "keep", .kind = KIND_DURATION, AT(greylist, keep_ms),
	  .min = 1 * SECONDS, .max = 3650 * DAYS, .preset = "36d",
	  .help = "how long one that passed is remembered" },
	{ .name = NULL },
};

static const struct row rows_known_good[] = {
	{ .name = "messages", .kind = KIND_COUNT, AT(known_good, messages), .min = 1,
	  .max = 1000000, .preset = "20", .help = "accepted mails that make a client known good" },
	{ .name = "over", .kind = KIND_DURATION, AT(known_good, over_ms),
	  .max = 365 * DAYS, .preset = "14d", .help = "from the first of them to the last, at least" },
	{ .name = "refused_share", .kind = KIND_REAL, AT(known_good, refused_share),
	  .max = 1, .preset = "0.02", .help = "share of its mails that rules refused, at most" },
	{ .name = NULL },
};

static const struct row rows_dns_list[] = {
	{ .name = "zone", .kind = KIND_DOMAIN, AT(dns_list, zone), .flags = ROW_REQUIRED,
	  .help = "the zone that is asked" },
	{ .name = "answers", .shape = SHAPE_MANY, .kind = KIND_ANSWER, AT(dns_list, answers),
	  .flags = ROW_NOT_EMPTY, .preset = "127.0.0.0-127.0.0.255",
	  .help = "answers that count as listed: an address or a range" },
	{ .name = "text", .kind = KIND_TEXT, AT(dns_list, text), .max = 200, .preset = "",
	  .help = "shown instead of the zone, everywhere: a paid key in it is told to nobody" },
	{ .name = NULL },
};

static const struct row rows_alerts[] = {
	{ .name = "to", .shape = SHAPE_MANY, .kind = KIND_MAIL, AT(alerts, to), .preset = "",
	  .help = "who gets them; []: alerts are only logged" },
	{ .name = "from", .kind = KIND_MAIL, AT(alerts, from), .preset = "",
	  .help = "their sender" },
	{ .name = "every", .kind = KIND_DURATION, AT(alerts, every_ms), .max = 30 * DAYS,
	  .preset = "1h", .help = "at most one for each rule and key in this time" },
	{ .name = NULL },
};

static const struct row rows_log[] = {
	{ .name = "to", .kind = KIND_LOG_TO, AT(log, to), .preset = "stderr",
	  .help = "stderr, syslog or the path of a file" },
	{ .name = "level", .kind = KIND_WORD, AT(log, level), .preset = "info", .words = words_log_level,
	  .help = "the least that is logged" },
	{ .name = "format", .kind = KIND_WORD, AT(log, format), .preset = "logfmt", .words = words_log_format,
	  .help = "of the log and the journal" },
	{ .name = "addresses", .kind = KIND_WORD, AT(log, addresses), .preset = "plain",
	  .words = words_log_addresses, .help = "how addresses of clients, senders and recipients are shown in "
		  "journal, decisions and snapshot, also within replies and HELO" },
	{ .name = "decisions", .kind = KIND_COUNT, AT(log, decisions), .flags = ROW_RESTART, .max = 10000000,
	  .preset = "100000", .help = "decision records kept in memory for smtpguardctl explain" },
	{ .name = "replay", .kind = KIND_PATH, AT(log, replay), .preset = "",
	  .help = "a file for smtpguardctl replay: each decision with all that it hung on, addresses and header lines "
		  "in plain (so addresses must be \"plain\"); \"\": none" },
	{ .name = NULL },
};

static const struct row rows_rule[] = {
	{ .name = "name", .kind = KIND_NAME, AT(rule, name), .flags = ROW_REQUIRED,
	  .help = "in the journal and behind {rule}; unique" },
	{ .name = "when", .kind = KIND_TEXT, AT(rule, when), .flags = ROW_REQUIRED, .max = 16384,
	  .help = "the expression that makes it fire" },
	{ .name = "points", .kind = KIND_REAL, AT(rule, points), .flags = ROW_SPARSE, .min = -100000,
	  .max = 100000, .preset = "0",
	  .help = "given once in the scope of what the rule reads: session, mail or recipient" },
	{ .name = "charge", .kind = KIND_REAL, AT(rule, charge), .flags = ROW_SPARSE, .min = -100000,
	  .max = 100000, .preset = "0", .help = "given to a record that outlives the session" },
	{ .name = "to", .kind = KIND_WORD, AT(rule, to), .flags = ROW_SPARSE, .preset = "",
	  .words = words_charge_to,
	  .help = "whose record; default: the first KEY that the rule counts by, else client" },
	{ .name = "do", .kind = KIND_WORD, AT(rule, action), .flags = ROW_SPARSE, .preset = "",
	  .words = words_action, .help = "what is done" },
	{ .name = "delay", .kind = KIND_DURATION, AT(rule, delay_ms), .flags = ROW_SPARSE, .max = 10 * MINUTES,
	  .preset = "0s", .help = "of wait" },
	{ .name = "hold", .kind = KIND_DURATION, AT(rule, hold_ms), .flags = ROW_SPARSE, .max = 365 * DAYS,
	  .preset = "0s", .help = "of block" },
	{ .name = "reply", .kind = KIND_TEXT, AT(rule, reply), .flags = ROW_SPARSE, .max = 400, .preset = "",
	  .help = "of defer, reject and block; \"CODE ENHANCED TEXT\"; {id} {client} {rule} {list} {txt} are filled" },
	{ .name = "rate", .kind = KIND_SIZE, AT(rule, rate), .flags = ROW_SPARSE, .max = 1 * GB, .preset = "0",
	  .help = "of throttle: bytes a second" },
	{ .name = "header", .kind = KIND_TEXT, AT(rule, header), .flags = ROW_SPARSE, .max = 400, .preset = "",
	  .help = "of tag: NAME: VALUE" },
	{ .name = "state", .kind = KIND_WORD, AT(rule, state), .flags = ROW_SPARSE, .preset = "enforce",
	  .words = words_rule_state, .help = "observe: judged and journaled only" },
	{ .name = "percent", .kind = KIND_COUNT, AT(rule, percent), .flags = ROW_SPARSE, .min = 1, .max = 100,
	  .preset = "100", .help = "of the clients that it holds for" },
	{ .name = "until", .kind = KIND_DATE, AT(rule, until), .flags = ROW_SPARSE, .preset = "",
	  .help = "the last day (UTC) on which it holds" },
	{ .name = "stage", .kind = KIND_WORD, AT(rule, stage), .flags = ROW_SPARSE, .preset = "",
	  .words = words_stage, .help = "pins it to one stage" },
	{ .name = "even_known_good", .kind = KIND_BOOL, AT(rule, even_known_good), .flags = ROW_SPARSE,
	  .preset = "false", .help = "may refuse and block known-good clients for good" },
	{ .name = NULL },
};

const struct row settings_table[] = {
	{ .name = "server", .shape = SHAPE_GROUP, AT_TOP(server), .rows = rows_server, .help = "the process" },
	{ .name = "listeners", .shape = SHAPE_LIST, AT_TOP(listeners),
	  .flags = ROW_RESTART | ROW_NOT_EMPTY | ROW_ONE_DEFAULT, .preset = "", .rows = rows_listener,
	  .size = sizeof(struct settings_listener), .help = "where clients connect to" },
	{ .name = "smtp", .shape = SHAPE_GROUP, AT_TOP(smtp), .rows = rows_smtp, .help = "the protocol" },
	{ .name = "limits", .shape = SHAPE_GROUP, AT_TOP(limits), .rows = rows_limits,
	  .help = "what bounds every client" },
	{ .name = "tls", .shape = SHAPE_GROUP, AT_TOP(tls), .rows = rows_tls, .help = "TLS toward clients" },
	{ .name = "relay", .shape = SHAPE_GROUP, AT_TOP(relay), .rows = rows_relay, .help = "where mail goes" },
	{ .name = "recipient_sources", .shape = SHAPE_LIST, AT_TOP(recipient_sources), .preset = "",
	  .rows = rows_recipient_source, .size = sizeof(struct settings_recipient_source),
	  .help = "tables of recipients elsewhere, for relay.recipients" },
	{ .name = "dns", .shape = SHAPE_GROUP, AT_TOP(dns), .rows = rows_dns, .help = "DNS lookups" },
	{ .name = "score", .shape = SHAPE_GROUP, AT_TOP(score), .rows = rows_score,
	  .help = "records of behaviour" },
	{ .name = "greylist", .shape = SHAPE_GROUP, AT_TOP(greylist), .rows = rows_greylist,
	  .help = "greylisting" },
	{ .name = "known_good", .shape = SHAPE_GROUP, AT_TOP(known_good), .rows = rows_known_good,
	  .help = "who counts as known good" },
	{ .name = "lists", .shape = SHAPE_MAP, .kind = KIND_PATH, AT_TOP(lists), .preset = "",
	  .help = "NAME = \"PATH\": files of addresses, prefixes and domains for rules and relay.recipients" },
	{ .name = "dns_lists", .shape = SHAPE_LIST, AT_TOP(dns_lists), .preset = "",
	  .rows = rows_dns_list, .size = sizeof(struct settings_dns_list),
	  .help = "how DNS lists that rules read are understood and shown" },
	{ .name = "enforce", .kind = KIND_BOOL, AT_TOP(enforce), .preset = "true",
	  .help = "false: everything is judged and logged, nobody is refused or delayed by rules" },
	{ .name = "refuse_at", .kind = KIND_WORD, AT_TOP(refuse_at), .preset = "rcpt", .words = words_refuse_at,
	  .help = "when a refusal found before RCPT is spoken" },
	{ .name = "spf_header", .kind = KIND_WORD, AT_TOP(spf_header), .preset = "received-spf",
	  .words = words_spf_header,
	  .help = "what a mail whose SPF was looked up is given: Received-SPF:, or Authentication-Results: (those "
		  "of our own name that mails bring are always taken out)" },
	{ .name = "alerts", .shape = SHAPE_GROUP, AT_TOP(alerts), .rows = rows_alerts,
	  .help = "mail to the administrator" },
	{ .name = "log", .shape = SHAPE_GROUP, AT_TOP(log), .rows = rows_log, .help = "log and journal" },
	{ .name = "rules", .shape = SHAPE_LIST, AT_TOP(rules), .preset = "", .rows = rows_rule,
	  .size = sizeof(struct settings_rule), .help = "who is judged how, in order" },
	{ .name = NULL },
};
