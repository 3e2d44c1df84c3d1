/* backend test; see ctl/commands.h. Conversations with backends take seconds, so each has a thread of its own and the
 * asker comes again. */
#include "server/control.h"
#include "server/control_inside.h"

#include "base/mem.h"
#include "relay/trial.h"

struct trials {
	int64_t id;
	size_t n, threads;
	atomic_size_t done;
	atomic_bool stop;
	pthread_t thread[RELAY_BACKENDS_MAX];
	struct one {
		struct trials *all;
		struct relay_trial *trial;
	} one[RELAY_BACKENDS_MAX];
	struct relay_trial trial[RELAY_BACKENDS_MAX];
};

/* ---- running ---- */

static void *run_one(void *arg)
{
	struct one *one = arg;
	relay_trial_run(one->trial, &one->all->stop);
	atomic_fetch_add(&one->all->done, 1);
	return NULL;
}

static void join_all(struct trials *all)
{
	for (size_t i = 0; i < all->threads; i++)
		pthread_join(all->thread[i], NULL);
	for (size_t i = 0; i < all->n; i++)
		relay_trial_release(&all->trial[i]);
	all->threads = all->n = 0;
}

void control_trials_end(struct app *app)
{
	if (!app->trials)
		return;
	atomic_store(&app->trials->stop, true);
	join_all(app->trials);
	mem_free(&app->trials);
}

static bool begin(struct app *app)
{
	if (!app->trials)
		app->trials = mem_zalloc(sizeof *app->trials);
	TRY(app->trials);
	struct trials *all = app->trials;
	join_all(all);
	all->id++;
	atomic_store(&all->done, 0);
	all->n = relay_trials_prepare(app->relay, all->trial, RELAY_BACKENDS_MAX);
	for (size_t i = 0; i < all->n; i++)
		all->one[i] = (struct one){ all, &all->trial[i] };
	for (; all->threads < all->n; all->threads++)
		if (pthread_create(&all->thread[all->threads], NULL, run_one, &all->one[all->threads]) != 0)
			break;
	if (all->threads == all->n)
		return true;
	atomic_store(&all->stop, true);
	join_all(all);
	atomic_store(&all->stop, false);
	return false;
}

/* ---- telling ---- */

static void put_reply(struct ctl_json at, const char *key, const struct relay_trial_reply *r)
{
	if (!r->code)
		return;
	struct ctl_json reply = ctl_json_put_object(at, key);
	ctl_json_put_count(reply, "code", r->code);
	ctl_json_put_text(reply, "text", slice_str(r->text));
}

static void put_lines(struct ctl_json at, const char *key, const char *text)
{
	struct ctl_json list = ctl_json_put_array(at, key);
	for (struct slice rest = slice_str(text); rest.n;)
		ctl_json_put_text(list, NULL, slice_cut(&rest, '\n'));
}

static void put_attributes(struct ctl_json at, const char *key, unsigned offered)
{
	static const char *const NAMES[] = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT",
		"REVERSE_NAME", "IDENT", "SOURCE" };
	struct ctl_json list = ctl_json_put_array(at, key);
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
		if (offered & smtp_xattr_of(slice_str(NAMES[i])))
			ctl_json_put_text(list, NULL, slice_str(NAMES[i]));
}

static void put_tls(struct ctl_json at, const struct relay_trial *t)
{
	struct ctl_json tls = ctl_json_put_object(at, "tls");
	ctl_json_put_text(tls, "set", slice_str(control_tls_name(t->tls)));
	ctl_json_put_bool(tls, "offered", t->tls_offered);
	ctl_json_put_text(tls, "version", slice_str(t->tls_version));
	ctl_json_put_text(tls, "cipher", slice_str(t->tls_cipher));
	ctl_json_put_text(tls, "fault", slice_str(t->tls_fault));
}

static void put_identity(struct ctl_json at, const struct relay_trial *t)
{
	struct ctl_json id = ctl_json_put_object(at, "identity");
	ctl_json_put_text(id, "set", slice_str(control_identity_name(t->identity)));
	put_attributes(id, "xclient", t->caps.xclient);
	put_attributes(id, "xforward", t->caps.xforward);
	put_reply(id, "first", &t->first);
	ctl_json_put_bool(id, "again", t->again);
	put_reply(id, "second", &t->second);
}

static void put_findings(struct ctl_json at, const struct relay_trial *t)
{
	put_tls(at, t);
	put_identity(at, t);
	put_reply(at, "mail", &t->mail);
	put_reply(at, "stranger", &t->foreign);
	ctl_json_put_text(at, "recipient", slice_str(t->rcpt));
	put_reply(at, "unknown", &t->unknown);
	ctl_json_put_bool(at, "unknown_counts", t->unknown_counts);
	ctl_json_put_count(at, "size", t->caps.size);
	ctl_json_put_count(at, "rcpt_max", t->caps.rcpt_max);
	ctl_json_put_count(at, "mail_max", t->caps.mail_max);
	ctl_json_put_count(at, "refusals", t->refusals);
	ctl_json_put_count(at, "rsets", t->rsets);
	ctl_json_put_bool(at, "slowed", t->slowed);
	ctl_json_put_bool(at, "hung_up", t->hung_up);
}

static void put_advice(struct ctl_json at, const struct relay_advice *a, size_t n)
{
	struct ctl_json list = ctl_json_put_array(at, "advice");
	for (size_t i = 0; i < n; i++) {
		struct ctl_json one = ctl_json_put_object(list, NULL);
		ctl_json_put_bool(one, "must", a[i].must);
		ctl_json_put_text(one, "what", slice_str(a[i].what));
		ctl_json_put_text(one, "where", slice_str(a[i].where));
		put_lines(one, "lines", a[i].lines);
	}
}

/* True: nothing of it is to be changed. */
static bool put_trial(struct ctl_json list, const struct relay_trial *t)
{
	struct relay_advice advice[RELAY_ADVICE_MAX];
	size_t n = relay_trial_advice(t, advice);
	bool must = false;
	for (size_t i = 0; i < n; i++)
		must |= advice[i].must;
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "name", slice_str(t->group));
	ctl_json_put_text(at, "url", slice_str(t->name));
	ctl_json_put_text(at, "state", must ? SLICE("failed") : n ? SLICE("change") : SLICE("ok"));
	ctl_json_put_text(at, "fault", slice_str(t->fault));
	ctl_json_put_count(at, "took_ms", t->took_ms);
	if (t->kind != RELAY_MAILDIR) {
		ctl_json_put_text(at, "greeting", slice_str(t->greeting.text));
		put_lines(at, "ehlo", t->ehlo);
		put_findings(at, t);
	}
	put_advice(at, advice, n);
	return n == 0;
}

bool control_backend_test(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	int64_t id = ctl_json_int(args, "test", 0);
	bool under_way = app->trials && atomic_load(&app->trials->done) < app->trials->n;
	if (id && (!app->trials || id != app->trials->id))
		return control_refuse(error_r, "that test is over, and another one has begun since");
	if (!id && !under_way && !begin(app))
		return control_refuse(error_r, "no memory or no thread for a test");
	struct trials *all = app->trials;
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_int(root, "test", all->id);
	if (!id || atomic_load(&all->done) < all->n) {
		ctl_json_put_bool(root, "pending", true);
		return true;
	}
	bool good = true;
	struct ctl_json list = ctl_json_put_array(root, "backends");
	for (size_t i = 0; i < all->n; i++)
		good &= put_trial(list, &all->trial[i]);
	ctl_json_put_bool(root, "good", good);
	return true;
}
