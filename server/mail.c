#include "server/mail.h"

#include "base/mem.h"
#include "smtp/header.h"

struct mail *mail_new(uint64_t id, uint32_t number, uint32_t rcpts, uint64_t now_ms, struct rope_stock *stock)
{
	struct mail *m = mem_zalloc(sizeof *m);
	if (!m)
		return NULL;
	size_t room = (size_t)rcpts * MAIL_ARENA_EACH;
	m->arena.limit = room > MAIL_ARENA_MIN ? room : MAIL_ARENA_MIN;
	m->id = id;
	m->number = number;
	m->started_ms = now_ms;
	spool_init(&m->spool, stock);
	return m;
}

void mail_forget(struct mail *m, struct spool_room *room)
{
	spool_release(&m->spool, room);
	buf_release(&m->header);
	arena_release(&m->arena);
	m->out.rcpts_n = 0;
}

void mail_free(struct mail **m, struct spool_room *room)
{
	if (!*m)
		return;
	mail_forget(*m, room);
	relay_watch_end(&(*m)->watch);
	relay_save_free(&(*m)->kept);
	mem_free(m);
}

bool mail_set_sender(struct mail *m, struct slice sender, const struct smtp_params *p)
{
	m->sender = arena_copy(&m->arena, sender);
	m->size_said = p->size;
	m->utf8 = p->smtputf8;
	m->dsn = p->mail;
	if (p->mail.envid.n)
		m->dsn.envid = arena_copy(&m->arena, p->mail.envid);
	return m->sender.p && (m->dsn.envid.p || !p->mail.envid.n);
}

struct mail_rcpt *mail_add_rcpt(struct mail *m, struct slice address, const struct smtp_rcpt_dsn *dsn)
{
	if (m->rcpts_n == m->rcpts_cap) {
		uint32_t cap = m->rcpts_cap ? m->rcpts_cap * 2 : 4;
		struct mail_rcpt *bigger = arena_alloc(&m->arena, cap * sizeof *bigger);
		if (!bigger)
			return NULL;
		if (m->rcpts_n)
			memcpy(bigger, m->rcpts, m->rcpts_n * sizeof *bigger);
		m->rcpts = bigger;
		m->rcpts_cap = cap;
	}
	struct slice copy = arena_copy(&m->arena, address);
	struct slice orcpt = dsn->orcpt.n ? arena_copy(&m->arena, dsn->orcpt) : dsn->orcpt;
	if (!copy.p || (dsn->orcpt.n && !orcpt.p))
		return NULL;
	struct mail_rcpt *r = &m->rcpts[m->rcpts_n++];
	*r = (struct mail_rcpt){ .address = copy, .dsn = { .notify = dsn->notify, .orcpt = orcpt } };
	m->rcpts_say_dsn |= dsn->notify || orcpt.n;
	return r;
}

void mail_keep_header(struct mail *m, struct slice part)
{
	size_t room = SMTP_HEADER_BYTES_MAX - buf_len(&m->header);
	if (!buf_put(&m->header, slice_of(part.p, part.n < room ? part.n : room)))
		m->keeps_header = false;
}

void mail_read_header(struct mail *m)
{
	struct smtp_header_field fields[SMTP_HEADER_FIELDS_MAX];
	if (!buf_len(&m->header))
		return;
	char *text = m->header.data + m->header.start;
	size_t n = smtp_header_parse(text, buf_len(&m->header), fields, SMTP_HEADER_FIELDS_MAX);
	struct score_header *headers = n ? arena_alloc(&m->arena, n * sizeof *headers) : NULL;
	for (size_t i = 0; headers && i < n; i++)
		headers[i] = (struct score_header){ .name = fields[i].name, .value = fields[i].value };
	m->headers = headers;
	m->headers_n = headers ? (uint32_t)n : 0;
}

bool mail_prepare(struct mail *m, int fd, uint64_t ticket)
{
	struct slice *to = arena_alloc(&m->arena, m->taken * sizeof *to);
	struct smtp_rcpt_dsn *dsn = m->rcpts_say_dsn ? arena_alloc(&m->arena, m->taken * sizeof *dsn) : NULL;
	if (!to || (m->rcpts_say_dsn && !dsn))
		return false;
	size_t n = 0;
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		if (m->rcpts[i].code / 100 != 2)
			continue;
		if (dsn)
			dsn[n] = m->rcpts[i].dsn;
		to[n++] = m->rcpts[i].address;
	}
	bool file = m->spool.fd >= 0;
	m->watch.fd = fd;
	m->out = (struct relay_mail){
		.sender = m->sender,
		.rcpts = to,
		.rcpts_n = n,
		.utf8 = m->utf8,
		.utf8_header = m->hops.eight_bit,
		.dsn = m->dsn,
		.rcpts_dsn = dsn,
		.body = { .mem = file ? NULL : m->spool.mem.first,
			.fd = m->spool.fd,
			.fd_size = file ? m->spool.size : 0,
			.eight_bit = m->eight_bit },
		.ticket = ticket,
		.dot_ms = m->dot_ms,
		.watch = &m->watch,
	};
	return n > 0;
}

struct slice mail_keep(struct mail *m, struct slice text)
{
	struct slice copy = arena_copy(&m->arena, text);
	return copy.p ? copy : slice_of("", 0);
}
