/* From 354 to the reply to the dot. */
#include "base/log.h"
#include "relay/link_inside.h"

#include <errno.h>
#include <unistd.h>

/* What waits in a connection's buffer at most; a backend that reads slowly makes us wait, not grow. A mail up to this
 * size goes out in one write with its dot. */
enum { OUT_MAX = 64 * 1024, CHUNK = 16 * 1024 };
/* From this size on what lies in memory is sent from there, a whole block at once. */
enum { DIRECT_MIN = 16 * 1024 };
/* A backend that reads fast is not to be talked over: so often we look whether it has something to say. */
enum { LISTEN_EVERY = 8 };

enum step { STEP_MORE, STEP_FULL, STEP_FAILED };

static enum step put(struct relay_link *l, struct slice *piece)
{
	switch (smtp_body_out_write(&l->feed.writer, piece, &l->conn.out, OUT_MAX)) {
	case SMTP_BODY_OUT_MORE:
		return STEP_MORE;
	case SMTP_BODY_OUT_FULL:
		return STEP_FULL;
	case SMTP_BODY_OUT_FAULT:
	case SMTP_BODY_OUT_NO_MEMORY:
		break;
	}
	return STEP_FAILED;
}

static enum step put_memory(struct relay_link *l)
{
	struct relay_feed *f = &l->feed;
	if (f->mem.n < DIRECT_MIN)
		return put(l, &f->mem);
	f->direct = smtp_body_out_pass(&f->writer, &f->mem, ROPE_BLOCK);
	return f->direct.n ? STEP_FULL : put(l, &f->mem);
}

static enum step next_block(struct relay_feed *f)
{
	f->mem = f->next->bytes;
	f->next = f->next->next;
	return STEP_MORE;
}

static enum step put_file(struct relay_link *l)
{
	struct relay_feed *f = &l->feed;
	char chunk[CHUNK];
	size_t want = f->end - f->at < CHUNK ? (size_t)(f->end - f->at) : CHUNK;
	ssize_t n = pread(f->fd, chunk, want, (off_t)f->at);
	if (n < 0 && errno == EINTR)
		return STEP_MORE;
	if (n <= 0) /* an unlinked file of our own that ends early or cannot be read: the disk is ill */
		return STEP_FAILED;
	struct slice piece = slice_of(chunk, (size_t)n);
	enum step step = put(l, &piece);
	f->at += (uint64_t)n - piece.n;
	return step;
}

static enum step put_end(struct relay *r, struct relay_link *l)
{
	struct relay_feed *f = &l->feed;
	f->done =
		smtp_body_out_end(&f->writer, &l->conn.out) == SMTP_BODY_OUT_MORE && smtp_client_body_sent(&l->client);
	if (f->done)
		relay_note_dot(r, l->job, l->pool->backend->name);
	return f->done ? STEP_MORE : STEP_FAILED;
}

/* Until the buffer is full, or something is to be sent from where it lies, or the body, with its dot, is in it. */
static enum step fill(struct relay *r, struct relay_link *l)
{
	struct relay_feed *f = &l->feed;
	while (!f->done) {
		enum step step;
		if (f->head.n)
			step = put(l, &f->head);
		else if (f->mem.n)
			step = put_memory(l);
		else if (f->next)
			step = next_block(f);
		else if (f->fd >= 0 && f->at < f->end)
			step = put_file(l);
		else
			step = put_end(r, l);
		if (step != STEP_MORE)
			return step;
	}
	return STEP_MORE;
}

static void broken_body(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	log_error("a body could not be read back or sent on; its mail was not delivered");
	l->feed.done = false;
	relay_link_unsayable(r, l, now_ms);
}

/* Bytes that are ready to go. */
static size_t waiting(const struct relay_link *l)
{
	return buf_len(&l->conn.out) + l->feed.direct.n;
}

void relay_body_go_on(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	struct relay_feed *f = &l->feed;
	while (!f->broken_off) {
		size_t before = waiting(l);
		if (!f->done && !f->direct.n && fill(r, l) == STEP_FAILED) {
			broken_body(r, l, now_ms);
			return;
		}
		size_t filled = waiting(l);
		enum net_result sent = net_conn_flush_with(&l->conn, r->loop, &f->direct, !f->done);
		if (sent == NET_FAILED) {
			relay_link_broke(r, l, now_ms);
			return;
		}
		bool moved = waiting(l) < filled || filled != before;
		if (f->done && sent == NET_OK) {
			relay_link_enter(r, l, RELAY_LINK_DOT, now_ms);
			return;
		}
		if (moved) /* the three minutes are for each block, not for the body */
			net_wheel_arm(&r->wheel, &l->timer, now_ms + 3 * 60 * 1000);
		if (sent == NET_AGAIN)
			return;
		if (++f->sent % LISTEN_EVERY == 0)
			relay_link_listen(r, l, now_ms);
		if (l->state != RELAY_LINK_BODY)
			return;
	}
}

void relay_body_begin(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	const struct relay_body *b = &l->job->mail->body;
	l->feed =
		(struct relay_feed){ .head = b->head, .next = b->mem, .fd = b->fd, .end = b->fd >= 0 ? b->fd_size : 0 };
	smtp_body_out_init(&l->feed.writer);
	if (l->client.lmtp && !relay_lmtp_begin(r, l)) {
		relay_link_unsayable(r, l, now_ms);
		return;
	}
	relay_link_enter(
		r, l, RELAY_LINK_BODY, now_ms); /* what is written follows at the end of this event, see flush() */
}

/* Whatever it says, it is said of this body, which ends here: without its dot nothing is delivered. */
void relay_body_hears(struct relay_link *l)
{
	if (l->feed.done || l->feed.broken_off)
		return;
	l->feed.broken_off = smtp_client_body_sent(&l->client);
}

void relay_body_early(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	/* the dot is not out, so a refusal is final and anything else is nonsense */
	if (reply->code >= 400)
		relay_finish_reply(r, l->job, reply->code, reply->text, now_ms);
	else
		relay_finish_garbage(r, l->job, false, now_ms);
	relay_link_close(r, l);
}

void relay_body_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	if (l->took) {
		relay_lmtp_reply(r, l, reply, now_ms);
		return;
	}
	if (reply->code / 100 == 3) {
		relay_finish_garbage(r, l->job, true, now_ms);
		relay_link_close(r, l);
		return;
	}
	if (relay_is_2xx(reply->code)) {
		l->refusals = l->rsets = 0;
	} else {
		l->refusals++;
	}
	l->retire |= reply->code == 421;
	relay_finish_reply(r, l->job, reply->code, reply->text, now_ms);
	relay_link_release(r, l, false, now_ms);
}
