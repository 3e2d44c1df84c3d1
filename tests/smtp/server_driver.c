#include "server_driver.h"

#include "base/escape.h"

#include <stdlib.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const char *terminated(struct buf *b)
{
	must(buf_reserve(b, 1));
	b->data[b->end] = 0;
	return b->data + b->start;
}

void driver_init_ungreeted(struct driver *d)
{
	*d = (struct driver){ 0 };
	d->config = (struct smtp_server_config){
		.hostname = SLICE_INIT("mx.test"),
		.ext = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_ENHANCEDSTATUSCODES |
		       SMTP_EXT_STARTTLS,
		.size_max = 1000000,
		.recipients = 100,
		.bare_newline = SMTP_STRAY_REPAIR,
		.bare_cr = SMTP_STRAY_REFUSE,
	};
	/* never NULL: clang's sanitizer objects to NULL + 0 in an empty buffer's slice */
	must(buf_reserve(&d->out, 1) && buf_reserve(&d->log, 1));
	must(buf_reserve(&d->held, 1) && buf_reserve(&d->body, 1));
	smtp_server_init(&d->s, &d->config, &d->out);
}

void driver_init(struct driver *d)
{
	driver_init_ungreeted(d);
	smtp_server_greet(&d->s, 220, SLICE("mx.test ESMTP"));
	buf_clear(&d->out);
}

void driver_free(struct driver *d)
{
	buf_release(&d->out);
	buf_release(&d->log);
	buf_release(&d->held);
	buf_release(&d->body);
}

void driver_answer_next(struct driver *d, int code, const char *text)
{
	must(d->scripted < sizeof d->script / sizeof d->script[0]);
	struct scripted *s = &d->script[d->scripted++];
	s->code = code;
	must(strlen(text) < sizeof s->text);
	memcpy(s->text, text, strlen(text) + 1);
}

static void answer(struct driver *d, int code, struct slice text)
{
	struct slice none = { 0 };
	struct smtp_event ev;
	if (smtp_server_next(&d->s, &none, &ev) != SMTP_EV_WAIT)
		d->broken = true; /* a question is open: nothing may happen */
	if (d->used < d->scripted) {
		struct scripted *s = &d->script[d->used++];
		smtp_server_answer(&d->s, s->code, slice_str(s->text));
	} else {
		smtp_server_answer(&d->s, code, text);
	}
}

static void answer_rcpt(struct driver *d, struct slice local)
{
	if (slice_starts(local, SLICE("no")))
		answer(d, 550, SLICE("5.1.1 No such user"));
	else if (slice_starts(local, SLICE("later")))
		answer(d, 450, SLICE("4.2.0 Later"));
	else
		answer(d, 250, SLICE("2.1.5 Ok"));
}

static void body_end(struct driver *d, const struct smtp_event *ev)
{
	struct slice text = SLICE("2.0.0 Queued");
	int code = smtp_fault_reply(ev->fault, &text);
	must(buf_printf(&d->log, "BODY_END fault=%d", (int)ev->fault));
	if (ev->fault == SMTP_FAULT_NONE) {
		must(buf_printf(&d->log, " repaired=%d 8bit=%d ", ev->repaired, ev->eight_bit));
		must(escape_plain(&d->log, buf_slice(&d->body), 10000));
		if (!body_is_clean(buf_slice(&d->body)))
			d->broken = true;
		code = 250;
		text = SLICE("2.0.0 Queued");
	}
	must(buf_put(&d->log, SLICE("\n")));
	buf_clear(&d->body);
	answer(d, code, text);
}

static void log_path(struct driver *d, const char *what, const struct smtp_event *ev)
{
	must(buf_printf(&d->log, "%s ", what));
	must(smtp_path_write(&ev->path, &d->log));
	const struct smtp_params *p = &ev->params;
	must(buf_printf(&d->log, " size=%llu body=%d", (unsigned long long)p->size, (int)p->body));
	if (p->smtputf8)
		must(buf_put(&d->log, SLICE(" utf8")));
	if (p->seen)
		must(buf_printf(&d->log, " ret=%d envid=%.*s notify=%u orcpt=%.*s", (int)p->mail.ret,
				SLICE_ARG(p->mail.envid), p->rcpt.notify, SLICE_ARG(p->rcpt.orcpt)));
	must(buf_put(&d->log, SLICE("\n")));
}

static void xclient(struct driver *d, const struct smtp_xclient *x)
{
	char ip[IP_TEXT], dest[IP_TEXT];
	ip_format(&x->ip, ip);
	ip_format(&x->dest, dest);
	must(buf_printf(&d->log, "XCLIENT given=%x known=%x failed=%d esmtp=%d %s:%u %s:%u ", x->given, x->known,
			x->name_failed, x->esmtp, ip, x->port, dest, x->dest_port));
	must(buf_printf(&d->log, "name=%.*s reverse=%.*s helo=%.*s login=%.*s\n", SLICE_ARG(x->name),
			SLICE_ARG(x->reverse), SLICE_ARG(x->helo), SLICE_ARG(x->login)));
	if (slice_starts(x->name, SLICE("bad")))
		answer(d, 554, SLICE("5.7.1 No service for you"));
	else if (slice_starts(x->name, SLICE("odd")))
		answer(d, 550, SLICE("5.7.1 Not believed"));
	else
		answer(d, 220, SLICE("mx.test ESMTP"));
}

