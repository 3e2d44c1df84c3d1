/* smtpguardd - the command line. Everything else is in server/daemon.c. */
#include "base/buf.h"
#include "base/log.h"
#include "server/daemon.h"
#include "server/privileges.h"
#include "server/reload.h"
#include "server/seats.h"
#include "server/version.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAULT = 1, EXIT_USAGE = 2 };
enum { OPT_CHECK = 256, OPT_DUMP, OPT_VERSION };
enum { HOSTNAME_MAX = 256 };

static const char USAGE[] =
	"usage: smtpguardd -c FILE [--check | --dump]\n"
	"\n"
	"Runs the SMTP front-end in the foreground with the settings of FILE.\n"
	"\n"
	"  -c, --config FILE  the settings file\n"
	"      --check        check settings, rules, lists and certificates, then exit: 0 fine, 1 faults\n"
	"      --dump         print the settings in effect, defaults included, and each rule's stages\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n"
	"\n"
	"Signals: HUP reads the settings anew, USR1 writes a snapshot, TERM and INT finish what is under way and end\n"
	"(a second one at once).\n"
	"Manuals: smtpguardd(8), smtpguardd.cfg(5), smtpguard-rules(5), smtpguardctl(1).\n";

struct arguments {
	const char *file;
	int mode; /* 0: run */
};

static int print_faults(const struct settings_faults *faults)
{
	struct buf line = { 0 };
	for (size_t i = 0; i < faults->count; i++) {
		buf_clear(&line);
		if (settings_fault_format(&faults->items[i], &line))
			fprintf(stderr, "%.*s\n", SLICE_ARG(buf_slice(&line)));
	}
	buf_release(&line);
	return faults->errors ? EXIT_FAULT : EXIT_DONE;
}

static void print_stages(const struct generation *g)
{
	for (unsigned i = 0; i < score_rules_count(g->rules); i++) {
		printf("# rule %s: tested at", score_rule_name(g->rules, i));
		for (unsigned stage = 0; stage < SCORE_STAGES; stage++)
			if (score_rule_stages(g->rules, i) >> stage & 1)
				printf(" %s",
					settings_stage_name((enum settings_stage)(SETTINGS_STAGE_CONNECT + stage)));
		printf("\n");
	}
}

static int dump(const struct generation *g)
{
	struct buf text = { 0 };
	bool ok = settings_dump(g->settings, &text);
	if (ok)
		fwrite(text.data + text.start, 1, buf_len(&text), stdout);
	buf_release(&text);
	print_stages(g);
	return ok && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAULT;
}

static int check_or_dump(const struct arguments *a, const char *hostname)
{
	struct settings_faults faults = { 0 };
	struct generation_needs needs = { .host.hostname = hostname };
	struct generation *g = generation_load(a->file, &needs, NULL, &faults);
	int code = print_faults(&faults);
	if (g)
		seats_tell(g->settings, privileges_raise_nofile());
	if (g && a->mode == OPT_DUMP)
		code = dump(g);
	if (g)
		daemon_check_files(g->settings);
	generation_unref(&g);
	settings_faults_release(&faults);
	return code;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "dump", no_argument, NULL, OPT_DUMP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "c:h", LONG, NULL)) != -1;) {
		switch (o) {
		case 'c':
			a->file = optarg;
			break;
		case OPT_CHECK:
		case OPT_DUMP:
			a->mode = o;
			break;
		case OPT_VERSION:
			printf("smtpguardd %s\n", SMTPGUARD_VERSION);
			return EXIT_DONE;
		case 'h':
			fputs(USAGE, stdout);
			return EXIT_DONE;
		default:
			fputs("try: smtpguardd --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (a->file && optind == argc)
		return -1;
	fputs(a->file ? "smtpguardd: too many arguments; try --help\n"
		      : "smtpguardd: no settings file; use -c FILE, or try --help\n",
		stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	int code = parse(argc, argv, &a);
	if (code >= 0)
		return code;
	char hostname[HOSTNAME_MAX] = "localhost";
	if (gethostname(hostname, sizeof hostname - 1) < 0)
		hostname[0] = 0;
	if (a.mode)
		return check_or_dump(&a, hostname);
	return daemon_run(a.file, hostname);
}
