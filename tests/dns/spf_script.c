/* Evaluates SPF against a DNS that is written down: spf_script FILE...
 *
 * A script has one record or one case a line, fields separated by tabs; '#' begins a comment line.
 *
 *     NAME  TYPE  VALUE          TYPE: A AAAA MX PTR TXT CNAME FAIL (its lookups fail); in VALUE \xHH is a byte
 *     ?  IP  HELO  SENDER  WORD[,WORD]  [KEY=VALUE]...
 *     reset                      forgets all records
 *
 * KEY: text (the explanation), by (mechanism, or mechanism/bits), at, term, identity (yes, no), lookups. "-" is an
 * empty HELO or sender. Each case is run with its questions answered first to last, and last to first: both must give
 * what is wanted. Prints what differs, and exits 1 then.
 */
#include "dns/spf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 4096, FIELDS = 16, LINE = 65536, OPEN = 64, ALIASES = 12, OUR_TIME = 1000000000 };

struct record {
	struct dns_name name;
	int type; /* enum dns_type, CNAME or FAIL */
	struct dns_record data;
};
enum { CNAME = 5, FAIL = 0 };

static struct record records[RECORDS];
static size_t records_n;
static unsigned cases, faults;

static void die(const char *file, unsigned line, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", file, line, why);
	exit(2);
}

static struct slice unescape(struct slice s)
{
	char *to = malloc(s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.n - i >= 4 && s.p[i] == '\\' && s.p[i + 1] == 'x') {
			const char hex[] = { s.p[i + 2], s.p[i + 3], 0 };
			to[n++] = (char)strtoul(hex, NULL, 16);
			i += 3;
		} else {
			to[n++] = s.p[i];
		}
	}
	return slice_of(to, n);
}

static const struct record *find(const struct dns_name *name, int type)
{
	for (size_t i = 0; i < records_n; i++)
		if ((type < 0 || records[i].type == type) &&
			slice_eq(dns_name_slice(&records[i].name), dns_name_slice(name)))
			return &records[i];
	return NULL;
}

static struct dns_answer lookup(const struct dns_question *q, char room[DNS_ANSWER_BYTES])
{
	struct dns_answer a = { .status = DNS_NXDOMAIN };
	struct dns_name name = q->name;
	const struct record *alias;
	for (unsigned i = 0; (alias = find(&name, CNAME)); i++)
		if (i == ALIASES || !dns_name_parse(alias->data.text, &name))
			return dns_answer_failed(DNS_LOOP);
	if (find(&name, -1))
		a.status = DNS_NODATA;
	for (size_t i = 0; i < records_n; i++)
		if (records[i].type == (int)q->type &&
			slice_eq(dns_name_slice(&records[i].name), dns_name_slice(&name)))
			dns_answer_add(&a, room, q->type, &records[i].data);
	return a.status != DNS_FOUND && find(&name, FAIL) ? dns_answer_failed(DNS_TIMEOUT) : a;
}

/* Drives one evaluation; the newest or the oldest open question is answered first. Returns how many were asked. */
static unsigned evaluate(const struct dns_spf_client *client, bool newest_first, struct dns_spf **s_r)
{
	struct dns_question open[OPEN], more[DNS_SPF_NAMES];
	static char room[DNS_ANSWER_BYTES];
	unsigned n = dns_spf_begin(client, s_r, open), asked = n;
	while (n) {
		unsigned i = newest_first ? n - 1 : 0;
		struct dns_question q = open[i];
		struct dns_answer a = lookup(&q, room);
		memmove(open + i, open + i + 1, (--n - i) * sizeof *open);
		unsigned m = dns_spf_answer(*s_r, &q, &a, more);
		if (n + m > OPEN)
			abort();
		memcpy(open + n, more, m * sizeof *more);
		n += m;
		asked += m;
	}
	return asked;
}

/* `wanted` is one word, or several with commas between. */
static bool is_one_of(struct slice wanted, struct slice word)
{
	while (wanted.n)
		if (slice_eq(slice_cut(&wanted, ','), word))
			return true;
	return false;
}

static struct slice told(const struct dns_spf_result *r, struct slice key, const struct ip *ip, char text[64])
{
	bool has_bits = r->by == DNS_SPF_A || r->by == DNS_SPF_MX || r->by == DNS_SPF_IP4 || r->by == DNS_SPF_IP6;
	if (slice_eq(key, SLICE("text")))
		return r->explanation;
	if (slice_eq(key, SLICE("at")))
		return r->at;
	if (slice_eq(key, SLICE("term")))
		return r->term;
	if (slice_eq(key, SLICE("problem")))
		return slice_str(r->problem);
	if (slice_eq(key, SLICE("identity")))
		return dns_spf_is_identity(r, ip) ? SLICE("yes") : SLICE("no");
	if (slice_eq(key, SLICE("by")) && has_bits)
		snprintf(text, 64, "%s/%u", dns_spf_mechanism(r->by), r->prefix);
	else if (slice_eq(key, SLICE("by")))
		return slice_str(dns_spf_mechanism(r->by));
	else if (slice_eq(key, SLICE("lookups")))
		snprintf(text, 64, "%u", r->lookups);
	else
		return SLICE("(no such key)");
	return slice_str(text);
}

