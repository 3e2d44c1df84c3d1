#include "server/replay_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/writer.h"
#include "server/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What may wait for the disk: some seconds of a busy server, some 20,000 lines. */
enum { REPLAY_MEMORY = 16 * 1024 * 1024 };

struct replay_log {
	struct writer writer;
	_Atomic uint64_t seq; /* of the next line */
	_Atomic bool on;
	_Atomic bool wanted;
	bool started;
	uint64_t start_ms;
};

struct replay_desk {
	struct replay_record record;
	struct score_tape tape;
	struct buf line;
};

/* ---- the file ---- */

struct replay_log *replay_log_new(uint64_t start_ms)
{
	struct replay_log *l = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	l->writer = (struct writer)WRITER_INIT("lines of log.replay", REPLAY_MEMORY, WRITER_NOWHERE);
	l->start_ms = start_ms;
	atomic_init(&l->seq, 1);
	return l;
}

void replay_log_free(struct replay_log **l)
{
	if (!*l)
		return;
	writer_stop(&(*l)->writer);
	writer_release(&(*l)->writer);
	mem_free(l);
}

/* A crash or a full disk may have left half a line. */
static bool ends_in_a_line(int fd)
{
	struct stat st;
	char last;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return true;
	return pread(fd, &last, 1, st.st_size - 1) != 1 || last == '\n';
}

/* Not through a symbolic link, which somebody else may have put there. A pipe must not make us wait. */
static int open_file(const char *path)
{
	return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0640);
}

static struct slice without_end(struct slice line)
{
	return line.n ? slice_of(line.p, line.n - 1) : line;
}

static bool write_head(struct replay_log *l, const struct score_ruleset *set, struct buf *out)
{
	struct replay_record *r = mem_alloc(sizeof *r);
	TRY(r);
	replay_record_begin(r, REPLAY_HEAD);
	replay_record_head(r, set, l->start_ms);
	r->seq = atomic_fetch_add_explicit(&l->seq, 1, memory_order_relaxed);
	r->time_ms = clock_wall_ms();
	bool ok = replay_record_write(r, out);
	mem_free(&r);
	return ok;
}

static bool turn(struct replay_log *l, const char *path, const struct score_ruleset *set)
{
	struct buf head = { 0 };
	if (!l->started && !(l->started = writer_start(&l->writer)))
		return false;
	int fd = open_file(path), error = errno;
	bool ok = (fd < 0 || ends_in_a_line(fd) || buf_put(&head, SLICE("\n"))) && write_head(l, set, &head);
	if (fd >= 0)
		writer_turn(&l->writer, fd, without_end(buf_slice(&head)));
	else if (atomic_load(&l->on))
		writer_line(&l->writer, without_end(buf_slice(&head))); /* the old file goes on */
	buf_release(&head);
	errno = ok ? error : ENOMEM;
	return ok && fd >= 0;
}

bool replay_log_open(struct replay_log *l, const char *path, const struct score_ruleset *set)
{
	atomic_store(&l->wanted, *path != 0);
	if (!*path) {
		if (atomic_exchange(&l->on, false))
			writer_turn(&l->writer, WRITER_NOWHERE, SLICE(""));
		return true;
	}
	TRY(turn(l, path, set));
	atomic_store(&l->on, true);
	return true;
}

void replay_log_info(struct replay_log *l, struct replay_log_info *info_r)
{
	*info_r = (struct replay_log_info){ .wanted = atomic_load(&l->wanted),
		.on = atomic_load(&l->on),
		.lines = atomic_load(&l->seq) - 1,
		.lost = writer_lost(&l->writer) };
}

/* ---- a session's lines ---- */

void replay_desk_free(struct replay_desk **d)
{
	if (*d)
		buf_release(&(*d)->line);
	mem_free(d);
}

void replay_trace(struct session *s)
{
	struct worker *w = s->worker;
	if (!w->app->replay || !atomic_load_explicit(&w->app->replay->on, memory_order_relaxed))
		return;
	if (!w->replay)
		w->replay = mem_zalloc(sizeof *w->replay);
	s->replay_step = w->replay != NULL; /* out of memory: this one is not traced */
}

/* What a test or an event is about. */
static void put_facts(struct session *s, struct replay_desk *d, const struct score_facts *f)
{
	struct replay_record *r = &d->record;
	r->facts = *f;
	if (s->mail && !s->mail->keeps_header) /* none of these rules reads it */
		r->facts.known &= ~(uint32_t)SCORE_HAS_HEADERS;
	replay_record_answers(r, s->generation->rules);
	r->allowed = s->judgement.allowed;
	r->place = (uint8_t)score_client_place(s->generation->rules, &s->peer.ip);
	score_tape_clear(&d->tape);
	s->judgement.tape = &d->tape;
}

struct replay_record *replay_call(struct session *s, enum replay_kind kind, const struct score_facts *f)
{
	if (!s->replay_step)
		return NULL;
	struct worker *w = s->worker;
	struct replay_record *r = &w->replay->record;
	replay_record_begin(r, kind);
	r->seq = atomic_fetch_add_explicit(&w->app->replay->seq, 1, memory_order_relaxed);
	r->time_ms = w->wall_ms;
	r->rules = s->generation->rules_hash;
	r->step = s->replay_step++;
	if (f)
		put_facts(s, w->replay, f);
	return r;
}

void replay_called(struct session *s, const struct score_verdict *verdict)
{
	struct replay_desk *d = s->worker->replay;
	struct replay_record *r = &d->record;
	const struct score_ruleset *set = s->generation->rules;
	char session[ID_TEXT], mail[ID_TEXT];
	id_format(s->id, session);
	r->session = slice_str(session);
	if (s->mail) {
		id_format(s->mail->id, mail);
		r->mail = slice_str(mail);
	}
	if (s->judgement.tape)
		replay_record_tape(r, set, s->judgement.tape);
	if (verdict)
		replay_record_verdict(r, set, verdict);
	s->judgement.tape = NULL;
	buf_clear(&d->line);
	if (replay_record_write(r, &d->line))
		writer_line(&s->worker->app->replay->writer, without_end(buf_slice(&d->line)));
}

void replay_tell(struct session *s, enum replay_kind kind)
{
	if (replay_call(s, kind, NULL))
		replay_called(s, NULL);
}
