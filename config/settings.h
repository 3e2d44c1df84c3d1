/* config/settings.h - the settings file, read once into plain structs
 *
 * One call reads the file, fills in the defaults, checks every value and how they go together, and
 * gives back an immutable struct; nothing changes in it afterwards, so threads may share it freely.
 * Names follow docs/SETTINGS.md: `limits.delay` of the file is `settings->limits.delay_ms` here.
 *
 * Units: a member that ends in _ms is a duration in milliseconds; sizes are bytes. Texts are
 * NUL-terminated and never NULL ("" = not set). Lists are `items` and `count` (count 0: items may
 * be NULL). Paths are absolute: a relative one belongs to the folder of the settings file.
 * Ownership: everything lives in the struct's own arena until settings_free().
 *
 * This room is pure but for settings_load(), which reads the file and what it includes. It does not
 * compile rules, open lists or certificates, or look users up: that is the server's part of --check.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"
#include "base/result.h"

struct settings_texts {
	const char **items;
	size_t count;
};

struct settings_prefixes {
	struct ip_prefix *items;
	size_t count;
};

struct settings_address {
	struct ip ip;
	uint16_t port;
};

struct settings_addresses {
	struct settings_address *items;
	size_t count;
};

struct settings_codes {
	uint32_t *items; /* SMTP reply codes */
	size_t count;
};

enum settings_protocol { SETTINGS_PROTOCOL_SMTP, SETTINGS_PROTOCOL_POLICY };
enum settings_tls { SETTINGS_TLS_OFF, SETTINGS_TLS_STARTTLS, SETTINGS_TLS_IMPLICIT };
enum settings_newline { SETTINGS_NEWLINE_REPAIR, SETTINGS_NEWLINE_REFUSE };
enum settings_tls_version { SETTINGS_TLS_1_2, SETTINGS_TLS_1_3 };
enum settings_scheme { SETTINGS_SMTP, SETTINGS_LMTP, SETTINGS_LMTP_UNIX, SETTINGS_MAILDIR };
enum settings_identity {
	SETTINGS_IDENTITY_XCLIENT,
	SETTINGS_IDENTITY_XFORWARD,
	SETTINGS_IDENTITY_PROXY,
	SETTINGS_IDENTITY_NONE,
};
enum settings_relay_tls { SETTINGS_RELAY_TLS_OFF, SETTINGS_RELAY_TLS_MAY, SETTINGS_RELAY_TLS_REQUIRE };
enum settings_source {
	SETTINGS_SOURCE_BACKEND,
	SETTINGS_SOURCE_LIST,
	SETTINGS_SOURCE_NONE,
	SETTINGS_SOURCE_SQLITE, /* these three: of recipient_sources */
	SETTINGS_SOURCE_PGSQL,
	SETTINGS_SOURCE_SOCKETMAP
};
enum settings_spf_header { SETTINGS_SPF_NONE, SETTINGS_SPF_RECEIVED, SETTINGS_SPF_AUTHENTICATION_RESULTS };
enum settings_refuse_at { SETTINGS_REFUSE_AT_RCPT, SETTINGS_REFUSE_NOW };
enum settings_log_level { SETTINGS_LOG_ERROR, SETTINGS_LOG_WARNING, SETTINGS_LOG_INFO, SETTINGS_LOG_DEBUG };
enum settings_log_format { SETTINGS_LOGFMT, SETTINGS_JSON };
enum settings_log_addresses { SETTINGS_ADDRESSES_PLAIN, SETTINGS_ADDRESSES_HASH, SETTINGS_ADDRESSES_NONE };

struct settings_server {
	const char *hostname; /* of the file, else settings_host.hostname */
	uint32_t workers;     /* 0: one for each core */
	const char *user;     /* "": stay who we are */
	const char *control;
	const char *spool;
	uint64_t drain_ms;
	bool sandbox;
};

struct settings_listener {
	const char *name;
	struct settings_addresses address;
	enum settings_protocol protocol;
	enum settings_tls tls;
	struct settings_prefixes proxy_protocol_from;
	struct settings_prefixes xclient_from;
	struct settings_prefixes policy_from;
};

struct settings_listeners {
	struct settings_listener *items; /* never empty */
	size_t count;
};