static void differs(const char *where, const char *what, struct slice got, struct slice wanted)
{
	printf("%s: %s is \"%.*s\", wanted \"%.*s\"\n", where, what, SLICE_ARG(got), SLICE_ARG(wanted));
	faults++;
}

static void check(
	const struct dns_spf_client *client, bool newest_first, struct slice *field, size_t n, const char *where)
{
	struct dns_spf *s;
	struct dns_spf_result r;
	char text[64], key_text[32];
	unsigned asked = evaluate(client, newest_first, &s);
	if (!s || !dns_spf_is_done(s)) {
		differs(where, "the end", SLICE("open"), SLICE("done"));
		dns_spf_free(&s);
		return;
	}
	dns_spf_result(s, &r);
	struct slice word = slice_str(dns_spf_word(r.word));
	if (!is_one_of(field[0], word))
		differs(where, r.problem ? r.problem : "the word", word, field[0]);
	if (asked > DNS_SPF_ASKED_MAX || r.lookups > DNS_SPF_LOOKUPS)
		differs(where, "number of lookups", SLICE("above it"), SLICE("within the limit"));
	for (size_t i = 1; i < n; i++) {
		struct slice wanted = unescape(field[i]), all = wanted, key = slice_cut(&wanted, '=');
		struct slice got = told(&r, key, &client->ip, text);
		snprintf(key_text, sizeof key_text, "%.*s", SLICE_ARG(key));
		if (!slice_eq(got, wanted))
			differs(where, key_text, got, wanted);
		free((char *)all.p);
	}
	dns_spf_free(&s);
}

static struct slice argument(struct slice s)
{
	return slice_eq(s, SLICE("-")) ? SLICE("") : s;
}

static void run_case(struct slice *field, size_t n, const char *where)
{
	struct slice helo = unescape(argument(field[1])), from = unescape(argument(field[2]));
	struct dns_spf_client client = {
		.helo = helo, .mail_from = from, .our_name = SLICE("receiver.example.net"), .now_s = OUR_TIME
	};
	cases++;
	if (!ip_parse(field[0], &client.ip))
		differs(where, "ip", field[0], SLICE("an address"));
	check(&client, false, field + 3, n - 3, where);
	check(&client, true, field + 3, n - 3, where);
	free((char *)helo.p);
	free((char *)from.p);
}

static int type_of(struct slice word)
{
	static const struct {
		const char *word;
		int type;
	} types[] = { { "A", DNS_A }, { "AAAA", DNS_AAAA }, { "MX", DNS_MX }, { "PTR", DNS_PTR }, { "TXT", DNS_TXT },
		{ "CNAME", CNAME }, { "FAIL", FAIL } };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (slice_eq(word, slice_str(types[i].word)))
			return types[i].type;
	return -1;
}

static bool add_record(struct slice *field, size_t n)
{
	struct record *r = &records[records_n];
	struct slice name = unescape(field[0]);
	*r = (struct record){ .type = n < 2 ? -1 : type_of(field[1]) };
	bool ok = records_n < RECORDS && r->type >= 0 && dns_name_parse(name, &r->name);
	free((char *)name.p);
	if (!ok)
		return false;
	records_n++;
	if (r->type == DNS_A || r->type == DNS_AAAA)
		return n == 3 && ip_parse(field[2], &r->data.ip);
	r->data.text = unescape(n > 2 ? field[2] : SLICE(""));
	return true;
}

static void forget(void)
{
	while (records_n)
		free((char *)records[--records_n].data.text.p);
}

static void run_line(struct slice line, const char *file, unsigned number)
{
	struct slice field[FIELDS];
	char where[256];
	size_t n = 0;
	if (!line.n || line.p[0] == '#')
		return;
	while (n < FIELDS && line.p)
		field[n++] = slice_cut(&line, '\t'), line = line.n ? line : (struct slice){ 0 };
	snprintf(where, sizeof where, "%s:%u", file, number);
	if (slice_eq(field[0], SLICE("reset")))
		forget();
	else if (!slice_eq(field[0], SLICE("?"))) {
		if (!add_record(field, n))
			die(file, number, "no such record");
	} else if (n < 5) {
		die(file, number, "a case needs IP, HELO, sender and word");
	} else {
		run_case(field + 1, n - 1, where);
	}
}

static void run_file(const char *name)
{
	static char line[LINE];
	FILE *f = fopen(name, "r");
	if (!f)
		die(name, 0, "cannot be read");
	for (unsigned number = 1; fgets(line, sizeof line, f); number++)
		run_line(slice_of(line, strcspn(line, "\n")), name, number);
	fclose(f);
	forget();
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	printf("%u cases, %u faults\n", cases, faults);
	return faults || !cases;
}
