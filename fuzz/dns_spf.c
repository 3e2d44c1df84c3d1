/* A whole evaluation against a DNS that says anything. The bytes are lines: address byte, HELO, sender, then what the
 * questions get one after the other, beginning again at the end: a letter (f: failed, n: no data, x: NXDOMAIN, r:
 * the answer is repeated with a second record) and a text that stands for whatever was asked for. It ends within its
 * budget, whichever question is answered first; what it tells is printable and bounded; its headers are whole lines. */
#include "dns/spf_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPEN = 64, LINE_MOST = 998 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

struct answers {
	struct slice all, rest;
};

static struct slice take(struct answers *a)
{
	if (!a->rest.n)
		a->rest = a->all;
	return slice_cut(&a->rest, '\n');
}

static struct dns_answer answer_to(const struct dns_question *q, struct slice line, char room[DNS_ANSWER_BYTES])
{
	struct dns_answer a = { .status = DNS_NODATA };
	char what = line.n ? line.p[0] : 'n';
	struct dns_record r = { .text = slice_skip(line, 1) };
	struct dns_name name;
	if (what == 'f')
		return dns_answer_failed(DNS_TIMEOUT);
	if (what == 'x')
		a.status = DNS_NXDOMAIN;
	if (what == 'x' || what == 'n')
		return a;
	if (r.text.n)
		memcpy(r.ip.b, r.text.p, r.text.n < sizeof r.ip.b ? r.text.n : sizeof r.ip.b);
	if (q->type != DNS_TXT)
		r.text = dns_name_parse(r.text, &name) ? dns_name_slice(&name) : SLICE("");
	if (r.text.n > UINT16_MAX)
		r.text.n = UINT16_MAX;
	for (int n = what == 'r' ? 12 : 1; n; n--)
		dns_answer_add(&a, room, q->type, &r);
	return a;
}

static void run(const struct dns_spf_client *client, struct answers *answers, bool newest_first, struct dns_spf **s_r)
{
	static char room[DNS_ANSWER_BYTES];
	struct dns_question open[OPEN], more[DNS_SPF_NAMES];
	unsigned n = dns_spf_begin(client, s_r, open), asked = n;
	must(*s_r);
	while (n) {
		unsigned i = newest_first ? n - 1 : 0;
		struct dns_question q = open[i];
		struct dns_answer a = answer_to(&q, take(answers), room);
		memmove(open + i, open + i + 1, (--n - i) * sizeof *open);
		unsigned m = dns_spf_answer(*s_r, &q, &a, more);
		must(m <= DNS_SPF_NAMES && n + m <= OPEN);
		memcpy(open + n, more, m * sizeof *more);
		n += m;
		asked += m;
		must(asked <= DNS_SPF_ASKED_MAX);
	}
	must(dns_spf_is_done(*s_r));
}

/* No control byte but CR LF, and a blank or tab behind each one but the last. */
static void check_header(struct slice text)
{
	size_t column = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		must((c >= ' ' && c < 0x7f) || c == '\t' || c == '\r' || c == '\n');
		must((c == '\r') == (i + 1 < text.n && text.p[i + 1] == '\n'));
		must(c != '\n' || i + 1 == text.n || text.p[i + 1] == '\t');
		column = c == '\n' ? 0 : column + 1;
		must(column < LINE_MOST);
	}
	must(text.n && text.p[text.n - 1] == '\n');
}

static void check(const struct dns_spf_client *client, const struct dns_spf *s)
{
	struct dns_spf_result r;
	struct buf out = { 0 };
	dns_spf_result(s, &r);
	must(r.lookups <= DNS_SPF_LOOKUPS && r.explanation.n <= DNS_SPF_TEXT_MAX);
	must(!r.explanation.n || r.word == DNS_SPF_FAIL);
	for (size_t i = 0; i < r.explanation.n; i++)
		must(r.explanation.p[i] >= ' ' && r.explanation.p[i] < 0x7f);
	must((r.problem != NULL) == (r.word == DNS_SPF_TEMPERROR || r.word == DNS_SPF_PERMERROR));
	must(r.word != DNS_SPF_PASS || (r.by != DNS_SPF_DEFAULT && r.by != DNS_SPF_INCLUDE && r.term.n));
	must(dns_spf_received_write(client, &r, &out));
	check_header(buf_slice(&out));
	buf_clear(&out);
	must(dns_spf_authentication_write(client, &r, &out));
	check_header(buf_slice(&out));
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct slice address = slice_cut(&in, '\n');
	struct dns_spf_client client = { .ip = { .b = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } }, .now_s = 1 };
	if (address.n == sizeof client.ip.b)
		memcpy(client.ip.b, address.p, address.n);
	client.helo = client.our_name = slice_cut(&in, '\n');
	client.mail_from = slice_cut(&in, '\n');
	for (int newest_first = 0; newest_first < 2; newest_first++) {
		struct answers answers = { in, in };
		struct dns_spf *s;
		run(&client, &answers, newest_first, &s);
		check(&client, s);
		dns_spf_free(&s);
	}
	return 0;
}