/* What may be left out of the reply to EHLO. */
enum settings_ehlo {
	SETTINGS_EHLO_8BITMIME,
	SETTINGS_EHLO_CHUNKING,
	SETTINGS_EHLO_DSN,
	SETTINGS_EHLO_ENHANCEDSTATUSCODES,
	SETTINGS_EHLO_LIMITS,
	SETTINGS_EHLO_PIPELINING,
	SETTINGS_EHLO_SIZE,
	SETTINGS_EHLO_SMTPUTF8,
	SETTINGS_EHLO_STARTTLS,
};

struct settings_ehlo_words {
	unsigned *items; /* enum settings_ehlo */
	size_t count;
};

struct settings_ehlo_hide {
	struct settings_prefixes from;
	struct settings_ehlo_words keywords;
};

struct settings_ehlo_hides {
	struct settings_ehlo_hide *items;
	size_t count;
};

struct settings_smtp {
	enum settings_newline bare_newline;
	enum settings_newline bare_cr;
	struct settings_ehlo_hides ehlo_hide;
};

struct settings_limits {
	uint32_t sessions;            /* 0: no limit */
	uint32_t sessions_per_client; /* 0: no limit */
	uint32_t sessions_per_net;    /* 0: no limit */
	uint64_t memory;              /* bytes, of all sessions together */
	uint32_t waiting;             /* 0: no limit */
	uint64_t delay_ms;
	uint64_t command_timeout_ms;
	uint64_t data_timeout_ms;
	uint64_t session_time_ms;
	uint64_t session_end_ms;
	uint64_t stress_timeout_ms;
	uint64_t min_data_rate; /* bytes a second; 0: no floor */
	uint32_t recipients;
	uint64_t message_size;
	uint32_t errors;
	uint32_t junk_commands;
};

struct settings_certificate {
	const char *cert; /* PEM, with the chain */
	const char *key;
};

struct settings_certificates {
	struct settings_certificate *items; /* the first is the one for clients without SNI */
	size_t count;
};

struct settings_server_tls {
	struct settings_certificates certificates;
	enum settings_tls_version minimum;
};

/* "smtp://127.0.0.1:10025", "lmtp://[::1]:24", "lmtp+unix:///run/lmtp", "maildir://demo-mail". */
struct settings_backend {
	const char *text; /* as in the file; a relative maildir path made absolute */
	enum settings_scheme scheme;
	const char *host; /* SMTP, LMTP: address or name, without brackets; else "" */
	bool has_ip;      /* `host` is an address: `ip` is set. Else it is a name to look up */
	struct ip ip;
	uint16_t port;    /* SMTP, LMTP */
	const char *path; /* LMTP_UNIX, MAILDIR; else "" */
};

struct settings_backends {
	struct settings_backend *items; /* never empty in relay; the first is preferred */
	size_t count;
};

/* How RCPT is checked: one step. */
struct settings_recipients_step {
	enum settings_source source;
	const char *name; /* LIST: one of `lists`; SQLITE, PGSQL, SOCKETMAP: one of recipient_sources; else "" */
};

/* A table of recipients elsewhere. Texts that its type has no use for are "". */
struct settings_recipient_source {
	const char *name;
	enum settings_source type; /* SQLITE, PGSQL or SOCKETMAP */
	const char *file;
	const char *connect;
	const char *address;
	const char *query;
	const char *map;
	const char *delimiter; /* one byte or "" */
	uint32_t connections;
	uint64_t timeout_ms;
};

struct settings_recipient_sources {
	struct settings_recipient_source *items;
	size_t count;
};

struct settings_recipients {
	struct settings_recipients_step *items; /* never empty */
	size_t count;
};

/* A further group of backends with the domains that go to it. */
struct settings_group {
	const char *name;
	struct settings_backends backends;
	enum settings_identity identity;
	enum settings_relay_tls tls;
	const char *tls_name;
	uint32_t connections;
	struct settings_texts domains;
};

struct settings_groups {
	struct settings_group *items;
	size_t count;
};

struct settings_relay {
	struct settings_backends backends;
	struct settings_texts domains; /* lower case */
	struct settings_prefixes clients;
	enum settings_identity identity;
	enum settings_relay_tls tls;
	const char *tls_name;
	const char *tls_ca;
	uint32_t connections;
	uint64_t idle_ms;
	uint64_t memory;
	uint64_t memory_per_message;
	uint32_t open_bodies;
	struct settings_recipients recipients;
	uint64_t recipient_ok_for_ms;
	uint64_t recipient_bad_for_ms;
	struct settings_codes unknown_user;
	const char *state;
	uint32_t remember;
	struct settings_groups groups;
};

