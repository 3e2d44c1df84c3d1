#include "server/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "server/replay_log.h"
#include "server/session.h"
#include "server/talk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Clients taken from one listener before the others get their turn. */
enum { ACCEPT_TURN = 64 };
/* Out of descriptors: how long the door stays shut before the next try. */
enum { ACCEPT_PAUSE_MS = 200 };
enum { TIMER_ACCEPT = 0 };
/* While the server is nearly full: how often all waits are held against limits.stress_timeout. */
enum { PRESS_EVERY_MS = 1000 };
/* At the start: how long the door stays shut for the backends' first word, and how often that is looked for. */
enum { DOOR_SHUT_MS = 1000, DOOR_LOOK_MS = 5 };
/* Memory for bodies that was not needed for so long is given back. */
enum { TRIM_EVERY_MS = 1000 };

static size_t listener_count(const struct settings *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->listeners.count; i++)
		n += s->listeners.items[i].address.count;
	return n;
}

static bool open_listener(struct worker *w, uint32_t number, const struct settings_address *a, char error_r[256])
{
	struct listener *l = &w->listeners[w->listeners_n];
	*l = (struct listener){ .io = { .fd = net_listen(&a->ip, a->port), .owner = NET_OWNER_LISTENER },
		.number = number };
	if (l->io.fd >= 0 && net_loop_add(w->loop, &l->io, NET_READ)) {
		w->listeners_n++;
		return true;
	}
	char ip[IP_TEXT];
	int saved = errno;
	ip_format(&a->ip, ip);
	snprintf(error_r, 256, "cannot listen on %s port %u: %s%s", ip, a->port, strerror(saved),
		saved == EADDRINUSE ? " (another mail server is running there?)"
		: saved == EACCES   ? " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
				    : "");
	return false;
}