static void on_event(struct driver *d, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	switch (kind) {
	case SMTP_EV_HELO:
		must(buf_printf(&d->log, "%s %.*s\n", ev->esmtp ? "EHLO" : "HELO", SLICE_ARG(ev->name)));
		answer(d, 250, SLICE("mx.test"));
		break;
	case SMTP_EV_MAIL:
		log_path(d, "MAIL", ev);
		d->refuse_data = slice_starts(ev->path.local, SLICE("nodata"));
		answer(d, 250, SLICE("2.1.0 Ok"));
		break;
	case SMTP_EV_RCPT:
		log_path(d, "RCPT", ev);
		answer_rcpt(d, ev->path.local);
		break;
	case SMTP_EV_DATA:
		must(buf_put(&d->log, SLICE("DATA\n")));
		if (d->refuse_data)
			answer(d, 451, SLICE("4.3.0 Not now"));
		else
			answer(d, 354, SLICE("Go ahead"));
		break;
	case SMTP_EV_BODY:
		if (ev->data.n == 0)
			d->broken = true;
		must(buf_put(&d->body, ev->data));
		break;
	case SMTP_EV_BODY_END:
		body_end(d, ev);
		break;
	case SMTP_EV_STARTTLS:
		must(buf_put(&d->log, SLICE("STARTTLS\n")));
		answer(d, 220, SLICE("2.0.0 Ready"));
		break;
	case SMTP_EV_XCLIENT:
		xclient(d, &ev->xclient);
		break;
	case SMTP_EV_RSET:
		buf_clear(&d->body);
		must(buf_put(&d->log, SLICE("RSET\n")));
		break;
	case SMTP_EV_QUIT:
		must(buf_put(&d->log, SLICE("QUIT\n")));
		break;
	case SMTP_EV_OFFENCE:
		d->offences[ev->offence]++;
		must(buf_printf(&d->log, "OFFENCE %.*s %d\n", SLICE_ARG(smtp_offence_name(ev->offence)), ev->code));
		break;
	case SMTP_EV_CLOSE:
		d->closed = true;
		must(buf_put(&d->log, SLICE("CLOSE\n")));
		break;
	case SMTP_EV_MORE:
	case SMTP_EV_WAIT:
		break;
	}
}

void driver_feed(struct driver *d, struct slice bytes)
{
	if (d->closed)
		return;
	must(buf_put(&d->held, bytes));
	struct slice all = buf_slice(&d->held);
	char *exact = malloc(all.n ? all.n : 1);
	must(exact != NULL);
	if (all.n)
		memcpy(exact, all.p, all.n);
	struct slice in = slice_of(exact, all.n);
	do {
		struct smtp_event ev;
		d->last = smtp_server_next(&d->s, &in, &ev);
		on_event(d, d->last, &ev);
	} while (d->last != SMTP_EV_MORE && d->last != SMTP_EV_WAIT && d->last != SMTP_EV_CLOSE);
	if (d->last == SMTP_EV_MORE && in.n >= (d->config.ext & SMTP_EXT_DSN ? SMTP_LINE_DSN_MAX : SMTP_LINE_MAX))
		d->broken = true;
	buf_consume(&d->held, all.n - in.n);
	free(exact);
	if (!replies_are_well_formed(buf_slice(&d->out)))
		d->broken = true;
}

void driver_feed_cut(struct driver *d, struct slice bytes, size_t step)
{
	for (; bytes.n; bytes = slice_skip(bytes, step))
		driver_feed(d, slice_of(bytes.p, bytes.n < step ? bytes.n : step));
}

const char *driver_replies(struct driver *d)
{
	const char *text = terminated(&d->out);
	buf_clear(&d->out);
	return text;
}

const char *driver_log(struct driver *d)
{
	return terminated(&d->log);
}

static struct slice next_line(struct slice *log)
{
	struct slice line = slice_cut(log, '\n');
	while (slice_starts(line, SLICE("OFFENCE pipelining")))
		line = slice_cut(log, '\n');
	return line;
}

bool logs_are_equal(struct driver *a, struct driver *b)
{
	struct slice x = buf_slice(&a->log), y = buf_slice(&b->log);
	while (x.n || y.n)
		if (!slice_eq(next_line(&x), next_line(&y)))
			return false;
	return true;
}

bool replies_are_well_formed(struct slice out)
{
	while (out.n) {
		struct slice line = slice_cut(&out, '\n');
		if (line.n < 5 || line.p[line.n - 1] != '\r' || (line.p[3] != ' ' && line.p[3] != '-'))
			return false;
		for (int i = 0; i < 3; i++)
			if (line.p[i] < '0' || line.p[i] > '9')
				return false;
		for (size_t i = 4; i + 1 < line.n; i++)
			if (((unsigned char)line.p[i] < 32 && line.p[i] != '\t') || line.p[i] == 127)
				return false;
	}
	return true;
}

bool body_is_clean(struct slice body)
{
	for (size_t i = 0; i < body.n; i++) {
		char c = body.p[i];
		if (c == 0 || (c == '\n' && (i == 0 || body.p[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == body.n || body.p[i + 1] != '\n')))
			return false;
	}
	return true;
}
