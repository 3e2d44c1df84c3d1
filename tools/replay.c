/* `smtpguardctl replay`: files of log.replay through the rules of a settings file; no server is asked */
#include "base/clock.h"
#include "base/mem.h"
#include "replay/read.h"
#include "rulebook/rulebook.h"
#include "tools/command.h"
#include "tools/replay_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 256 * 1024, PROGRESS_MS = 250, PROGRESS_EVERY = 512, BAR = 30, DEFAULT_TOP = 10 };

struct job {
	struct settings *settings;
	struct rulebook_lists lists;
	struct arena arena;
	struct score_ruleset *rules;
	struct replay_runner *runner;
	struct replay_report report;
	struct replay_reader reader;
	struct replay_record record;
	struct buf in;
	const char *file; /* being read */
	uint64_t line;
	bool bar;
	uint64_t bytes, bytes_all; /* all: 0 where one of the files is not a plain one */
	uint64_t records, begun_ms, told_ms;
};

/* Always false; without memory the exit code alone says it. */
__attribute__((format(printf, 2, 3))) static bool fault(struct buf *error, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	(void)!buf_put(error, slice_str(text));
	return false;
}

/* ---- the rules ---- */

static bool tell_faults(const struct settings_faults *faults, struct buf *error)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct settings_fault *f = &faults->items[i];
		if (f->severity == SETTINGS_ERROR &&
			!buf_printf(error, "%s:%" PRIu32 ": %s\n", f->file, f->line, f->text))
			break;
	}
	return buf_len(error) == 0 ? fault(error, "not enough memory for the rules") : false;
}

static bool load(struct job *j, const char *path, struct settings_faults *faults)
{
	struct settings_host host = { .hostname = "localhost.localdomain" };
	struct hash_key key = hash_key_random();
	j->settings = settings_load(path, &host, faults);
	if (!j->settings)
		return false;
	bool read = rulebook_read_lists(&j->lists, j->settings, &j->arena, &key, faults);
	j->rules = rulebook_compile(j->settings, &j->lists, &key, faults);
	return read && j->rules && faults->errors == 0;
}

static bool load_rules(struct job *j, const char *path, struct buf *error)
{
	struct settings_faults faults = { 0 };
	bool ok = load(j, path, &faults) || tell_faults(&faults, error);
	settings_faults_release(&faults);
	if (ok)
		j->runner = replay_runner_new(j->rules, j->settings->score.memory);
	if (ok && !j->runner)
		return fault(error, "score.memory of the settings is more than can be had here");
	return ok;
}

/* ---- progress ---- */

static void draw(const struct job *j, uint64_t now_ms)
{
	char left[TOOLS_UNIT_TEXT], bar[BAR + 1];
	uint64_t took_ms = now_ms > j->begun_ms ? now_ms - j->begun_ms : 1;
	double share = j->bytes_all ? (double)j->bytes / (double)j->bytes_all : 0;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < (int)(share * BAR) ? '#' : '.';
	bar[BAR] = '\0';
	(void)fprintf(stderr, "\r%" PRIu64 " records, %" PRIu64 "/s", j->records, j->records * 1000 / took_ms);
	if (share > 0)
		(void)fprintf(stderr, " [%s] %3.0f %%, %s left ", bar, share * 100,
			tools_duration((int64_t)((double)took_ms * (1 - share) / share), left));
	(void)fprintf(stderr, "\x1b[K");
	(void)fflush(stderr);
}

static void progress(struct job *j)
{
	if (!j->bar || j->records % PROGRESS_EVERY)
		return;
	uint64_t now_ms = clock_mono_ms();
	if (now_ms - j->told_ms < PROGRESS_MS)
		return;
	j->told_ms = now_ms;
	draw(j, now_ms);
}

static void end_progress(struct job *j)
{
	if (j->bar)
		(void)fprintf(stderr, "\r\x1b[K");
}

/* ---- the files ---- */

/* False: memory is out. */
static bool take_line(struct job *j, struct slice line)
{
	const char *why;
	struct replay_verdict now;
	j->line++;
	if (line.n == 0)
		return true;
	if (!replay_read(&j->reader, line, &j->record, &why)) {
		replay_report_fault(&j->report, j->file, j->line, why);
		return true;
	}
	j->records++;
	enum replay_outcome outcome = replay_run(j->runner, &j->record, &now);
	if (outcome == REPLAY_CHANGED)
		replay_report_change(&j->report, &j->record, &now);
	progress(j);
	return outcome != REPLAY_NO_MEMORY;
}

/* Whole lines; what is behind the last one stays. A line that is too long is a fault by the reader's word. */
static bool take_lines(struct job *j, bool at_end)
{
	for (;;) {
		struct slice rest = buf_slice(&j->in);
		size_t n = slice_find(rest, '\n');
		bool whole = n < rest.n;
		if (!whole && !(at_end && rest.n) && rest.n <= REPLAY_LINE)
			return true;
		if (!take_line(j, slice_of(rest.p, n)))
			return false;
		buf_consume(&j->in, whole ? n + 1 : n);
	}
}

