#include "config/words.h"

#define NOT_BUILT true

const struct word words_protocol[] = {
	{ "smtp", SETTINGS_PROTOCOL_SMTP, false },
	{ "policy", SETTINGS_PROTOCOL_POLICY, false },
	{ NULL, 0, false },
};

const struct word words_tls[] = {
	{ "off", SETTINGS_TLS_OFF, false },
	{ "starttls", SETTINGS_TLS_STARTTLS, false },
	{ "implicit", SETTINGS_TLS_IMPLICIT, false },
	{ NULL, 0, false },
};

const struct word words_newline[] = {
	{ "repair", SETTINGS_NEWLINE_REPAIR, false },
	{ "refuse", SETTINGS_NEWLINE_REFUSE, false },
	{ NULL, 0, false },
};

const struct word words_ehlo[] = {
	{ "8BITMIME", SETTINGS_EHLO_8BITMIME, false },
	{ "CHUNKING", SETTINGS_EHLO_CHUNKING, false },
	{ "DSN", SETTINGS_EHLO_DSN, false },
	{ "ENHANCEDSTATUSCODES", SETTINGS_EHLO_ENHANCEDSTATUSCODES, false },
	{ "LIMITS", SETTINGS_EHLO_LIMITS, false },
	{ "PIPELINING", SETTINGS_EHLO_PIPELINING, false },
	{ "SIZE", SETTINGS_EHLO_SIZE, false },
	{ "SMTPUTF8", SETTINGS_EHLO_SMTPUTF8, false },
	{ "STARTTLS", SETTINGS_EHLO_STARTTLS, false },
	{ NULL, 0, false },
};

const struct word words_tls_version[] = {
	{ "1.2", SETTINGS_TLS_1_2, false },
	{ "1.3", SETTINGS_TLS_1_3, false },
	{ NULL, 0, false },
};

const struct word words_identity[] = {
	{ "xclient", SETTINGS_IDENTITY_XCLIENT, false },
	{ "xforward", SETTINGS_IDENTITY_XFORWARD, false },
	{ "proxy", SETTINGS_IDENTITY_PROXY, false },
	{ "none", SETTINGS_IDENTITY_NONE, false },
	{ NULL, 0, false },
};

const struct word words_relay_tls[] = {
	{ "off", SETTINGS_RELAY_TLS_OFF, false },
	{ "may", SETTINGS_RELAY_TLS_MAY, false },
	{ "require", SETTINGS_RELAY_TLS_REQUIRE, false },
	{ NULL, 0, false },
};

const struct word words_source[] = {
	{ "sqlite", SETTINGS_SOURCE_SQLITE, false },
	{ "pgsql", SETTINGS_SOURCE_PGSQL, false },
	{ "socketmap", SETTINGS_SOURCE_SOCKETMAP, false },
	{ NULL, 0, false },
};

const struct word words_spf_header[] = {
	{ "received-spf", SETTINGS_SPF_RECEIVED, false },
	{ "authentication-results", SETTINGS_SPF_AUTHENTICATION_RESULTS, false },
	{ "none", SETTINGS_SPF_NONE, false },
	{ NULL, 0, false },
};

const struct word words_refuse_at[] = {
	{ "rcpt", SETTINGS_REFUSE_AT_RCPT, false },
	{ "now", SETTINGS_REFUSE_NOW, false },
	{ NULL, 0, false },
};

const struct word words_log_level[] = {
	{ "error", SETTINGS_LOG_ERROR, false },
	{ "warning", SETTINGS_LOG_WARNING, false },
	{ "info", SETTINGS_LOG_INFO, false },
	{ "debug", SETTINGS_LOG_DEBUG, false },
	{ NULL, 0, false },
};

const struct word words_log_format[] = {
	{ "logfmt", SETTINGS_LOGFMT, false },
	{ "json", SETTINGS_JSON, false },
	{ NULL, 0, false },
};

const struct word words_log_addresses[] = {
	{ "plain", SETTINGS_ADDRESSES_PLAIN, false },
	{ "hash", SETTINGS_ADDRESSES_HASH, false },
	{ "none", SETTINGS_ADDRESSES_NONE, false },
	{ NULL, 0, false },
};

const struct word words_rule_state[] = {
	{ "enforce", SETTINGS_RULE_ENFORCE, false },
	{ "observe", SETTINGS_RULE_OBSERVE, false },
	{ "off", SETTINGS_RULE_OFF, false },
	{ NULL, 0, false },
};

const struct word words_stage[] = {
	{ "", SETTINGS_STAGE_ANY, false },
	{ "connect", SETTINGS_STAGE_CONNECT, false },
	{ "greet", SETTINGS_STAGE_GREET, false },
	{ "helo", SETTINGS_STAGE_HELO, false },
	{ "mail", SETTINGS_STAGE_MAIL, false },
	{ "rcpt", SETTINGS_STAGE_RCPT, false },
	{ "data", SETTINGS_STAGE_DATA, false },
	{ "message", SETTINGS_STAGE_MESSAGE, false },
	{ NULL, 0, false },
};

const struct word words_action[] = {
	{ "", SETTINGS_DO_NOTHING, false },
	{ "ok", SETTINGS_DO_OK, false },
	{ "log", SETTINGS_DO_LOG, false },
	{ "wait", SETTINGS_DO_WAIT, false },
	{ "mail", SETTINGS_DO_MAIL, false },
	{ "defer", SETTINGS_DO_DEFER, false },
	{ "reject", SETTINGS_DO_REJECT, false },
	{ "greylist", SETTINGS_DO_GREYLIST, false },
	{ "throttle", SETTINGS_DO_THROTTLE, false },
	{ "block", SETTINGS_DO_BLOCK, false },
	{ "delete", SETTINGS_DO_DELETE, false },
	{ "tag", SETTINGS_DO_TAG, false },
	{ NULL, 0, false },
};

const struct word words_charge_to[] = {
	{ "", SETTINGS_TO_DEFAULT, false },
	{ "client", SETTINGS_TO_CLIENT, false },
	{ "net", SETTINGS_TO_NET, false },
	{ "sender", SETTINGS_TO_SENDER, false },
	{ "domain", SETTINGS_TO_DOMAIN, false },
	{ "recipient", SETTINGS_TO_RECIPIENT, false },
	{ "user", SETTINGS_TO_USER, false },
	{ "identity", SETTINGS_TO_IDENTITY, false },
	{ NULL, 0, false },
};

const char *word_text(const struct word *words, unsigned value)
{
	while (words->text && words->value != value)
		words++;
	return words->text ? words->text : "";
}

const char *settings_stage_name(enum settings_stage stage)
{
	return word_text(words_stage, stage);
}

const char *settings_action_name(enum settings_action action)
{
	return word_text(words_action, action);
}

const char *settings_charge_to_name(enum settings_charge_to to)
{
	return word_text(words_charge_to, to);
}