bool worker_listen(struct worker *w, char error_r[256])
{
	const struct settings *s = w->generation->settings;
	w->listeners = mem_zalloc(listener_count(s) * sizeof *w->listeners);
	if (!w->listeners) {
		snprintf(error_r, 256, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < s->listeners.count; i++)
		for (size_t k = 0; k < s->listeners.items[i].address.count; k++)
			TRY(open_listener(w, i, &s->listeners.items[i].address.items[k], error_r));
	return true;
}

bool worker_init(struct worker *w, struct app *app, unsigned number)
{
	*w = (struct worker){ .app = app, .number = number, .wake.io.fd = -1, .dns.app = app };
	pthread_mutex_init(&w->letterbox.lock, NULL);
	w->generation = generation_ref(app->generation);
	w->now_ms = clock_mono_ms();
	net_wheel_init(&w->wheel, w->now_ms);
	id_source_init(&w->ids, app->id_seed, number, app->workers_n);
	w->loop = net_loop_new();
	w->event = mem_alloc(sizeof *w->event);
	w->fires = mem_alloc(sizeof *w->fires);
	return w->loop && rope_reading(&w->stock) && w->event && w->fires && net_wake_init(&w->wake, w->loop);
}

static void close_listeners(struct worker *w)
{
	for (size_t i = 0; i < w->listeners_n; i++) {
		int fd = w->listeners[i].io.fd;
		net_loop_remove(w->loop, &w->listeners[i].io);
		close(fd);
	}
	w->listeners_n = 0;
}

void worker_disconnect(struct worker *w)
{
	rcpt_desk_free(&w->rcpt);
	relay_free(&w->relay);
	spf_desk_release(&w->dns.spf);
	dns_resolver_free(&w->dns.resolver);
}

void worker_free(struct worker *w)
{
	if (w->loop) {
		close_listeners(w);
		net_wake_close(&w->wake, w->loop);
		net_loop_free(&w->loop);
	}
	generation_unref(&w->letterbox.generation);
	generation_unref(&w->generation);
	buf_release(&w->record.line);
	buf_release(&w->words);
	alert_desk_release(&w->alert_desk);
	mem_free(&w->listeners);
	mem_free(&w->sessions);
	rope_stock_release(&w->stock);
	mem_free(&w->event);
	mem_free(&w->fires);
	replay_desk_free(&w->replay);
	pthread_mutex_destroy(&w->letterbox.lock);
}

/* ---- the door ---- */

static void pause_door(struct worker *w)
{
	stat_add(&w->stats, STAT_ACCEPT_PAUSES, 1);
	if (!net_timer_armed(&w->accept_pause)) {
		log_warn("out of file descriptors: new clients wait; raise LimitNOFILE or lower limits.sessions");
		w->accept_pause.kind = TIMER_ACCEPT;
		net_wheel_arm(&w->wheel, &w->accept_pause, w->now_ms + ACCEPT_PAUSE_MS);
	}
}

static void accept_clients(struct worker *w, struct listener *l, unsigned most)
{
	l->ready = true;
	for (unsigned n = 0; n < most; n++) {
		int fd;
		struct ip ip;
		uint16_t port;
		switch (net_accept(l->io.fd, &fd, &ip, &port)) {
		case NET_ACCEPT_OK:
			session_open(w, fd, &ip, port, l->number);
			if (n == 0 && !net_accept_would(l->io.fd)) { /* most come alone */
				l->ready = false;
				return;
			}
			break;
		case NET_ACCEPT_GONE:
			break;
		case NET_ACCEPT_NONE:
			l->ready = false;
			return;
		case NET_ACCEPT_NO_FILE:
			l->ready = false;
			pause_door(w);
			return;
		}
	}
}

/* The first clients wait a moment until the backends have said what they can do: EHLO must not announce
 * what would be dropped. A backend that says nothing does not keep the door shut. */
static bool door_is_shut(struct worker *w)
{
	if (w->door_opens_ms == 0)
		return false;
	struct relay_backend_info info[RELAY_BACKENDS_MAX];
	size_t n = relay_shared_info(w->app->relay, w->now_ms, info, RELAY_BACKENDS_MAX), heard = 0;
	for (size_t i = 0; i < n; i++)
		heard += info[i].state != RELAY_UNTRIED;
	if (heard < n && w->now_ms < w->door_opens_ms)
		return true;
	w->door_opens_ms = 0;
	return false;
}

/* True when some listener was left before it was empty. */
static bool accept_rest(struct worker *w)
{
	bool more = false;
	if (door_is_shut(w))
		return false;
	for (size_t i = 0; i < w->listeners_n; i++) {
		if (w->listeners[i].ready)
			accept_clients(w, &w->listeners[i], ACCEPT_TURN);
		more |= w->listeners[i].ready;
	}
	return more;
}

static void reopen_door(struct worker *w)
{
	for (size_t i = 0; i < w->listeners_n; i++)
		w->listeners[i].ready = true;
	w->more_at_the_door = true; /* the loop tells nothing of those who have waited since */
}

/* ---- the letterbox ---- */

static void fill_list(struct worker *w, struct session_list *list)
{
	list->n = 0;
	list->open = w->sessions_open;
	for (uint32_t i = 0; i < w->sessions_cap && list->n < list->cap; i++)
		if (w->sessions[i])
			session_describe(w->sessions[i], &list->items[list->n++]);
	pthread_mutex_lock(&list->lock);
	list->done = true;
	pthread_cond_signal(&list->listed);
	pthread_mutex_unlock(&list->lock);
}

static struct dns_settings dns_share(const struct worker *w, const struct generation *g)
{
	struct dns_settings mine = g->dns;
	mine.cache_entries /= w->app->workers_n;
	return mine;
}

/* Blocks that are free count for nobody: all workers together keep no more of them than bodies may claim. */
static void bound_stock(struct worker *w)
{
	w->stock.pool.most = (uint32_t)(w->generation->settings->relay.memory / w->app->workers_n / POOL_BLOCK) + 1;
}

static void take_on(struct worker *w, struct generation *g)
{
	generation_unref(&w->generation);
	w->generation = g;
	bound_stock(w);
	w->record.format = (enum log_format)g->settings->log.format;
	w->record.addresses = g->settings->log.addresses;
	relay_configure(w->relay, w->now_ms);
	const struct dns_settings dns = dns_share(w, g);
	dns_resolver_configure(w->dns.resolver, &dns, w->now_ms);
	list_desk_configure(w);
}

static void for_each_session(struct worker *w, void (*act)(struct session *))
{
	for (uint32_t i = 0; i < w->sessions_cap; i++)
		if (w->sessions[i])
			act(w->sessions[i]);
}

static void begin_drain(struct worker *w)
{
	if (w->draining)
		return;
	for (size_t i = 0; i < w->listeners_n; i++)
		accept_clients(w, &w->listeners[i], UINT32_MAX); /* who knocked before is still taken */
	close_listeners(w);
	w->draining = true;
	for_each_session(w, session_drain);
	relay_drain(w->relay, w->now_ms);
}

static void open_letterbox(struct worker *w)
{
	net_wake_clear(&w->wake);
	pthread_mutex_lock(&w->letterbox.lock);
	struct generation *g = w->letterbox.generation;
	w->letterbox.generation = NULL;
	bool drain = w->letterbox.drain, stop = w->letterbox.stop;
	if (w->letterbox.list)
		fill_list(w, w->letterbox.list);
	w->letterbox.list = NULL;
	pthread_mutex_unlock(&w->letterbox.lock);
	if (g)
		take_on(w, g);
	if (drain || stop)
		begin_drain(w);
	if (stop && !w->stopping) {
		w->stopping = true;
		for_each_session(w, session_stop);
		relay_abandon(w->relay, w->now_ms); /* what is in doubt then, is journaled in this turn */
	}
}

/* ---- the turn of the loop ---- */

static void dispatch(struct worker *w, struct net_io *io, unsigned events)
{
	switch (io->owner) {
	case NET_OWNER_SESSION:
		session_on_io(container_of(io, struct session, conn.io), events);
		break;
	case NET_OWNER_RELAY:
		relay_on_io(w->relay, io, events, w->now_ms);
		break;
	case NET_OWNER_LISTENER:
		container_of(io, struct listener, io)->ready = true;
		break;
	case NET_OWNER_WAKE:
		open_letterbox(w);
		relay_on_wake(w->relay, w->now_ms);
		break;
	case NET_OWNER_DNS:
		dns_resolver_on_io(w->dns.resolver, io, events, w->now_ms);
		break;
	case NET_OWNER_SIGNAL:
		break; /* not a worker's in this version */
	}
}

static void run_timers(struct worker *w)
{
	struct net_timer *t;
	while ((t = net_wheel_pop(&w->wheel, w->now_ms))) {
		if (t == &w->accept_pause)
			reopen_door(w);
		else
			session_on_timer(container_of(t, struct session, timer));
	}
}

static void deliver_names(struct worker *w)
{
	struct dns_result result;
	list_desk_share(&w->dns.lists, true);
	while (dns_resolver_pop(w->dns.resolver, &result)) {
		if (list_is_ticket(result.ticket)) {
			list_desk_answer(w, &result);
			continue;
		}
		bool of_spf = spf_is_ticket(result.ticket);
		uint64_t ticket = result.ticket;
		if (of_spf && !spf_answer(&w->dns, &result, &ticket))
			continue;
		struct session *s = worker_session_of(w, ticket);
		if (s && of_spf)
			stage_on_spf(s);
		else if (s)
			stage_on_dns(s, &result);
	}
	list_desk_share(&w->dns.lists, false);
}

static void deliver_answers(struct worker *w)
{
	struct relay_done done;
	while (relay_pop(w->relay, &done)) {
		if (alert_is_ticket(done.ticket)) {
			alert_desk_answer(&w->alert_desk, w->app->alerts, &done);
			continue;
		}
		struct session *s = done.orphan ? NULL : worker_asker(w, done.ticket);
		if (s)
			session_on_relay(s, &done);
		else if (done.orphan)
			journal_orphan(w, done.ticket & ((1ull << TICKET_ID_BITS) - 1), &done);
	}
}

/* Waits that began before limits.stress_timeout came into force are shortened too. */
static void press_sessions(struct worker *w)
{
	if (!pressure_is_high(w->app) || w->now_ms < w->press_ms)
		return;
	w->press_ms = w->now_ms + PRESS_EVERY_MS;
	for_each_session(w, deadline_press);
}

/* Memory that large bodies have left behind stays warm for the next ones, not for ever. */
static void trim_stock(struct worker *w)
{
	if (w->trim_ms && w->now_ms >= w->trim_ms) {
		pool_trim(&w->stock.pool);
		w->trim_ms = 0;
	}
	if (!w->trim_ms && w->stock.pool.warm_n)
		w->trim_ms = w->now_ms + TRIM_EVERY_MS;
}

/* The sooner; -1: never. */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int sleep_ms(const struct worker *w)
{
	if (w->door_opens_ms)
		return DOOR_LOOK_MS;
	if (w->more_at_the_door)
		return 0;
	int ms = sooner(net_wheel_sleep_ms(&w->wheel, w->now_ms), relay_sleep_ms(w->relay, w->now_ms));
	ms = sooner(ms, dns_resolver_sleep_ms(w->dns.resolver, w->now_ms));
	ms = sooner(ms, list_desk_sleep_ms(&w->dns.lists, w->now_ms));
	ms = sooner(ms, rcpt_desk_sleep_ms(w->rcpt, w->now_ms));
	if (w->trim_ms)
		ms = sooner(ms, w->trim_ms > w->now_ms ? (int)(w->trim_ms - w->now_ms) : 0);
	return pressure_is_high(w->app) ? sooner(ms, PRESS_EVERY_MS) : ms;
}

static void look_at_clock(struct worker *w)
{
	w->now_ms = w->dns.now_ms = clock_mono_ms();
	w->wall_ms = w->dns.wall_ms = clock_wall_ms();
}

bool worker_turn(struct worker *w, int most_ms)
{
	int ms = sleep_ms(w);
	net_loop_wait(w->loop, most_ms >= 0 && (ms < 0 || ms > most_ms) ? most_ms : ms);
	look_at_clock(w);
	pressure_look(&w->pressure, w->app, w->generation->settings->limits.waiting, w->now_ms);
	press_sessions(w);
	unsigned events;
	for (struct net_io *io; (io = net_loop_next(w->loop, &events));)
		dispatch(w, io, events);
	w->more_at_the_door = accept_rest(w);
	run_timers(w);
	list_desk_on_time(w);
	dns_resolver_on_time(w->dns.resolver, w->now_ms);
	deliver_names(w);
	relay_on_time(w->relay, w->now_ms);
	recipients_collect(w);
	deliver_answers(w);
	worker_bury_dead(w);
	trim_stock(w);
	return !(w->draining && w->sessions_open == 0 && (w->stopping || relay_is_idle(w->relay)));
}

static void *run(void *arg)
{
	struct worker *w = arg;
	look_at_clock(w);
	w->door_opens_ms = w->now_ms + DOOR_SHUT_MS;
	while (worker_turn(w, -1))
		atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
	atomic_fetch_sub(&w->app->workers_running, 1);
	return NULL;
}

bool worker_connect(struct worker *w)
{
	const struct settings *s = w->generation->settings;
	w->record = (struct record){
		.format = (enum log_format)s->log.format, .addresses = s->log.addresses, .key = &w->app->log_key
	};
	bound_stock(w);
	w->relay = relay_new(w->app->relay, w->loop, &w->wake, w->number, w->now_ms);
	const struct dns_settings dns = dns_share(w, w->generation);
	w->dns.resolver = dns_resolver_new(&dns, w->loop, w->now_ms);
	w->dns.lists.worker = w;
	w->rcpt = rcpt_desk_new(&w->wake, w->now_ms);
	return w->relay && w->dns.resolver && w->rcpt;
}

bool worker_start(struct worker *w)
{
	return pthread_create(&w->thread, NULL, run, w) == 0;
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
}