static bool feed(struct job *j, FILE *f, struct buf *error)
{
	size_t n = 1;
	while (n > 0) {
		if (!buf_reserve(&j->in, READ_CHUNK))
			return fault(error, "not enough memory");
		n = fread(j->in.data + j->in.end, 1, READ_CHUNK, f);
		buf_grew(&j->in, n);
		j->bytes += n;
		if (!take_lines(j, n == 0))
			return fault(error, "not enough memory for so many sessions and records");
	}
	if (!ferror(f))
		return true;
	return fault(error, "%s cannot be read: %s", j->file, strerror(errno));
}

static bool run_file(struct job *j, const char *path, struct buf *error)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *f = is_input ? stdin : fopen(path, "re");
	if (!f)
		return fault(error, "%s cannot be read: %s", path, strerror(errno));
	j->file = is_input ? "standard input" : path;
	j->line = 0;
	bool ok = feed(j, f, error);
	if (!is_input)
		(void)fclose(f);
	return ok;
}

static const char *file_name(struct job *j, struct ctl_json files, size_t i)
{
	return arena_str(&j->arena, ctl_json_text(ctl_json_item(files, i), NULL));
}

/* For the bar: only plain files tell how much is left. */
static void measure(struct job *j, struct ctl_json files)
{
	struct stat st;
	for (size_t i = 0; i < ctl_json_len(files); i++) {
		const char *path = file_name(j, files, i);
		if (!path || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
			j->bytes_all = 0;
			return;
		}
		j->bytes_all += (uint64_t)st.st_size;
	}
}

static bool run_files(struct job *j, struct ctl_json files, struct buf *error)
{
	bool ok = true;
	j->begun_ms = j->told_ms = clock_mono_ms();
	measure(j, files);
	for (size_t i = 0; ok && i < ctl_json_len(files); i++) {
		const char *path = file_name(j, files, i);
		ok = path && run_file(j, path, error);
	}
	end_progress(j);
	if (ok && j->records == 0)
		return fault(error, "no record is in these files: they are not of log.replay, or empty");
	return ok;
}

/* ---- the report ---- */

static bool print_report(struct job *j, bool json, size_t top, struct buf *error)
{
	struct ctl_json_doc doc = { 0 };
	struct tools_out o = { 0 };
	struct ctl_json at = ctl_json_root_object(&doc);
	replay_report_put(&j->report, j->runner, j->rules, top, at);
	ctl_json_put_count(at, "took_ms", clock_mono_ms() - j->begun_ms);
	if (json)
		o.failed = !ctl_json_write(at, CTL_JSON_INDENTED, &o.text) || !buf_put(&o.text, SLICE("\n"));
	else
		tools_show_replay(at, &o);
	bool ok = !o.failed && !doc.failed;
	struct slice text = buf_slice(&o.text);
	if (!ok)
		(void)!buf_put(error, SLICE("not enough memory to show the report"));
	else if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
		ok = fault(error, "cannot write to standard output");
	buf_release(&o.text);
	ctl_json_release(&doc);
	return ok;
}

static bool check_same(const struct job *j, struct buf *error)
{
	struct replay_totals t;
	replay_runner_totals(j->runner, &t);
	if (t.changed == 0)
		return true;
	return fault(error, "%" PRIu64 " verdicts changed", t.changed);
}

static void release(struct job **p)
{
	struct job *j = *p;
	replay_report_release(&j->report);
	replay_reader_release(&j->reader);
	replay_runner_free(&j->runner);
	score_rules_free(&j->rules);
	rulebook_free_lists(&j->lists);
	if (j->settings)
		settings_free(&j->settings);
	arena_release(&j->arena);
	buf_release(&j->in);
	mem_free(p);
}

bool tools_replay(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r)
{
	struct ctl_json typed = ctl_json_root(args);
	struct job *j = mem_zalloc(sizeof *j);
	const char *rules = j ? arena_str(&j->arena, ctl_json_text(typed, "rules")) : NULL;
	bool ok = rules != NULL;
	if (!ok)
		(void)!buf_put(error_r, SLICE("not enough memory"));
	if (ok) {
		j->bar = isatty(STDERR_FILENO) && !ctl_json_bool(typed, "quiet", false);
		ok = load_rules(j, rules, error_r) && run_files(j, ctl_json_get(typed, "files"), error_r) &&
		     print_report(j, live->json, (size_t)ctl_json_int(typed, "top", DEFAULT_TOP), error_r) &&
		     (!ctl_json_bool(typed, "check_same", false) || check_same(j, error_r));
	}
	if (j)
		release(&j);
	return ok;
}
