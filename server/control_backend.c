/* backend and forget; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "smtp/ext.h"

static void put_caps(struct ctl_json list, uint32_t exts)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} NAMES[] = { { SMTP_EXT_PIPELINING, "PIPELINING" }, { SMTP_EXT_SIZE, "SIZE" },
		{ SMTP_EXT_8BITMIME, "8BITMIME" }, { SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
		{ SMTP_EXT_STARTTLS, "STARTTLS" }, { SMTP_EXT_CHUNKING, "CHUNKING" }, { SMTP_EXT_SMTPUTF8, "SMTPUTF8" },
		{ SMTP_EXT_DSN, "DSN" }, { SMTP_EXT_XCLIENT, "XCLIENT" }, { SMTP_EXT_XFORWARD, "XFORWARD" } };
	for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
		if (exts & NAMES[i].bit)
			ctl_json_put_text(list, NULL, slice_str(NAMES[i].name));
}

const char *control_identity_name(enum relay_identity i)
{
	static const char *const NAMES[] = { [RELAY_XCLIENT] = "xclient",
		[RELAY_XFORWARD] = "xforward",
		[RELAY_PROXY] = "proxy",
		[RELAY_NONE] = "none" };
	return NAMES[i];
}

const char *control_tls_name(enum relay_tls t)
{
	static const char *const NAMES[] = { [RELAY_TLS_OFF] = "off",
		[RELAY_TLS_MAY] = "may",
		[RELAY_TLS_REQUIRE] = "require" };
	return NAMES[t];
}

static void put_backend(struct ctl_json list, const struct relay_backend_info *b)
{
	static const char *const STATE[] = { "unknown", "up", "down", "unhealthy" };
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "name", slice_str(b->group));
	ctl_json_put_text(at, "url", slice_str(b->name));
	ctl_json_put_text(at, "state", slice_str(STATE[b->state]));
	ctl_json_put_text(at, "identity", slice_str(control_identity_name(b->identity)));
	ctl_json_put_bool(at, "reusable", b->reusable);
	struct ctl_json tls = ctl_json_put_object(at, "tls");
	ctl_json_put_text(tls, "set", slice_str(control_tls_name(b->tls)));
	ctl_json_put_text(tls, "version", slice_str(b->tls_version));
	ctl_json_put_bool(tls, "failed", b->tls_failed);
	ctl_json_put_count(at, "size", b->size);
	ctl_json_put_count(at, "rcpt_max", b->rcpt_max);
	struct ctl_json c = ctl_json_put_object(at, "connections");
	ctl_json_put_count(c, "open", b->open);
	ctl_json_put_count(c, "limit", b->limit);
	ctl_json_put_count(at, "delivered", b->delivered);
	ctl_json_put_count(at, "refused", b->refused);
	ctl_json_put_count(at, "probed", b->probed);
	ctl_json_put_count(at, "failed", b->failures);
	ctl_json_put_count(at, "doubtful", b->doubtful);
	ctl_json_put_text(at, "last_error", slice_str(b->error));
	put_caps(ctl_json_put_array(at, "caps"), b->exts);
}

bool control_backend(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	(void)args, (void)error_r;
	struct relay_backend_info info[RELAY_BACKENDS_MAX];
	size_t n = relay_shared_info(app->relay, clock_mono_ms(), info, RELAY_BACKENDS_MAX);
	struct ctl_json list = ctl_json_put_array(ctl_json_root_object(data_r), "backends");
	for (size_t i = 0; i < n; i++)
		put_backend(list, &info[i]);
	return true;
}

bool control_forget(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct slice rcpt = ctl_json_text(args, "recipient");
	if (!rcpt.n)
		return control_refuse(error_r, "forget wants a recipient's address");
	ctl_json_put_bool(ctl_json_root_object(data_r), "forgotten", relay_shared_forget(app->relay, rcpt));
	return true;
}