struct settings_dns {
	struct settings_addresses servers; /* none: the system's resolvers; port 53 unless given */
	uint64_t timeout_ms;
	uint32_t tries;
	uint32_t cache;
	uint64_t retest_ms;
	const char *end_user_words; /* a file; "": those that we were built with */
};

struct settings_score {
	uint64_t half_life_ms;
	uint64_t memory;
	const char *snapshot;
	uint64_t snapshot_every_ms;
	uint64_t spike_window_ms;
};

struct settings_greylist {
	uint64_t delay_ms, window_ms, keep_ms;
};

struct settings_known_good {
	uint32_t messages;
	uint64_t over_ms;
	double refused_share; /* 0..1 */
};

/* lists = { NAME = "PATH"; ... } */
struct settings_list {
	const char *name;
	const char *path;
	const char *file; /* where it is named, for messages about the list itself */
	uint32_t line;
};

struct settings_lists {
	struct settings_list *items;
	size_t count;
};

/* Answers first..last, both included, IPv4. */
struct settings_answers {
	struct settings_answer {
		struct ip first, last;
	} *items;
	size_t count;
};

struct settings_dns_list {
	const char *zone;
	struct settings_answers answers;
	const char *text;
};

struct settings_dns_lists {
	struct settings_dns_list *items;
	size_t count;
};

struct settings_alerts {
	struct settings_texts to;
	const char *from;
	uint64_t every_ms;
};

struct settings_log {
	const char *to; /* "stderr", "syslog", or an absolute path */
	enum settings_log_level level;
	enum settings_log_format format;
	enum settings_log_addresses addresses;
	uint32_t decisions;
	const char *replay; /* "": none */
};

enum settings_rule_state { SETTINGS_RULE_ENFORCE, SETTINGS_RULE_OBSERVE, SETTINGS_RULE_OFF };
enum settings_stage {
	SETTINGS_STAGE_ANY, /* not pinned */
	SETTINGS_STAGE_CONNECT,
	SETTINGS_STAGE_GREET,
	SETTINGS_STAGE_HELO,
	SETTINGS_STAGE_MAIL,
	SETTINGS_STAGE_RCPT,
	SETTINGS_STAGE_DATA,
	SETTINGS_STAGE_MESSAGE,
};
enum settings_action {
	SETTINGS_DO_NOTHING, /* no `do` */
	SETTINGS_DO_OK,
	SETTINGS_DO_LOG,
	SETTINGS_DO_WAIT,
	SETTINGS_DO_MAIL,
	SETTINGS_DO_DEFER,
	SETTINGS_DO_REJECT,
	SETTINGS_DO_GREYLIST,
	SETTINGS_DO_THROTTLE,
	SETTINGS_DO_BLOCK,
	SETTINGS_DO_DELETE,
	SETTINGS_DO_TAG,
};
enum settings_charge_to {
	SETTINGS_TO_DEFAULT, /* no `to`: the first KEY that the rule counts by, else the client */
	SETTINGS_TO_CLIENT,
	SETTINGS_TO_NET,
	SETTINGS_TO_SENDER,
	SETTINGS_TO_DOMAIN,
	SETTINGS_TO_RECIPIENT,
	SETTINGS_TO_USER,
	SETTINGS_TO_IDENTITY,
};

/* A rule as it is written. `when` is not looked into here: score/ compiles it. Its faults are shown
 * as FILE:WHEN_LINE. What the other members need of each other (a wait needs a delay) is checked. */
struct settings_rule {
	const char *file; /* an included one, perhaps */
	uint32_t line;    /* of its `name` */
	uint32_t when_line;
	const char *name; /* unique; 1..64 of A-Z a-z 0-9 . _ - */
	const char *when;
	double points, charge; /* 0: none; negative: in the client's favour */
	enum settings_charge_to to;
	enum settings_action action; /* do */
	uint64_t delay_ms;           /* wait */
	uint64_t hold_ms;            /* block */
	const char *reply;           /* defer, reject, block: "" = our words */
	uint64_t rate;               /* throttle: bytes a second */
	const char *header;          /* tag */
	enum settings_rule_state state;
	uint32_t percent; /* 1..100 */
	int64_t until_ms; /* first moment, since 1970 UTC, at which it is over; 0: never */
	const char *until;
	enum settings_stage stage;
	bool even_known_good;
};

struct settings_rules {
	struct settings_rule *items; /* in the order of the file */
	size_t count;
};

struct settings {
	struct settings_server server;
	struct settings_listeners listeners;
	struct settings_smtp smtp;
	struct settings_limits limits;
	struct settings_server_tls tls;
	struct settings_relay relay;
	struct settings_recipient_sources recipient_sources;
	struct settings_dns dns;
	struct settings_score score;
	struct settings_greylist greylist;
	struct settings_known_good known_good;
	struct settings_lists lists;
	struct settings_dns_lists dns_lists;
	bool enforce;
	enum settings_refuse_at refuse_at;
	enum settings_spf_header spf_header;
	struct settings_alerts alerts;
	struct settings_log log;
	struct settings_rules rules;
	struct arena arena;
};

/* What is known of the machine and cannot be read here. */
struct settings_host {
	const char *hostname; /* default of server.hostname */
};

/* An ERROR makes the file unusable; a WARNING is most likely not meant so; a NOTE says that a key
 * has no effect in this version. */
enum settings_severity { SETTINGS_ERROR, SETTINGS_WARNING, SETTINGS_NOTE };

struct settings_fault {
	enum settings_severity severity;
	const char *file; /* as given to settings_load(), or the included file's path */
	uint32_t line;    /* from 1; 0: the file as a whole */
	const char *text; /* one line, printable */
};

/* Everything that was found; after a load in the order of the lines. Zero-initialise; release after use.
 * Other checkers (rules, lists, certificates) may add theirs to the same list. */
struct settings_faults {
	struct settings_fault *items;
	size_t count, capacity;
	size_t errors;       /* how many of them are errors */
	bool out_of_memory;  /* counts as an error: the list is not complete */
	struct arena arena;
};

/* Control bytes in what is printed are shown as \xHH. Lists over SETTINGS_FAULTS_MAX are cut short. */
enum { SETTINGS_FAULTS_MAX = 1000 };
void settings_fault_add(struct settings_faults *f, enum settings_severity severity, const char *file, uint32_t line,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "FILE:LINE: message", "FILE:LINE: warning: message", "FILE:LINE: note: message", no line end. */
bool settings_fault_format(const struct settings_fault *fault, struct buf *out) MUST_USE;
void settings_faults_release(struct settings_faults *f);

/* Reads, checks and returns the settings of a file; NULL when there is one error or more. All faults
 * of the file are told, not only the first; warnings and notes may be there in both cases. */
struct settings *settings_load(const char *path, const struct settings_host *host,
			       struct settings_faults *faults) MUST_USE;

/* The same from a text in memory. `name` stands for the file in faults; `folder` is where relative
 * paths and @include start from (NULL: paths stay as they are, @include is refused). */
struct settings *settings_parse(struct slice text, const char *name, const char *folder,
				const struct settings_host *host, struct settings_faults *faults) MUST_USE;

void settings_free(struct settings **s);

/* The path of a list, or NULL. */
const char *settings_list_path(const struct settings *s, struct slice name);
/* The source that a step of relay.recipients means, or NULL. */
const struct settings_recipient_source *settings_source_of(const struct settings *s,
							   const struct settings_recipients_step *step);
/* "rcpt", "defer", ... as in the file; "" for the value that stands for "not given". */
const char *settings_stage_name(enum settings_stage stage);
const char *settings_action_name(enum settings_action action);
const char *settings_charge_to_name(enum settings_charge_to to);

/* The effective settings, defaults included, as a settings file: parsed again it gives the same. */
bool settings_dump(const struct settings *s, struct buf *out) MUST_USE;

/* Appends the names of the settings that differ and need a restart, separated by ", ": nothing when
 * the new settings can be taken on as they are. */
bool settings_needs_restart(const struct settings *old, const struct settings *new_, struct buf *out) MUST_USE;

/* The same for every other setting that differs: what a reload does take on. `rules` stands for any change
 * in a rule. */
bool settings_changed(const struct settings *old, const struct settings *new_, struct buf *out) MUST_USE;

/* All settings with type, range, default and meaning, as Markdown: docs/SETTINGS.md is this. */
bool settings_describe(struct buf *out) MUST_USE;
/* The same as mdoc(7): the part of smtpguardd.cfg(5) between these two lines. */
#define SETTINGS_MAN_BEGIN ".\\\" the settings: from config/table.c, by the target settings-manual\n"
#define SETTINGS_MAN_END   ".\\\" the end of the settings\n"
bool settings_describe_man(struct buf *out) MUST_USE;

#endif
